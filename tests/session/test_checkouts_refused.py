"""A checkout in place never takes what cannot come back, and never changes a project that is not the snapshot's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from projects import notebook

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.session import current as sessions
from renex_jupyter.session.status import status
from renex_jupyter.session.unfinished import Unfinished, unfinished

SECRET = "hunter2-is-it"
MOVES = {"link", "replace", "rename"}
CLI = [sys.executable, "-m", "renex_jupyter.cli.main"]


def run(folder: Path, *words: str, give: str = "", before: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run a verb in another process and return what it says."""
    command = [*before, *CLI, *words, "--json"]
    done = subprocess.run(command, cwd=folder, input=give, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def powerless() -> tuple[str, ...]:
    """Return what starts a command without root's power to write everywhere."""
    if os.geteuid() != 0:
        return ()
    return "setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"


def files(folder: Path) -> dict[str, str]:
    """Return the content of every file but those of a store."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and ".renex" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


def conflict(wanted: str, **options: bool) -> RenexError:
    """Expect a refusal."""
    with pytest.raises(RenexError) as caught:
        rx.checkout(wanted, in_place=True, **options)
    assert caught.value.code == "conflict"
    return caught.value


@contextmanager
def just_before(calls: set[str], action: Callable[[], object], *, module: str) -> Iterator[None]:
    """Do something just before the first of some calls into the system that a module makes."""
    struck = False

    def strike(frame: FrameType, event: str, call: Any) -> None:
        nonlocal struck
        if event == "c_call" and call.__name__ in calls and frame.f_code.co_filename.endswith(module):
            sys.setprofile(None)
            struck = True
            action()

    sys.setprofile(strike)
    try:
        yield
    finally:
        sys.setprofile(None)
    assert struck


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two projects with one store; the first has the snapshot "first", the second is the current folder."""
    monkeypatch.setenv("RENEX_STORE", str(tmp_path / "central"))
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        (folder / "below").mkdir(parents=True)
        (folder / "pyproject.toml").touch()
        (folder / f"only_{folder.name}.py").write_text(folder.name)
    monkeypatch.chdir(one)
    rx.snapshot(label="first")
    monkeypatch.chdir(other)
    return one, other


def test_a_snapshot_of_another_project_is_refused_and_named(two: tuple[Path, Path]) -> None:
    one, other = two
    here = files(other)
    told = conflict("first")
    assert str(one) in told.message
    assert str(other) in told.message
    assert files(other) == here
    assert len(rx.list_snapshots(hidden=True)) == 1
    rx.checkout("first", in_place=True, force=True)
    assert files(other) == files(one)


def test_a_snapshot_of_this_project_is_known_from_a_folder_below(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = two
    monkeypatch.chdir(one / "below")
    assert rx.snapshot().project == str(one)
    (one / "only_one.py").write_text("changed")
    rx.checkout("first", in_place=True)
    assert (one / "only_one.py").read_text() == "one"


def test_a_project_that_is_moved_with_its_store_is_the_same(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rx.snapshot(label="start").project == "."
    (project / "model.py").write_text("changed")
    there = project.parent / f"{project.name}-moved"
    sessions.reset()
    project.rename(there)
    monkeypatch.chdir(there)
    rx.checkout("start", in_place=True)
    assert (there / "model.py").read_text() != "changed"
    shutil.move(there, project)


def test_where_a_snapshot_was_taken_is_no_column_for_all(project: Path) -> None:
    rx.snapshot()
    assert "project" not in rx.list_snapshots().columns


def test_a_half_done_checkout_of_another_project_is_left_to_that_one(two: tuple[Path, Path]) -> None:
    one, other = two
    session = sessions.current()
    layout, first = session.store.layout, rx.get_snapshot("first").snapshot_id
    here = rx.snapshot(label="here").snapshot_id
    Unfinished.of(first, here, str(one)).write(layout)
    for wanted in ("first", "here"):
        told = conflict(wanted, force=True)
        assert str(one) in told.message
        assert str(layout.unfinished_checkout) in told.hint
    assert str(one) in str(status())
    assert unfinished(layout) == Unfinished(first, here, unfinished(layout).began, str(one))  # type: ignore[union-attr]
    assert (other / "only_other.py").exists()


def test_a_half_done_checkout_of_the_project_around_a_store_is_named_by_its_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    start, here = rx.snapshot(label="start").snapshot_id, rx.snapshot(label="here").snapshot_id
    Unfinished.of(start, here, ".").write(sessions.current().store.layout)
    sessions.reset()
    monkeypatch.setenv("RENEX_STORE", str(project / ".renex"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert f"in place in {project}," in conflict("start", force=True).message


@pytest.mark.parametrize("mark", [".git", "pyproject.toml", ".renexignore", None])
def test_a_named_store_does_not_make_its_folder_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str | None
) -> None:
    """`~/.renex` must not make all of the home the project, also where that store is found upward."""
    home, work = tmp_path / "home", tmp_path / "home/work/below"
    work.mkdir(parents=True)
    (home / "letters").write_text("private")
    (work / "a.py").write_text("1")
    if mark:
        (work.parent / mark).touch()
    monkeypatch.setenv("RENEX_STORE", str(home / ".renex"))
    monkeypatch.chdir(work)
    taken = rx.snapshot()
    wanted = work.parent if mark else work
    assert sessions.current().project == wanted
    assert taken.project == str(wanted)
    assert "letters" not in set(rx.sql("select path from snapshot_files")["path"])


def test_a_store_that_is_found_upward_says_which_folder_is_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rx.snapshot()
    (project / "below").mkdir()
    (project / "below/pyproject.toml").touch()
    sessions.reset()
    monkeypatch.chdir(project / "below")
    assert sessions.current().project == project


def test_a_notebook_that_was_purged_by_another_process_is_not_replaced(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENEX_NOTEBOOK", str(notebook(project, "x = 1")))
    rx.snapshot(label="start")
    path = notebook(project, f"{SECRET}; hours_of_work = 1")
    rx.snapshot()
    run(project, "purge", "--secret", "--yes", give=SECRET)
    assert "n.ipynb (purged)" in conflict("start", force=True).message
    assert "hours_of_work" in path.read_text()


def test_what_is_purged_while_the_snapshot_is_taken_is_not_replaced(project: Path) -> None:
    (project / "f.py").write_text("old")
    rx.snapshot(label="start")
    (project / "f.py").write_text(f"{SECRET} and hours of work")
    rx.snapshot()
    taken = len(rx.list_snapshots(hidden=True))
    # The new contents are made ready between the capture of what is here and the record of it.
    purge = lambda: run(project, "purge", "--secret", "--yes", give=SECRET)  # noqa: E731
    with just_before({"chmod"}, purge, module="tasks/staging.py"):
        told = conflict("start")
    assert "does not hold f.py" in told.message
    safety, *others = rx.list_snapshots(hidden=True)["snapshot_id"]
    assert len(others) == taken
    assert safety[:8] in told.message
    assert "hours of work" in (project / "f.py").read_text()
    assert unfinished(sessions.current().store.layout) is None
    assert "f.py (purged)" in conflict("start").message


@pytest.mark.parametrize("needed", ["start", "here"])
def test_what_an_unfinished_checkout_needs_is_neither_deleted_nor_purged(project: Path, needed: str) -> None:
    start = rx.snapshot(label="start").snapshot_id
    with rx.start_run("work"):
        here = rx.snapshot(label="here").snapshot_id
    layout = sessions.current().store.layout
    Unfinished.of(start, here, ".").write(layout)
    wanted = {"start": start, "here": here}[needed]
    ways = [lambda: rx.delete_snapshot(wanted), lambda: rx.purge(wanted)]
    for way in [*ways, *([lambda: rx.purge("work")] if needed == "here" else [])]:
        with pytest.raises(RenexError) as caught:
            way()
        assert caught.value.code == "conflict"
        assert f"%renex checkout {start[:8]} --in-place" in caught.value.hint
        assert rx.get_snapshot(wanted).label == needed
    rx.checkout("here", in_place=True)
    rx.delete_snapshot(wanted)


def test_a_snapshot_that_is_lost_is_not_promised_as_the_way_back(project: Path) -> None:
    rx.snapshot(label="start")
    (project / "model.py").write_text("half done")
    Unfinished.of(rx.get_snapshot("start").snapshot_id, "5" * 32, ".").write(sessions.current().store.layout)
    done = rx.checkout("start", in_place=True)
    assert done.safety_id != "5" * 32
    rx.checkout(done.safety_id, in_place=True)  # type: ignore[arg-type]
    assert (project / "model.py").read_text() == "half done"


@pytest.mark.parametrize("shut", ["d", "z", ".", "z/new"])
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_touched(project: Path, shut: str) -> None:
    for name in ("a", "d/f", "z/f", "z/old/f"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("then")
    then = files(project)
    rx.snapshot(label="start")
    for name in ("a", "d/f", "z/new/f"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("now")
    (project / "z/f").unlink()
    shutil.rmtree(project / "z/old")
    (project / ".renex").chmod(0o700)
    here = files(project)
    (project / shut).chmod(0o555)
    try:
        told = run(project, "checkout", "start", "--in-place", before=powerless())["error"]
    finally:
        (project / shut).chmod(0o755)
    assert told["code"] == "conflict"
    assert "folder cannot be written" in told["message"]
    assert "RENEX_STORE" not in told["hint"]
    assert files(project) == here
    assert len(rx.list_snapshots(hidden=True)) == 1
    rx.checkout("start", in_place=True)
    assert files(project) == then


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_the_time_of_a_file_of_somebody_else_is_in_nobodys_way(project: Path) -> None:
    rx.snapshot(label="start")
    (project / "model.py").touch()
    at = (project / "model.py").stat().st_mtime_ns
    os.chown(project / "model.py", 1234, 1234)
    (project / "later.py").touch()
    no_owner = ("setpriv", "--bounding-set=-dac_override,-fowner", "--inh-caps=-all")
    done = run(project, "checkout", "start", "--in-place", before=no_owner)
    assert done.get("removed") == 1, done
    assert (project / "model.py").stat().st_mtime_ns == at


@pytest.mark.parametrize("half_done", [True, False])
def test_whatever_fails_after_the_snapshot_was_taken_names_it(project: Path, half_done: bool) -> None:
    for name in "ab":
        (project / name).write_text("then")
    rx.snapshot(label="start")
    for name in "ab":
        (project / name).write_text("now")

    def disturb() -> None:
        if half_done:
            (project / "b").write_text("edited")
        else:
            shutil.rmtree(next(project.glob(".*.renex-tmp-*")))

    with just_before(MOVES, disturb, module="tasks/folders.py"), pytest.raises(RenexError) as caught:
        rx.checkout("start", in_place=True)
    safety = rx.list_snapshots()["snapshot_id"][0]
    assert rx.get_snapshot(safety).message is not None
    assert safety[:8] in caught.value.hint
    assert "RENEX_STORE" not in caught.value.hint
    assert (project / "b").read_text() == ("edited" if half_done else "now")
    assert ("1 of 2 files were done" in caught.value.message) == half_done
    assert (unfinished(sessions.current().store.layout) is not None) == half_done


def test_a_folder_that_was_removed_already_counts_as_begun(project: Path) -> None:
    for name in ("new", "turns"):
        (project / name).write_text("then")
    rx.snapshot(label="start")
    for name in ("new", "turns"):
        (project / name).unlink()
    (project / "turns").mkdir()
    make = (project / "new").touch
    with just_before(MOVES, make, module="tasks/folders.py"), pytest.raises(RenexError, match="new was made"):
        rx.checkout("start", in_place=True)
    assert not (project / "turns").exists()
    assert unfinished(sessions.current().store.layout) is not None


def test_a_file_that_is_made_between_the_look_and_the_move_stays(project: Path) -> None:
    (project / "gone.py").write_text("then")
    rx.snapshot(label="start")
    (project / "gone.py").unlink()
    make = lambda: (project / "gone.py").write_text("made by somebody")  # noqa: E731
    with just_before(MOVES, make, module="tasks/folders.py"):
        told = conflict("start")
    assert "gone.py was made" in told.message
    assert (project / "gone.py").read_text() == "made by somebody"


@pytest.mark.parametrize("anew", [False, True])
def test_after_a_checkout_in_place_the_next_diff_and_snapshot_are_of_that_state(project: Path, anew: bool) -> None:
    start = rx.snapshot(label="start").snapshot_id
    (project / "model.py").write_text("later")
    rx.snapshot(label="later")
    rx.checkout("start", in_place=True)
    if anew:
        told = run(project, "diff")
        assert (told["a"], told["same"]) == (f"{start[:8]} start", True)
        return
    assert (rx.diff().a, rx.diff().same) == (f"{start[:8]} start", True)
    assert rx.snapshot().parent_id == start
    assert rx.diff().a != f"{start[:8]} start"


def test_a_diff_relates_to_the_last_snapshot_of_the_same_project(two: tuple[Path, Path]) -> None:
    one, _ = two
    here = rx.snapshot("here").snapshot_id
    sessions.reset()
    os.chdir(one)
    assert rx.diff().a.endswith("first")
    assert here[:8] not in rx.diff().a
