"""Killed at any moment, writers, folders and snapshots lose nothing that was acknowledged."""

from __future__ import annotations

import random
import time
from pathlib import Path

import children
import pytest
import victims
from invariant import invariant

ROUNDS = 15
WRITERS = 4


@pytest.mark.slow
def test_writers_and_a_folder_killed_at_any_moment_lose_and_double_nothing(tmp_path: Path) -> None:
    rng = random.Random(2)
    (tmp_path / "project").mkdir()
    root, ledgers = tmp_path / "project" / ".renex", [tmp_path / f"ledger{each}" for each in range(ROUNDS * WRITERS)]
    waiting = iter(ledgers)
    for turn in range(ROUNDS):
        writers = [children.Child(victims.log_until_killed, root, next(waiting)) for _ in range(WRITERS)]
        if turn % 4:  # the first one of a store is created under their hands
            assert [writer.says() for writer in writers] == ["up"] * WRITERS
        folder = children.Child(victims.fold_until_killed, root)
        time.sleep(rng.uniform(0.0, 0.5))
        rng.shuffle(alive := [*writers, folder])
        for each in alive:
            assert each.kill() == -9
            time.sleep(rng.uniform(0.0, 0.05))
        if turn % 3 == 0:
            invariant(root, *ledgers)
    invariant(root, *ledgers, deep=True)


@pytest.mark.slow
def test_snapshots_killed_at_any_moment_are_whole_or_not_there(tmp_path: Path) -> None:
    rng = random.Random(3)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pyproject.toml").touch()
    root, ledgers = tmp_path / "project" / ".renex", [tmp_path / f"ledger{each}" for each in range(ROUNDS)]
    for ledger in ledgers:
        child = children.Child(victims.snapshot_until_killed, root, ledger)
        if rng.random() < 0.7:
            assert child.says() == "up"
        time.sleep(rng.uniform(0.0, 0.3))
        assert child.kill() == -9
    invariant(root, *ledgers, deep=True)
