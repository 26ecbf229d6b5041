"""The project becomes an earlier state, and nothing is lost by it."""

from __future__ import annotations

import importlib
import json
import os
import signal
import stat
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from disk import full_disk
from projects import Tree, notebook, refused, tree

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change
from renex_jupyter.session import snapshots
from renex_jupyter.session.current import current
from renex_jupyter.session.status import status
from renex_jupyter.session.unfinished import Unfinished
from renex_jupyter.store import locks


def test_the_project_becomes_the_snapshot_and_comes_back(changed: Path) -> None:
    after = tree(changed)
    done = rx.checkout("start", in_place=True)
    start = rx.get_snapshot("start").snapshot_id
    assert tree(changed) == tree_of(changed, start)
    assert not (changed / "new").exists()
    assert (changed / "model.py").read_text() == "def model():\n    return 1\n"
    assert stat.S_IMODE((changed / "hollow").stat().st_mode) == 0o700
    assert done.safety_id is not None
    assert f"%renex checkout {done.safety_id[:8]} --in-place" in str(done)
    assert rx.get_snapshot(done.safety_id).message == f"before checkout of {start[:8]}"
    rx.checkout(done.safety_id, in_place=True)
    assert tree(changed) == after


def tree_of(project: Path, snapshot_id: str) -> Tree:
    """Return the tree that a checkout into a new folder writes."""
    result = Path(rx.checkout(snapshot_id, project.parent / f"{project.name}-{snapshot_id[:8]}").path)
    (result / ".renex-checkout").unlink()
    return tree(result)


def test_what_is_the_same_is_not_written_again(changed: Path) -> None:
    kept = changed / "pyproject.toml"
    before = kept.stat()
    done = rx.checkout("start", in_place=True)
    assert (kept.stat().st_ino, kept.stat().st_ctime_ns) == (before.st_ino, before.st_ctime_ns)
    assert (done.files, done.removed) == (6, 3)
    again = rx.checkout("start", in_place=True)
    assert (again.files, again.removed, again.size) == (0, 0, 0)


def test_without_a_word_it_is_a_new_folder(changed: Path) -> None:
    before = tree(changed)
    made = Path(rx.checkout("start").path)
    assert made.parent == changed
    assert {name: each for name, each in tree(changed).items() if not name.startswith(made.name)} == before
    with pytest.raises(RenexError, match="not both"):
        rx.checkout("start", to="x", in_place=True)


def test_what_no_snapshot_takes_stays_as_it_is(changed: Path) -> None:
    kept = {
        ".gitignore": "*.log\ndata/\n",
        "a.log": "ignored",
        "data/x": "ignored",
        ".env": "KEY=1",
        ".git/config": "git",
        "venv/pyvenv.cfg": "venv",
        "venv/lib.py": "venv",
        "new/.env": "secret in a folder that goes otherwise",
    }
    (changed / ".gitignore").write_text(kept[".gitignore"])
    rx.snapshot(label="middle")
    for name, text in kept.items():
        (changed / name).parent.mkdir(exist_ok=True)
        (changed / name).write_text(text)
    os.mkfifo(changed / "pipe")
    (changed / "only-now").write_text("x")
    rx.checkout("start", to="old")
    rx.checkout("middle", in_place=True)
    assert not (changed / "only-now").exists()
    assert {name: (changed / name).read_text() for name in kept} == kept
    assert stat.S_ISFIFO((changed / "pipe").stat().st_mode)
    assert (changed / "old/model.py").exists()


