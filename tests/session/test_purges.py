"""After a purge: what still holds the secret is told, and no snapshot takes it as it was."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zstandard
from IPython.core.interactiveshell import InteractiveShell

import renex_jupyter as rx
from renex_jupyter.capture.index import RACY_NS
from renex_jupyter.capture.modules import OUTSIDE
from renex_jupyter.capture.search import lines_with
from renex_jupyter.errors import RenexError
from renex_jupyter.records import display
from renex_jupyter.records.changes import now
from renex_jupyter.records.snapshots import Snapshot
from renex_jupyter.session import family, purges, snapshots
from renex_jupyter.session.current import current
from renex_jupyter.store.blobs import CHUNK
from renex_jupyter.store.keeping import apart
from renex_jupyter.store.keeping import purge as purging
from renex_jupyter.store.keeping.doomed import Doomed
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.purge import purge
from renex_jupyter.store.sought import Sought
from renex_jupyter.store.store import Store

SECRET = "hunter2-is-it"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "pyproject.toml").touch()
    (folder / "train.py").write_text(f"import os\nword = '{SECRET}'\nprint(word)\nagain = '{SECRET}'\n")
    (folder / "other.py").write_text("1\n")
    return folder


def left_out(snapshot: Snapshot) -> dict[str, str]:
    """Return the reasons by path; where this file lies depends on how the package is installed."""
    return {each.path: each.reason for each in snapshot.left_out if each.reason != OUTSIDE}


def test_the_files_that_still_hold_it_are_named_and_not_kept_as_they_are(project: Path) -> None:
    rx.snapshot("with it")
    done = rx.purge(secret=SECRET)
    assert [(each.path, each.lines) for each in done.still_in] == [("train.py", (2, 4))]
    assert "train.py, lines 2, 4" in str(done) and SECRET not in str(done)
    assert left_out(rx.snapshot("after")) == {"train.py": "purged"}
    store = Store(project / ".renex")
    contents = [store.blobs.get(path.parent.name + path.name[:62]) for path in store.layout.blobs.glob("??/*")]
    assert SECRET.encode() not in b"".join(contents)
    assert fsck(store.layout).damages == ()
    assert left_out(rx.snapshot("asked for", files="train.py")) == {}
    assert left_out(rx.snapshot("kept from now on")) == {}


def test_a_file_that_changed_since_the_last_snapshot_is_not_kept_either(project: Path) -> None:
    rx.snapshot("with it")
    (project / "train.py").write_text(f"# {SECRET}\n")
    assert [each.lines for each in rx.purge(secret=SECRET).still_in] == [(1,)]
    assert left_out(rx.snapshot("after")) == {"train.py": "purged"}
    (project / "train.py").write_text("# nothing\n")
    assert left_out(rx.snapshot("taken out")) == {}


def test_a_notebook_that_is_as_it_was_is_not_kept_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": 1, "source": [SECRET]}
    document = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (project / "n.ipynb").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    monkeypatch.setenv("RENEX_NOTEBOOK", str(project / "n.ipynb"))
    taken = rx.snapshot("with it")
    told = subprocess.run(
        [sys.executable, "-m", "renex_jupyter.cli.main", "purge", "--secret", "--yes", "--json"],
        input=SECRET, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(told.stdout)
    assert {each["path"] for each in found["still_in"]} == {"n.ipynb", "train.py"}
    assert [each["pid"] for each in found["writers"]] == [os.getpid()]
    assert taken.notebook_sha256
    after = rx.snapshot("after")
    assert left_out(after) == {"n.ipynb": "purged", "train.py": "purged"} and after.notebook_sha256 is None


def test_a_process_that_is_alive_is_named_with_its_run(project: Path) -> None:
    script = "import sys, renex_jupyter as rx; rx.start_run('long'); print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdin and other.stdout and other.stdout.readline() == "up\n"
        done = rx.purge(secret=SECRET)
        assert [(each.pid, each.run) for each in done.writers] == [(other.pid, "long")]
        other.stdin.close()
    assert rx.purge(secret=SECRET).writers == ()


def test_a_purge_that_finds_nothing_claims_no_work(project: Path) -> None:
    rx.snapshot("with it")
    done = rx.purge(secret="not to be found anywhere")
    assert (done.files, done.title) == (0, "nothing to purge was found")
    assert not any(text for _, text in done.rows())


def test_a_checkout_leaves_out_what_was_purged_and_says_when(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = {"cells": [{"cell_type": "raw", "metadata": {}, "source": SECRET}], "nbformat": 4, "nbformat_minor": 4}
    (project / "n.ipynb").write_text(json.dumps(notebook))
    monkeypatch.setenv("RENEX_NOTEBOOK", str(project / "n.ipynb"))
    first = rx.snapshot("with it")
    days = [display.moment(now())[:10]]
    rx.purge(secret=SECRET)
    days.append(display.moment(now())[:10])  # another one, at midnight
    done = rx.checkout(first.snapshot_id, project / "out")
    assert sorted(done.skipped) in [[(path, f"purged on {day}") for path in ("n.ipynb", "train.py")] for day in days]
    assert (project / "out" / "other.py").read_text() == "1\n" and not (project / "out" / "train.py").exists()


def test_a_purged_file_that_is_as_it_was_is_no_difference(project: Path) -> None:
    first = rx.snapshot("with it")
    rx.purge(secret=SECRET)
    second = rx.snapshot("after")
    for one, other in (("now", first), ("now", second), (first.snapshot_id, second)):
        assert "train.py" not in str(rx.diff(other.snapshot_id, one))


@pytest.mark.parametrize("what", ["snapshot", "secret"])
def test_what_a_purge_takes_while_a_snapshot_is_taken_is_not_missing(
    project: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    first = rx.snapshot("first")
    keep_parts = snapshots.keep_parts

    def beside(store: Store, state: snapshots.Captured) -> None:
        """Purge when the snapshot has found its code and files recorded, and before it is recorded itself."""
        keep_parts(store, state)
        monkeypatch.setattr(snapshots, "keep_parts", keep_parts)
        store.journal.seal()
        other = Store(store.layout.root)
        purge(other, object_id=first.snapshot_id) if what == "snapshot" else purge(other, secret=SECRET)

    monkeypatch.setattr(snapshots, "keep_parts", beside)
    second = rx.snapshot("second")
    store = Store(project / ".renex")
    files = store.reader.rows("select path from snapshot_files where snapshot_id = ?", [second.snapshot_id])
    assert "train.py" in {row["path"] for row in files}
    assert fsck(store.layout).damages == ()


@pytest.mark.parametrize("recorded", ["before the contents go", "after that"])
def test_a_snapshot_that_looks_while_contents_are_searched_misses_none(
    project: Path, monkeypatch: pytest.MonkeyPatch, recorded: str
) -> None:
    rx.snapshot("first")
    leave_a_note, capture, states = purging._leave_a_note, snapshots._capture, []

    def beside(store: Store, objects: set[tuple[str, str]]) -> None:
        if any(kind == "blobs" for kind, _ in objects) and not states:
            states.append(capture(current(), (), keep=True))
            leave_a_note(store, objects)
            if recorded == "before the contents go":
                rx.snapshot("second")
        else:
            leave_a_note(store, objects)

    monkeypatch.setattr(purging, "_leave_a_note", beside)
    monkeypatch.setattr(snapshots, "_capture", lambda *_, **__: states[0])
    purge(Store(project / ".renex"), secret=SECRET)
    if recorded == "after that":
        rx.snapshot("second")
    store = Store(project / ".renex")
    named = store.reader.rows("select count(*) as n from snapshot_files where path = 'train.py' and sha256 is not null")
    assert named == [{"n": 2}]
    assert fsck(store.layout).damages == ()


def test_a_secret_of_several_lines_goes_from_the_outputs_of_a_notebook() -> None:
    printed = {"output_type": "stream", "name": "stdout", "text": ["it is:\n", "-- BEGIN --\n", "MIIE\n", "done\n"]}
    cell = {"cell_type": "code", "source": "", "outputs": [printed], "metadata": {"tags": ["BEGIN", "a"]}}
    made = purges.without({"cells": [cell], "metadata": {}}, [Doomed(secret="-- BEGIN --\nMIIE").text])
    assert made["cells"][0]["outputs"][0]["text"] == ["it is:\n", "[purged]\n", "done\n"]
    assert made["cells"][0]["metadata"] == cell["metadata"]


def test_the_purge_of_a_run_is_not_taken_for_that_of_a_secret(project: Path) -> None:
    with rx.start_run("x"):
        pass
    rx.purge("x")
    assert purges.last_secret(current().store) is None


def test_a_text_is_found_across_the_parts_in_which_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    text = b"x" * (CHUNK - 6) + b"\nab\ncdef\n"
    path.write_bytes(text + b"ab\ncd")
    with path.open("rb") as file:
        assert lines_with(file, Sought((b"ab\ncd",))) == [2, 4]


def test_a_purge_that_is_interrupted_says_what_to_do_and_its_cell_is_blotted_out(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "renex_jupyter")
    shell.run_cell("import renex_jupyter as rx; rx.start_run('x'); rx.end_run()", store_history=True)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(apart.subprocess, "run", interrupted)
        result = shell.run_cell(f"rx.purge(secret='{SECRET}')", store_history=True)
    assert "purge was cut off" in str(result.error_in_exec) and "do it again" in str(result.error_in_exec)
    shell.run_cell("1 + 1", store_history=True)
    rows = Store(project / ".renex").reader.rows("select source from cell_executions order by seq")
    assert [row["source"] for row in rows][1:] == ["rx.purge(secret='[purged]')", "1 + 1"]
    rx.purge(secret=SECRET)


def test_a_purge_that_is_refused_blots_nothing_out(project: Path) -> None:
    rx.snapshot("x")
    with pytest.raises(RenexError, match="stands everywhere"):
        rx.purge(secret="rx.")
    assert current().purges.blots == []


def test_a_purge_that_failed_half_way_blots_its_cell_out(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "train.py").unlink()
    rx.snapshot("x")
    dying = "import sys; sys.exit('killed')"  # as by a full memory, with some records rewritten
    monkeypatch.setattr(apart, "COMMAND", ("-c", dying))
    with pytest.raises(RenexError, match="purge ended early"):
        rx.purge(secret=SECRET)
    assert [blot(f"rx.purge(secret='{SECRET}')") for blot in current().purges.blots] == ["rx.purge(secret='[purged]')"]


def test_a_secret_in_the_names_of_what_is_open_does_not_come_back(project: Path) -> None:
    (project / "train.py").unlink()
    rx.set_experiment(f"e-{SECRET}", namespace=f"n-{SECRET}")
    with rx.start_run(f"r-{SECRET}"):
        rx.log_param("before", 1)
        rx.purge(secret=SECRET)
        rx.log_param("after", 2)
        rx.log_metric("loss", 0.5)
    rx.snapshot("end")
    current().store.journal.seal()
    store = Store(project / ".renex")
    journals = b"".join(path.read_bytes() for path in store.layout.journal.glob("*.jsonl"))
    told = [store.reader.rows(f"from {table}") for table in ("runs", "experiments", "namespaces", "change_events")]
    assert SECRET not in f"{journals!r}{told}"


def say_what_was_told() -> None:
    told = [dict(os.environ), family.Family().given]
    assert SECRET not in str(told) and told[1]["RENEX_RUN_NAME"] == "r-[purged]"
    with rx.start_run("below", nested=True):
        pass


@pytest.mark.parametrize("opened", ["here", "by the parent"])
def test_a_secret_in_the_names_of_what_is_open_is_not_told_to_children(
    project: Path, monkeypatch: pytest.MonkeyPatch, opened: str
) -> None:
    (project / "train.py").unlink()
    monkeypatch.delitem(multiprocessing.current_process()._config, family.HANDED, raising=False)  # type: ignore[attr-defined]
    if opened == "here":
        monkeypatch.setenv("RENEX_RUN_NAME", f"before-{SECRET}")
        rx.set_experiment(f"e-{SECRET}", namespace=f"n-{SECRET}")
        rx.start_run(f"r-{SECRET}")
    else:
        told = {"RUN_ID": "a" * 32, "RUN_NAME": f"r-{SECRET}", "NAMESPACE": f"n-{SECRET}", "EXPERIMENT": f"e-{SECRET}"}
        for name, value in told.items():
            monkeypatch.setenv(f"RENEX_{name}", value)
        rx.log_param("before", 1)
    rx.purge(secret=SECRET)
    child = multiprocessing.get_context("spawn").Process(target=say_what_was_told)
    child.start()
    child.join(60)
    assert child.exitcode == 0
    rx.end_run()
    assert SECRET not in str(dict(os.environ))
    found = rx.get_run("below")
    assert (found.namespace, found.experiment) == ("n-[purged]", "e-[purged]")


@pytest.mark.parametrize(
    ("secret", "encoding"), [(SECRET, "utf-16"), (SECRET, "utf-16-be"), ("geheimnüss42", "latin-1")]
)
def test_a_file_in_another_encoding_is_found_in_contents_and_in_the_project(
    project: Path, secret: str, encoding: str
) -> None:
    (project / "train.py").unlink()
    (project / "notes.txt").write_bytes(f"one\nword = {secret}\n".encode(encoding))
    taken = rx.snapshot("with it")
    done = rx.purge(secret=secret)
    assert done.blobs == 1
    assert [each.path for each in done.still_in] == ["notes.txt"]
    assert [path for path, _ in rx.checkout(taken.snapshot_id, project / "out").skipped] == ["notes.txt"]


def test_a_file_that_has_it_in_its_name_is_told(project: Path) -> None:
    (project / "train.py").unlink()
    (project / SECRET).mkdir()
    (project / SECRET / "a.txt").write_text("nothing")
    rx.snapshot("with it")
    told = [str(each) for each in rx.purge(secret=SECRET).still_in]
    assert f"{SECRET}/a.txt, its name" in told


@pytest.mark.slow
def test_names_of_files_that_were_remembered_go_with_a_secret(project: Path) -> None:
    (project / f"{SECRET}.csv").write_text("1\n")
    time.sleep(RACY_NS / 1e9 + 0.1)
    rx.snapshot("with it")
    index = project / ".renex" / "index"
    until = time.monotonic() + 60
    while time.monotonic() < until and not remembered(index):  # the reading process writes it after its answer
        time.sleep(0.05)
    assert f"{SECRET}.csv" in remembered(index)
    (project / f"{SECRET}.csv").unlink()
    rx.purge(secret=SECRET)
    assert SECRET not in remembered(index)
    rx.snapshot("after")
    time.sleep(0.5)
    assert SECRET not in remembered(index)


def remembered(index: Path) -> str:
    found = [path.read_bytes() for path in index.glob("*")]
    return "".join(zstandard.ZstdDecompressor().decompress(each).decode() for each in found)
