"""Stores full of runs, written as the journal files that their processes would have left behind.

The values are as a training leaves them: full-precision floats with noise, wallclocks with jitter, runs of very
different length, several keys that are logged together and one that is logged now and then.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from renex_jupyter.config import settings
from renex_jupyter.ids import new_id
from renex_jupyter.records.changes import Change
from renex_jupyter.store.format import POINTS, seal_line
from renex_jupyter.store.journal import JournalFile
from renex_jupyter.store.store import Store

OFTEN = ("train/loss", "train/accuracy", "grad_norm", "throughput")  # at every step
SELDOM = "val/loss"  # at every tenth step
TENTH = 10
ROTATE = 4 * 2**20  # bytes, as the setting `rotate_bytes` has it
BEGAN = 1_750_000_000_000_000  # microseconds since the epoch


@dataclass(frozen=True)
class Planned:
    """One run that is to be written."""

    run_id: str
    number: int
    steps: int

    @property
    def points(self) -> int:
        """How many points the run has."""
        return self.steps * len(OFTEN) + -(-self.steps // TENTH)


def planned(points: int, runs: int, *, seed: int = 7) -> list[Planned]:
    """Return runs of very different length: the first holds a tenth of all points, the others share by a log-normal."""
    chance = random.Random(seed)
    per_step = len(OFTEN) + 1 / TENTH
    longest = points // 50  # 200,000 steps of 10 million points
    weights = [chance.lognormvariate(0, 1) for _ in range(runs - 1)]
    left = points / per_step - longest
    steps = [longest, *(max(1, round(left * each / sum(weights))) for each in weights)]
    return [Planned(new_id(), number, count) for number, count in enumerate(steps)]


def write_runs(store: Store, runs: list[Planned]) -> None:
    """Write the runs themselves, with four params each, through the store."""
    for run in runs:
        started = datetime.fromtimestamp(BEGAN / 1e6 + run.number * 60, UTC)
        after = {"name": f"run {run.number}", "namespace": "default", "experiment": "bench", "kind": "block"}
        ended = {
            "status": "finished",
            "executor": "kernel",
            "started_at": started,
            "ended_at": started,
            "duration_s": 9.5,
        }
        params = {"lr": 0.1 / (run.number + 1), "depth": run.number % 9, "optimizer": "adam", "seed": run.number}
        store.write(
            Change("runs", run.run_id, "create", {**after, **ended}, namespace="default"),
            *(_param(run.run_id, key, value) for key, value in params.items()),
        )


def _param(run_id: str, key: str, value: float | str) -> Change:
    number = None if isinstance(value, str) else float(value)
    after = {"run_id": run_id, "key": key, "value": value, "value_text": str(value), "value_number": number}
    return Change("params", f"{run_id}/{key}", "update", after, namespace="default")


def lines(run: Planned) -> Iterator[bytes]:
    """Yield the journal lines of a run's points, those of one step together."""
    chance = random.Random(run.number)
    gauss, moment = chance.gauss, BEGAN + run.number * 60_000_000
    for step in range(run.steps):
        moment += int(chance.lognormvariate(9.2, 0.3))  # about 10 ms a step
        fall = 2.0 / (1 + step) ** 0.4
        values = (
            fall * (1 + 0.1 * gauss(0, 1)),
            1 - 0.4 * fall + 0.02 * gauss(0, 1),
            math.exp(gauss(0, 0.5)),
            900 + 40 * gauss(0, 1),
        )
        for key, value in zip(OFTEN, values, strict=True):
            yield line(run.run_id, key, step, moment, value)
        if step % TENTH == 0:
            yield line(run.run_id, SELDOM, step, moment, fall * (1.2 + 0.1 * gauss(0, 1)))


def line(run_id: str, key: str, step: int, moment: int, value: float) -> bytes:
    """Return one point as the journal keeps it."""
    return seal_line(f'{{"o":"run","i":"{run_id}","k":"{key}","s":{step},"w":{moment},"y":{value!r}}}')


def write_points(folder: Path, run: Planned) -> int:
    """Write a run's points as the sealed journal files of a process of its own; return how many they are."""
    file = JournalFile(folder, f"{10_000 + run.number}-{run.run_id[:8]}", POINTS)
    count = 0
    for texts in batched(lines(run), 1000):
        file.append(b"".join(texts))
        count += len(texts)
        if file.size >= ROTATE:
            file.seal()
    file.seal()
    return count


def batched(texts: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    """Yield lists of a size (`itertools.batched` is there from Python 3.12 on)."""
    while found := list(itertools.islice(texts, size)):
        yield found


def fill(root: Path, points: int, runs: int, *, folds: int, processes: int = 2) -> dict[str, float]:
    """Make a store of `points` in `runs`, folded in `folds` parts as it grows.

    Returns
    -------
    dict: points [count], longest [id of the longest run], fold_s [seconds that all folds took together].
    """
    settings().fold_in_background = False  # the folds that are timed are ours
    store = Store(root)
    plan = planned(points, runs)
    count, spent = 0, 0.0
    with ProcessPoolExecutor(processes) as pool:
        for part in range(folds):
            some = plan[part::folds]
            write_runs(store, some)
            count += sum(pool.map(write_points, [store.layout.journal] * len(some), some))
            start = time.perf_counter()
            store.fold()
            spent += time.perf_counter() - start
    return {"points": count, "longest": plan[0].run_id, "steps": plan[0].steps, "fold_s": spent}  # type: ignore[dict-item]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--folds", type=int, default=20)
    print(json.dumps(fill(**vars(parser.parse_args()))))