def test_an_ignored_module_stays_also_where_this_process_imported_it(
    changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (changed / ".gitignore").write_text("private_lib/\n")
    (changed / "private_lib").mkdir()
    (changed / "private_lib/private_module_of_mine.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(changed / "private_lib"))
    monkeypatch.setitem(sys.modules, "private_module_of_mine", None)  # so that it goes with this test
    del sys.modules["private_module_of_mine"]
    importlib.import_module("private_module_of_mine")
    taken = rx.snapshot().snapshot_id
    assert "private_lib/private_module_of_mine.py" in set(
        rx.sql("select path from snapshot_files where snapshot_id = ?", [taken])["path"]
    )
    rx.checkout("start", in_place=True)
    assert (changed / "private_lib/private_module_of_mine.py").exists()
    assert not (changed / "new").exists()


def test_a_notebook_whose_outputs_no_snapshot_keeps_is_not_replaced(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = notebook(project, "1")
    monkeypatch.setenv("RENEX_NOTEBOOK", str(path))
    rx.snapshot(label="start")
    document = json.loads(path.read_text())
    text = "AKIA" + "Z7QK4M2N8P5R3T6V"
    document["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": f"aws_key = {text}"}]
    path.write_text(json.dumps(document))
    told = refused("conflict", project, "start", force=True)
    assert "n.ipynb (a secret in it is not kept)" in told.message


def test_an_ignored_file_that_the_snapshot_would_replace_is_kept_first(changed: Path) -> None:
    (changed / ".gitignore").write_text("model.py\nturns\n")
    done = rx.checkout("start", in_place=True)
    assert (changed / "model.py").read_text() == "def model():\n    return 1\n"
    assert (changed / "turns").read_text() == "a file"
    assert done.safety_id
    rx.checkout(done.safety_id, in_place=True)
    assert (changed / "model.py").read_text() == "def model():\n    return 2\n"
    assert (changed / "turns/x").read_text() == "in a folder"


def test_what_cannot_be_kept_is_named_before_anything_is_touched(
    changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (changed / "turns/.env").write_text("KEY=1")
    (changed / "turns/big").write_bytes(bytes(2000))
    (changed / "d/b").mkdir()
    os.mkfifo(changed / "d/b/pipe")
    monkeypatch.setattr(settings(), "max_file_size", 1000)
    told = refused("conflict", changed, "start")
    assert "3 paths" in told.message
    for each in ("turns/.env (secret)", "turns/big (too large)", "d/b/pipe (special file)"):
        assert each in told.message
    assert refused("conflict", changed, "start", force=True).message == told.message


def test_only_the_first_five_of_many_are_named(changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(9):
        (changed / f"turns/{i}").write_bytes(bytes(2000))
    monkeypatch.setattr(settings(), "max_file_size", 1000)
    told = refused("conflict", changed, "start").message
    assert "9 paths" in told
    assert "turns/4" in told
    assert "turns/5" not in told


def test_what_the_snapshot_knew_but_did_not_keep_stays(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "big").write_bytes(bytes(2000))
    with monkeypatch.context() as patch:
        patch.setattr(settings(), "max_file_size", 1000)
        rx.snapshot(label="start")
    (project / "big").write_bytes(b"smaller now")
    done = rx.checkout("start", in_place=True)
    assert (project / "big").read_bytes() == b"smaller now"
    assert [path for path, _ in done.skipped] == ["big"]


def test_a_snapshot_whose_list_of_files_is_not_whole_removes_nothing(project: Path) -> None:
    """A part that was lost must not look like files that were not there."""
    taken = rx.snapshot(label="start")
    store = current().store
    store.write(Change("snapshots", taken.snapshot_id, "update", {"parts": ["0" * 64]}))
    told = refused("corrupt", project, "start", force=True)
    assert "not whole" in told.message
    assert "not whole" in str(rx.checkout("start", to=project.parent / "out"))  # of what is there
    store.write(Change("snapshots", taken.snapshot_id, "update", {"parts": None}))
    refused("corrupt", project, "start")
    store.write(Change("snapshots", taken.snapshot_id, "update", {"parts": []}))
    rx.checkout("start", in_place=True)
    assert tree(project) == {}


def test_two_at_once_do_not_mix(changed: Path) -> None:
    with locks.hold(current().store.layout.checkout_lock, timeout=0):
        refused("locked", changed, "start")
    rx.checkout("start", in_place=True)


def test_a_full_disk_leaves_the_project_as_it_is(changed: Path) -> None:
    before = tree(changed)
    rx.list_snapshots()
    snapshots.capture(current())  # every content of now is there already: only what is staged does not fit
    with full_disk(), pytest.raises(RenexError) as caught:
        rx.checkout("start", in_place=True)
    assert caught.value.code == "disk_full"
    assert tree(changed) == before
    assert not (changed / ".renex/CHECKOUT").exists()


def test_an_interrupt_while_the_new_contents_are_written_leaves_the_project_as_it_is(changed: Path) -> None:
    before, struck = tree(changed), list[str]()

    def strike(_frame: FrameType, event: str, call: Any) -> None:
        if event == "c_call" and call.__name__ == "chmod" and any(changed.glob(".*.renex-tmp-*")):
            struck.append(call.__name__)
            if len(struck) == 3:
                signal.raise_signal(signal.SIGINT)

    sys.setprofile(strike)
    try:
        with pytest.raises(KeyboardInterrupt):
            rx.checkout("start", in_place=True)
    finally:
        sys.setprofile(None)
    assert len(struck) == 3
    assert tree(changed) == before
    assert not (changed / ".renex/CHECKOUT").exists()
    assert len(rx.list_snapshots()) == 1
    rx.checkout("start", in_place=True)


def test_another_checkout_waits_for_the_one_that_did_not_end(changed: Path) -> None:
    here = rx.snapshot(label="here").snapshot_id
    layout, start = current().store.layout, rx.get_snapshot("start").snapshot_id
    Unfinished.of(start, here, ".").write(layout)
    third = rx.snapshot(label="third").snapshot_id
    with pytest.raises(RenexError) as caught:
        rx.checkout(third, in_place=True)
    assert caught.value.code == "conflict"
    assert f"%renex checkout {start[:8]} --in-place" in caught.value.hint
    assert f"%renex checkout {here[:8]} --in-place" in caught.value.hint
    told = str(status())
    assert f"%renex checkout {start[:8]} --in-place" in told
    assert stat.S_IMODE(layout.unfinished_checkout.stat().st_mode) == 0o600
    rx.checkout(third, in_place=True, force=True)
    assert not layout.unfinished_checkout.exists()


@pytest.mark.parametrize("edited", [False, True])
def test_a_checkout_that_is_gone_on_with_names_the_first_snapshot_to_go_back_to(changed: Path, edited: bool) -> None:
    """What was edited after the crash is kept by another snapshot."""
    here, before = rx.snapshot(label="here").snapshot_id, tree(changed)
    start = rx.get_snapshot("start").snapshot_id
    (changed / "model.py").write_text("def model():\n    return 1\n")  # as if that one had been replaced
    Unfinished.of(start, here, ".").write(current().store.layout)
    if edited:
        (changed / "new/deep/z").write_text("edited")
    taken = len(rx.list_snapshots(hidden=True))
    done = rx.checkout("start", in_place=True)
    assert done.safety_id == here
    assert len(rx.list_snapshots(hidden=True)) == taken + edited
    assert done.notes
    rx.checkout(here, in_place=True)
    assert tree(changed) == before


def test_going_back_from_a_checkout_that_did_not_end_takes_no_snapshot(changed: Path) -> None:
    here, before = rx.snapshot(label="here").snapshot_id, tree(changed)
    start = rx.get_snapshot("start").snapshot_id
    (changed / "model.py").write_text("def model():\n    return 1\n")
    (changed / "new/deep/z").unlink()
    Unfinished.of(start, here, ".").write(current().store.layout)
    taken = len(rx.list_snapshots(hidden=True))
    done = rx.checkout("here", in_place=True)
    assert (done.safety_id, len(rx.list_snapshots(hidden=True))) == (start, taken)
    assert tree(changed) == before
    assert not current().store.layout.unfinished_checkout.exists()


def test_a_snapshot_of_somebody_else_warns_of_what_runs_unasked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".vscode").mkdir()
    (project / ".vscode/tasks.json").write_text("{}")
    (project / "sitecustomize.py").write_text("")
    monkeypatch.setenv("LOGNAME", "mallory")
    rx.snapshot(label="theirs")
    assert "mallory" not in str(rx.checkout("theirs", to="a"))
    monkeypatch.setenv("LOGNAME", "alice")
    current().store.journal.actor = "alice"
    told = str(rx.checkout("theirs", to="b"))
    assert "mallory took this snapshot; look at .vscode/tasks.json, sitecustomize.py" in told
