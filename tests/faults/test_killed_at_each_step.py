"""Killed before or after any step that touches the disk, an operation loses nothing and leaves nothing to repair."""

from __future__ import annotations

import queue
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import children
import pytest
import strikes
import victims
from invariant import wrong_with

KILLED = -9
LANES = 2  # kills at one time
CERTAIN = 0.9  # of the steps are taken each time; a rebuild takes some less or more, and so does clearing away
THINNED = {"rebuild": 2}  # it builds as a fold does, where every step is tried
OPERATIONS = ("fold", "snapshot", "rebuild", "gc")


class Lane:
    """A store that is filled once and begun from again before each kill; it always lies in the same folder."""

    def __init__(self, folder: Path) -> None:
        self.project, self.kept, self.ledger = folder / "project", folder / "kept", folder / "ledger"
        self.root = self.project / ".renex"
        self.project.mkdir(parents=True)
        (self.project / "pyproject.toml").touch()
        (self.project / "model.py").write_text("a model")
        children.ask(victims.fill, self.root, self.ledger, 7)
        shutil.copytree(self.root, self.kept)

    def begin_again(self) -> None:
        """Put the store back as it was filled."""
        shutil.rmtree(self.root)
        shutil.copytree(self.kept, self.root)

    def wrong_after_death(self, name: str, number: int, moment: str, taken: int) -> list[str]:
        """Return what is wrong after an operation was killed at a step."""
        self.begin_again()
        code = children.Child(victims.struck, name, self.root, self.ledger, number, moment).wait()
        spared = code != KILLED and number < taken * CERTAIN
        survived = ["it was not killed"] if spared else []
        return survived + wrong_with(self.root, self.ledger, deep=number % 5 == 0)


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a machine that is busy with other things
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_killed_at_any_step_loses_nothing(tmp_path: Path, name: str) -> None:
    lanes: queue.Queue[Lane] = queue.Queue()
    with ThreadPoolExecutor(LANES) as pool:
        for lane in pool.map(Lane, [tmp_path / f"{each}" for each in range(LANES)]):
            lanes.put(lane)
    taken = children.ask(victims.steps_of, name, lane.root, lane.ledger)
    assert len(taken) >= 4, taken

    def die(where: tuple[int, str]) -> list[str]:
        mine = lanes.get()
        try:
            return mine.wrong_after_death(name, *where, len(taken))
        finally:
            lanes.put(mine)

    where = strikes.deaths(taken)[:: THINNED.get(name, 1)]
    with ThreadPoolExecutor(LANES) as pool:
        found = dict(zip(where, pool.map(die, where), strict=True))
    wrong = [f"{moment} step {n}, {taken[n]}: {each}" for (n, moment), sentences in found.items() for each in sentences]
    assert not wrong, f"{len(where)} deaths\n" + "\n".join(wrong)


def test_a_store_whose_creation_is_killed_at_any_step_can_be_used_at_once(tmp_path: Path) -> None:
    taken = children.ask(victims.steps_of, "creation", tmp_path / ".renex", tmp_path / "none")
    assert {"os.link", "os.rename", "os.write"} <= set(taken)
    wrong: list[str] = []
    for number, moment in strikes.deaths(taken):
        project = tmp_path / f"{moment}{number}"
        project.mkdir()
        code = children.Child(victims.struck, "creation", project / ".renex", project / "ledger", number, moment).wait()
        assert code == KILLED, taken[number]
        found = wrong_with(project / ".renex", project / "ledger", deep=number % 5 == 0)
        wrong += [f"{moment} step {number}, {taken[number]}: {each}" for each in found]
    assert not wrong, "\n".join(wrong)
