"""A checkout in place that is killed, or finds the disk full, can be finished and taken back: nothing is lost."""

from __future__ import annotations

import os
import queue
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import children
import pytest
import strikes

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.session import current, unfinished

Say = Callable[[object], None]
Tree = dict[str, tuple[str, object, int]]
KILLED = -9
LANES = 2
CERTAIN = 0.9  # of the steps are taken each time; the last ones, of clearing away, one time are more than another


def tree(project: Path) -> Tree:
    """Return kind, content and mode of all there is, but for the store and what lies in staging."""
    found: Tree = {}
    for folder, names, files in os.walk(project):
        names[:] = [name for name in names if name != ".renex" and ".renex-tmp-" not in name]
        for name in (*names, *files):
            path = Path(folder, name)
            key, mode = path.relative_to(project).as_posix(), stat.S_IMODE(path.lstat().st_mode)
            if path.is_symlink():
                found[key] = ("link", str(path.readlink()), mode)
            else:
                found[key] = ("dir", None, mode) if path.is_dir() else ("file", path.read_bytes(), mode)
    return found


def make(say: Say, project: Path) -> tuple[Tree, Tree]:
    """Make a project with a snapshot "start", change everything; return the tree then and the tree now."""
    os.chdir(project)
    settings().fold_in_background = False
    for name in ("a", "b", "d/c", "d/e/f", "same", "turns", "other/in"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(f"{name} then")
    (project / "hollow").mkdir(mode=0o700)
    (project / "to").symlink_to("then")
    rx.snapshot(label="start")
    then = tree(project)
    for name in ("a", "d/e/f", "new/g"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(f"{name} now")
    for name in ("b", "to", "turns", "other/in"):
        (project / name).unlink()
    for name in ("hollow", "other"):
        (project / name).rmdir()
    (project / "b").mkdir()
    (project / "b/x").write_text("x now")
    (project / "to").symlink_to("now")
    (project / "turns").mkdir()
    (project / "other").write_text("now")
    say("made")
    return then, tree(project)


def checkout(project: Path) -> Callable[[], object]:
    """Return a checkout in place; the process that reads files is up already."""
    os.chdir(project)
    settings().fold_in_background = False
    rx.diff("start")
    return lambda: rx.checkout("start", in_place=True)


def steps_of(_say: Say, project: Path) -> list[str]:
    """Do it and return its steps."""
    return strikes.steps(checkout(project))


def struck(_say: Say, project: Path, number: int, moment: str) -> None:
    """Do it and die at one of its steps."""
    strikes.killed_at(number, moment, checkout(project))


def recover(_say: Say, project: Path, then: Tree, now: Tree, finish: bool) -> list[str]:
    """Finish, or go back at once; return what is wrong."""
    os.chdir(project)
    settings().fold_in_background = False
    half, layout = tree(project), current.current().store.layout
    # A folder that is just emptied, or made, is neither; every file is the one or the other.
    files = {name: each for name, each in half.items() if each[0] != "dir"}
    wrong = [f"{name} is neither" for name, each in files.items() if each not in (then.get(name), now.get(name))]
    wrong += [f"{name} is gone" for name, each in now.items() if then.get(name) == each and name not in half]
    left = unfinished.unfinished(layout)
    if left is None and half not in (then, now):
        wrong.append("it is half done, and nothing says so")
    safeties = rx.list_snapshots()
    safeties = safeties[safeties["message"].astype(str).str.startswith("before checkout")]
    back = left.safety_id if left else None
    if back is None and half == then != now:
        back = safeties["snapshot_id"].iloc[-1]
    if finish or back is None:
        done = rx.checkout("start", in_place=True)
        wrong += [] if tree(project) == then else ["it was not finished"]
        wrong += [] if back in (None, done.safety_id) or half == then else ["another snapshot is named to go back to"]
        back = back or done.safety_id
    assert back is not None
    rx.checkout(back, in_place=True)
    wrong += [] if tree(project) == now else [f"it did not go back: {sorted(tree(project).items() ^ now.items())}"]
    wrong += [f"{path.name} is left" for path in project.glob(".*renex-tmp*")]
    wrong += ["the note is left"] if layout.unfinished_checkout.exists() else []
    return wrong


class Lane:
    """A project that is made once and begun from again before each kill."""

    def __init__(self, folder: Path) -> None:
        self.project, self.kept = folder / "project", folder / "kept"
        self.project.mkdir(parents=True)
        (self.project / "pyproject.toml").touch()
        self.then, self.now = children.ask(make, self.project)
        shutil.copytree(self.project, self.kept, symlinks=True)

    def begin_again(self) -> None:
        shutil.rmtree(self.project)
        shutil.copytree(self.kept, self.project, symlinks=True)

    def wrong_after_death(self, number: int, moment: str, taken: int) -> list[str]:
        """Return what is wrong after it was killed at a step."""
        self.begin_again()
        code = children.Child(struck, self.project, number, moment).wait()
        survived = ["it was not killed"] if code != KILLED and number < taken * CERTAIN else []
        return survived + children.ask(recover, self.project, self.then, self.now, number % 2 == 0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_checkout_in_place_killed_at_any_step_is_finished_or_taken_back(tmp_path: Path) -> None:
    lanes: queue.Queue[Lane] = queue.Queue()
    with ThreadPoolExecutor(LANES) as pool:
        for lane in pool.map(Lane, [tmp_path / f"{each}" for each in range(LANES)]):
            lanes.put(lane)
    taken = children.ask(steps_of, lane.project)
    assert taken.count("os.rename") + taken.count("os.replace") >= 6, taken
    assert {"os.unlink", "os.rmdir", "os.symlink"} <= set(taken) or {"os.remove", "os.rmdir"} <= set(taken), taken

    def die(where: tuple[int, str]) -> list[str]:
        mine = lanes.get()
        try:
            return mine.wrong_after_death(*where, len(taken))
        finally:
            lanes.put(mine)

    where = strikes.deaths(taken)
    with ThreadPoolExecutor(LANES) as pool:
        found = dict(zip(where, pool.map(die, where), strict=True))
    wrong = [f"{moment} step {n}, {taken[n]}: {each}" for (n, moment), told in found.items() for each in told]
    assert not wrong, f"{len(where)} deaths\n" + "\n".join(wrong)


def fill_up(_say: Say, project: Path) -> tuple[list[str], list[str]]:
    """Check out in place on a disk that has no room for the old contents, then on one that has; tell what is there."""
    os.chdir(project)
    settings().fold_in_background = False
    (project / "data.bin").write_bytes(os.urandom(6 * 2**20))
    rx.snapshot(label="start")
    (project / "data.bin").unlink()
    (project / "model.py").write_text("changed")
    free = os.statvfs(project).f_bavail * os.statvfs(project).f_frsize
    with (project.parent / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - 4 * 2**20)
    before = tree(project)
    try:
        rx.checkout("start", in_place=True)
        said = ["it was done"]
    except rx.RenexError as error:
        said = [error.code]
    said += [] if tree(project) == before and not list(project.glob(".*renex-tmp*")) else ["something changed"]
    said += [path.name for path in [current.current().store.layout.unfinished_checkout] if path.exists()]
    (project.parent / "ballast").unlink()
    rx.checkout("start", in_place=True)
    return said, sorted(tree(project))


def test_a_disk_that_fills_up_while_contents_are_staged_leaves_the_project_as_it_is(small_disk: Path) -> None:
    said, there = children.ask(fill_up, small_disk)
    assert said == ["disk_full"]
    assert there == ["data.bin", "model.py", "pyproject.toml"]
