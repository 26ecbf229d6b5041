"""What a child does until it is killed, with a ledger of what it was told is recorded."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import strikes
from ledger import Ledger

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.session import current
from renex_jupyter.store.keeping.gc import collect
from renex_jupyter.store.keeping.rebuild import rebuild
from renex_jupyter.store.store import Store

Say = Callable[[object], None]


def log(store: Store, ledger: Ledger, run: str, step: int, count: int = 3) -> None:
    """Log `count` points of one step with one call, and a param."""
    points = [Point("run", run, f"k{i}", step, now(), step + i / 8) for i in range(count)]
    noted = [("point", f"{run}/{p.key}/{step}", repr(p.value)) for p in points]
    ledger.tries(*noted)
    store.write_points(points)
    ledger.has(*noted)
    param = ("param", f"{run}/p{step}", str(step))
    after = {"run_id": run, "key": f"p{step}", "value": step, "value_text": str(step), "value_number": step}
    ledger.tries(param)
    store.write(Change("params", f"{run}/p{step}", "update", after))
    ledger.has(param)


def begin_run(store: Store) -> str:
    """Record a run and return its id."""
    run = os.urandom(16).hex()
    store.write(Change("runs", run, "create", {"run_id": run, "name": "train", "started_at": now()}))
    return run


def log_until_killed(say: Say, root: Path, ledger: Path) -> None:
    """Log for ever, a thousand times a second at most; files are so small that some are sealed all the time."""
    settings().fold_in_background = False
    settings().rotate_bytes = 10_000
    store, pen = Store(root), Ledger(ledger)
    run = begin_run(store)
    say("up")
    for step in itertools.count():
        log(store, pen, run, step)
        time.sleep(0.001)


def fold_until_killed(say: Say, root: Path) -> None:
    """Fold for ever."""
    store = Store(root)
    say("up")
    while True:
        store.fold()


def snapshot_until_killed(say: Say, root: Path, ledger: Path) -> None:
    """Change a file and take a snapshot, for ever."""
    os.chdir(root.parent)
    settings().fold_in_background = False
    pen, rng = Ledger(ledger), random.Random(str(ledger))
    run = rx.start_run("first")
    say("up")
    for step in itertools.count():
        (root.parent / "data.bin").write_bytes(rng.randbytes(200_000))
        point = ("point", f"{run.run_id}/loss/{step}", "1.0")
        pen.tries(point)
        rx.log_metric("loss", 1.0)
        pen.has(point)
        taken = rx.snapshot("again").snapshot_id
        pen.has(("snapshot", taken, files_of(taken)))


def files_of(snapshot_id: str) -> dict[str, str]:
    """Return path and hash of each file of a snapshot."""
    rows = rx.sql("select path, sha256 from snapshot_files where snapshot_id = ? and kind = 'file'", [snapshot_id])
    return dict(zip(rows["path"], rows["sha256"], strict=True))


def fill(_say: Say, root: Path, ledger: Path, folds: int) -> None:
    """Make a store with a history: several folds, a snapshot, journals of writers that died, one with a torn line."""
    os.chdir(root.parent)
    settings().fold_in_background = False
    pen = Ledger(ledger)
    taken = rx.snapshot("kept").snapshot_id
    pen.has(("snapshot", taken, files_of(taken)))
    store = current.current().store
    run = begin_run(store)
    for step in range(folds):
        log(store, pen, run, step)
        store.fold()
    other = Store(root)
    log(store, pen, run, folds)
    log(other, pen, run, folds + 1)
    with (root / "journal" / f"{other.journal.writer}.000000.points.jsonl").open("ab") as torn:
        torn.write(b'{"o":"run","i":"')


def first_record(root: Path, ledger: Path) -> Callable[[], object]:
    """The first call that records something, which creates the store."""
    run = "f" * 32
    points = [Point("run", run, "loss", step, now(), 0.25) for step in range(3)]
    Ledger(ledger).tries(*(("point", f"{run}/loss/{step}", "0.25") for step in range(3)))
    return lambda: Store(root).write_points(points)


def one_fold(root: Path, _ledger: Path) -> Callable[[], object]:
    """A fold of all that is sealed."""
    return Store(root).fold


def one_snapshot(root: Path, _ledger: Path) -> Callable[[], object]:
    """A snapshot of a changed file; the process that reads files is up already."""
    os.chdir(root.parent)
    settings().fold_in_background = False
    rx.list_snapshots()
    (root.parent / "model.py").write_text("changed")
    return lambda: rx.snapshot("again")


def one_rebuild(root: Path, _ledger: Path) -> Callable[[], object]:
    """A rebuild of the index."""
    layout = Store(root).layout
    return lambda: rebuild(layout)


def one_collection(root: Path, _ledger: Path) -> Callable[[], object]:
    """A collection of what nobody names, with no grace."""
    store = Store(root)
    return lambda: collect(store, dry_run=False, grace=0.0)


ACTIONS = {
    "creation": first_record,
    "fold": one_fold,
    "snapshot": one_snapshot,
    "rebuild": one_rebuild,
    "gc": one_collection,
}


def steps_of(_say: Say, name: str, root: Path, ledger: Path) -> list[str]:
    """Do an action and return its steps."""
    return strikes.steps(ACTIONS[name](root, ledger))


def struck(_say: Say, name: str, root: Path, ledger: Path, number: int, moment: str) -> None:
    """Do an action and die at one of its steps."""
    strikes.killed_at(number, moment, ACTIONS[name](root, ledger))
