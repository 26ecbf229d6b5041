"""Other programs on the same files: a user's own databases keep their locks, and clients of ours keep answering."""

from __future__ import annotations

import itertools
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import children
import duckdb
import pytest
import victims
from invariant import invariant
from ledger import Ledger

import renex_jupyter as rx
from renex_jupyter.store.store import Store

Say = Callable[[object], None]
FOLDS = 20  # more than two rounds of merging eight files into one


def may_write(_say: Say, path: Path) -> bool:
    """Say whether another process gets in."""
    try:
        if path.suffix == ".duckdb":
            duckdb.connect(str(path)).close()
        else:
            with sqlite3.connect(path, timeout=0) as other:
                other.execute("insert into t values (2)")
    except (duckdb.Error, sqlite3.OperationalError):
        return False
    return True


def snapshot_with_open_files(_say: Say, project: Path) -> list[bool]:
    """Take a snapshot while this process works in databases of the project; return who got in before and after."""
    os.chdir(project)
    duck = duckdb.connect(str(project / "mine.duckdb"))
    lite = sqlite3.connect(project / "mine.sqlite", isolation_level=None)
    for each in (duck, lite):
        each.execute("create table t (a int)")
        each.execute("begin")
        each.execute("insert into t values (1)")
    files = (project / "mine.duckdb", project / "mine.sqlite")
    got_in = [children.ask(may_write, path) for path in files]
    taken = rx.snapshot("with open databases")
    assert {"mine.duckdb", "mine.sqlite"} <= set(victims.files_of(taken.snapshot_id))
    got_in += [children.ask(may_write, path) for path in files]
    for each in (duck, lite):
        each.execute("commit")
        assert each.execute("select a from t").fetchall() == [(1,)]
    return got_in


def test_a_snapshot_leaves_the_users_own_databases_their_locks(project: Path) -> None:
    assert children.ask(snapshot_with_open_files, project) == [False] * 4
    assert all(children.ask(may_write, project / name) for name in ("mine.duckdb", "mine.sqlite"))


def hold_for_writing(say: Say, history: Path, stop: Path) -> int:
    """Keep the published file open read-write and ask it all the time; return how often it answered."""
    with duckdb.connect(str(history)) as client:
        client.execute("create table scratch (a int)")
        points = client.execute("select count(*) from metrics").fetchall()
        say("up")
        for count in itertools.count(1):
            client.execute("insert into scratch values (1)")
            assert client.execute("select count(*) from metrics").fetchall() == points
            if stop.exists():
                return count
            time.sleep(0.02)
    raise AssertionError


def poll(say: Say, history: Path, stop: Path, times: int) -> int:
    """Open the published file read-only, ask it so many times, and open it anew; no count may ever fall."""
    seen = questions = 0
    while not stop.exists():
        with duckdb.connect(str(history), read_only=True) as client:
            for _ in range(times):
                rows = client.execute("select count(*), count(distinct (owner_id, key, step)) from metrics").fetchall()
                ((points, distinct),) = rows
                assert points == distinct >= seen, (points, distinct, seen)
                seen = points
                questions += 1
                if questions == 1:
                    say("up")
                if stop.exists():
                    break
                time.sleep(0.01)
    return questions


def log_and_fold(_say: Say, root: Path, ledger: Path, folds: int) -> float:
    """Log and fold; return the longest time that logging took, in seconds."""
    store, pen, longest = Store(root), Ledger(ledger), 0.0
    run = victims.begin_run(store)
    for turn in range(folds):
        for step in range(20):
            began = time.monotonic()
            victims.log(store, pen, run, turn * 20 + step)
            longest = max(longest, time.monotonic() - began)
        store.fold()
    return longest


@pytest.mark.slow
def test_clients_that_hold_the_history_open_are_in_nobodys_way(project: Path, tmp_path: Path) -> None:
    root, stop, ledgers = project / ".renex", tmp_path / "stop", [tmp_path / f"ledger{i}" for i in range(3)]
    children.ask(log_and_fold, root, ledgers[0], 1)
    writer = children.Child(hold_for_writing, root / "history.duckdb", stop)
    assert writer.says() == "up"
    children.ask(
        log_and_fold, root, ledgers[1], 1
    )  # the file that `writer` holds is superseded: others can open this one
    readers = [children.Child(poll, root / "history.duckdb", stop, times) for times in (3, 10**6)]
    assert [reader.says() for reader in readers] == ["up", "up"]
    longest = children.ask(log_and_fold, root, ledgers[2], FOLDS)
    stop.touch()
    assert writer.answer() > FOLDS
    assert all(reader.answer() > FOLDS for reader in readers)
    assert longest < 30.0, "logging waited for somebody"
    invariant(root, *ledgers)
