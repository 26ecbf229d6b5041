"""Two moments compared, as a user asks for it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

import renex_jupyter as rx
from renex_jupyter.analysis.diff import diff_states
from renex_jupyter.analysis.file_lines import comparable
from renex_jupyter.errors import RenexError
from renex_jupyter.session.current import current
from renex_jupyter.session.diffs import _kept_content, kept_state


def notebook(folder: Path, *sources: str) -> Path:
    path = folder / "a.ipynb"
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(sources)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_all_five_parts_are_compared_at_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENEX_NOTEBOOK", str(notebook(project, "lr = 0.1", "fit(lr)")))
    one = rx.snapshot("before", config={"lr": 0.1}, metrics={"accuracy": 0.5})
    notebook(project, "lr = 0.2", "fit(lr)")
    (project / "model.py").write_text("def model():\n    return 2\n")
    two = rx.snapshot("after", config={"lr": 0.2}, metrics={"accuracy": 0.6})
    found = rx.diff(one, two)
    assert [each.lines for each in found.cells] == [("-lr = 0.1", "+lr = 0.2")]
    assert [each.lines for each in found.files] == [(" def model():", "-    return 1", "+    return 2")]
    assert found.packages == ()
    assert [each.delta for each in found.config] == [0.1]
    assert [each.relative for each in found.metrics] == [pytest.approx(0.2)]
    assert found.overview == "1 cell, 1 file, 1 config value, 1 metric"
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["code"][0]["of"] == 2


def test_a_side_may_be_an_object_an_id_a_label_a_name_or_now(project: Path) -> None:
    one = rx.snapshot(label="start")
    with rx.start_run("train") as run:
        pass
    done = rx.get_run(run.run_id)
    for a in (one, one.snapshot_id, one.snapshot_id[:8], "start", done, "train", done.run_id, "now"):
        for b in (one, "train", done, "now"):
            assert rx.diff(a, b).same, (a, b)


def test_without_words_the_last_snapshot_of_the_notebook_is_compared_with_now(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENEX_NOTEBOOK", str(notebook(project, "x")))
    mine = rx.snapshot("mine")
    monkeypatch.delenv("RENEX_NOTEBOOK")
    other = rx.snapshot("of no notebook")
    with rx.start_run("hidden ones"):
        pass
    assert rx.diff().a.startswith(other.snapshot_id[:8])
    monkeypatch.setenv("RENEX_NOTEBOOK", str(project / "a.ipynb"))
    found = rx.diff()
    assert (found.a, found.b) == (f'{mine.snapshot_id[:8]} "mine"', "now")


def test_without_a_snapshot_there_is_nothing_to_compare_with(project: Path) -> None:
    with rx.start_run("only hidden ones"):
        pass
    with pytest.raises(RenexError, match="no snapshot yet") as error:
        rx.diff()
    assert "%snapshot" in error.value.hint


def test_the_state_of_a_run_is_called_by_its_run(project: Path) -> None:
    with rx.start_run("train") as run:
        pass
    found = rx.diff(rx.get_run(run.run_id).before_snapshot_id, "train")
    assert (found.a, found.b) == (f"run {run.run_id[:8]} train (before)", f"run {run.run_id[:8]} train (after)")


def test_hiding_a_snapshot_that_was_taken_in_a_run_changes_no_diff(project: Path) -> None:
    with rx.start_run("train"):
        rx.log_param("lr", 0.1)
        rx.snapshot(label="inside", config={"a": 1})
    rx.update_snapshot("inside", hidden=True)
    assert [(each.kind, each.key) for each in rx.diff("inside", "train").config] == [("removed", "a"), ("added", "lr")]


def test_a_link_shows_where_it_led_and_where_it_leads(project: Path) -> None:
    (project / "latest").symlink_to("runs/1")
    rx.snapshot(label="one")
    (project / "latest").unlink()
    (project / "latest").symlink_to("runs/22")
    rx.snapshot(label="two")
    (change,) = rx.diff("one", "two").files
    assert (change.before_kind, change.after_kind, change.lines) == ("link", "link", ("-runs/1", "+runs/22"))


def test_what_a_file_says_now_is_compared_by_lines_too(project: Path) -> None:
    (project / "latest").symlink_to("runs/1")
    (project / "odd\nname%.txt").write_text("a\n")
    (project / "image.bin").write_bytes(b"\0" * 100)
    rx.snapshot(label="one")
    (project / "latest").unlink()
    (project / "latest").symlink_to("runs/22")
    (project / "odd\nname%.txt").write_text("a\nb\n")
    (project / "image.bin").write_bytes(b"\0" * 101)
    found = {each.path: each for each in rx.diff("one").files}
    assert found["latest"].lines == ("-runs/1", "+runs/22")
    assert found["odd\nname%.txt"].lines == (" a", "+b")
    assert (found["image.bin"].lines, found["image.bin"].note) == ((), "not text")
    back = {each.path: each for each in rx.diff("now", "one").files}
    assert back["odd\nname%.txt"].lines == (" a", "-b")


def test_the_kernel_opens_no_file_of_the_user_to_compare_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rx.snapshot(label="one")
    (project / "model.py").write_text("other\n")
    opened: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and watching and str(arguments[0]).endswith("model.py"):
            opened.append(str(arguments[0]))

    watching = True
    sys.addaudithook(watch)
    found = rx.diff("one")
    watching = False
    assert found.files[0].lines
    assert opened == []


def test_a_content_that_is_gone_is_told_and_breaks_nothing(project: Path) -> None:
    rx.snapshot(label="one")
    (project / "model.py").write_text("other")
    rx.snapshot(label="two")
    for path in (project / ".renex" / "blobs").glob("*/*"):
        path.unlink()
    (change,) = rx.diff("one", "two").files
    assert (change.lines, change.note) == ((), "content not kept")


def test_a_record_that_lies_about_a_size_is_not_read_to_its_end(project: Path) -> None:
    (project / "zeros.txt").write_bytes(b"x" * 10_000_000)
    one = rx.snapshot()
    (project / "zeros.txt").write_bytes(b"y" * 10_000_000)
    two = rx.snapshot()
    session = current()
    lies = [replace(kept_state(session, each.snapshot_id), files={}) for each in (one, two)]
    entries = [kept_state(session, each.snapshot_id).files["zeros.txt"] for each in (one, two)]
    lies = [
        replace(state, files={"zeros.txt": replace(e, size=n)})
        for n, (state, e) in enumerate(zip(lies, entries, strict=True))
    ]
    found = diff_states(*lies)
    (change,) = comparable(found, *lies)
    assert change.path == "zeros.txt"
    assert [_kept_content(session, state.files["zeros.txt"]) for state in lies] == [None, None]


def test_a_notebook_that_nobody_knows_here_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = notebook(project, "x = 1")
    monkeypatch.setenv("RENEX_NOTEBOOK", str(path))
    rx.snapshot(label="one")
    monkeypatch.delenv("RENEX_NOTEBOOK")
    path.unlink()
    found = rx.diff("one")
    assert found.cells == ()
    assert found.notes == ("The notebook is not known here, so its cells are not compared.",)
    assert "not compared" in str(found) and "not compared" in found._repr_html_()


def test_a_kernel_without_a_notebook_compares_with_its_own_last_snapshot(project: Path) -> None:
    mine = rx.snapshot("mine")
    program = "import renex_jupyter as rx; rx.snapshot('of another kernel')"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=project)
    assert rx.list_snapshots()["message"].tolist() == ["of another kernel", "mine"]
    assert rx.diff().a.startswith(mine.snapshot_id[:8])
