"""Files that merge by levels: few of them, with the same content, and none that somebody still reads goes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from renex_jupyter.config import settings
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import archive, generation, parquet, sweep
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.store import Store

RUN = "a" * 32


@pytest.fixture(autouse=True)
def nobody_else_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "fold_in_background", False)


def log_and_fold(store: Store, folds: int, start: int = 0) -> None:
    for step in range(start, start + folds):
        store.write(Change("runs", RUN, "update", {"run_id": RUN, "name": f"train{step}"}))
        store.write_points([Point("run", RUN, key, step, now(), step / 3) for key in ("loss", "accuracy")])
        store.fold()


def in_force(store: Store) -> generation.Books:
    path = store.layout.generations / str(store.layout.generation_in_force())
    with generation.connect(path, read_only=True) as connection:
        return generation.books(connection)


def levels(names: list[str]) -> dict[int, int]:
    found = [parquet.parse(name) for name in names]
    return {level: sum(1 for each in found if each and each.level == level) for level in range(3)}


def content(store: Store) -> list[object]:
    reader = Store(store.layout.root).reader
    queries = ("metrics order by key, step", "latest_metrics order by key", "runs", "change_events order by change_id")
    return [reader.rows(f"select * from {query}") for query in queries]


def test_seventy_folds_leave_few_files_and_every_point(store: Store) -> None:
    log_and_fold(store, 70)
    books = in_force(store)
    assert levels(list(books.segments)) == {0: 6, 1: 0, 2: 1}
    for kind in (archive.CHANGES, archive.POINTS):
        assert levels([name for name in books.packs if kind in name]) == {0: 6, 1: 0, 2: 1}
    assert sum(books.segments.values()) == 140
    rows = store.reader.rows("select key, count(*) as n, count(distinct step) as steps from metrics group by key")
    assert [(row["n"], row["steps"]) for row in rows] == [(70, 70)] * 2
    assert store.reader.rows("select name from runs") == [{"name": "train69"}]
    assert list(store.layout.journal.iterdir()) == []
    assert fsck(store.layout).damages == ()


def test_a_merge_changes_no_answer(store: Store) -> None:
    log_and_fold(store, 7)
    store.write_points([Point("run", RUN, "odd", 0, now(), value) for value in (float("nan"), -0.0, float("-inf"))])
    store.write_points([Point("run", RUN, "text", 0, now(), None, "x")])
    before = content(store)
    store.fold()
    assert levels(list(in_force(store).segments)) == {0: 0, 1: 1, 2: 0}
    assert repr(content(store)) == repr(before)


def spoil(path: Path) -> None:
    path.chmod(0o600)
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 0x10
    stat = path.stat()
    path.write_bytes(changed)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as a disk does it: without a new time of change


def test_a_merge_gives_no_damage_a_good_name(store: Store) -> None:
    log_and_fold(store, 7)
    before = content(store)
    spoil(parquet.files_in(store.layout.segments, "")[3])
    log_and_fold(store, 1, start=7)  # the eighth file: a merge is due
    assert repr(content(store)[0][:7]) == repr(before[0][:7])  # type: ignore[index]
    assert fsck(store.layout).damages == ()


def test_a_damaged_pack_stays_out_of_merges_and_is_told(store: Store) -> None:
    log_and_fold(store, 7)
    spoiled = parquet.files_in(store.layout.archive, archive.POINTS)[3]
    spoil(spoiled)
    log_and_fold(store, 3, start=7)
    assert spoiled.exists()
    assert {each.path for each in fsck(store.layout).damages} == {f"archive/{spoiled.name}"}
    assert store.reader.rows("select count(*) as n from metrics") == [{"n": 20}]


CLIENT = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
print("open", flush=True)
for line in sys.stdin:
    print(connection.execute(line).fetchall(), flush=True)
"""


def test_a_client_that_stays_for_hours_keeps_its_answer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "OPENING", 0.0)
    log_and_fold(store, 1)
    first = set(in_force(store).segments)
    command = [sys.executable, "-c", CLIENT, str(store.layout.history)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin and client.stdout and client.stdout.readline() == "open\n"
        log_and_fold(store, 16, start=1)
        assert not first & set(in_force(store).segments)  # merged twice
        for query in ("select count(*) from metrics", "select max(step) from metrics where key = 'loss'"):
            client.stdin.write(query + "\n")
            client.stdin.flush()
            assert client.stdout.readline() == ("[(2,)]\n" if "count" in query else "[(0,)]\n")
        client.stdin.close()
        client.wait()
    store.fold()
    kept = {path.name for path in parquet.files_in(store.layout.segments, "")}
    assert kept == set(in_force(store).segments)
    assert list(store.layout.superseded.iterdir()) == []


def test_a_damaged_line_is_not_shown_before_it_is_folded_either(store: Store) -> None:
    store.write_points([Point("run", RUN, "loss", step, now(), 0.5) for step in range(3)])
    (path,) = store.layout.journal.glob("*.points.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"s":1', b'"s":7'))
    assert [row["step"] for row in store.reader.rows("select step from metrics order by step")] == [0, 2]


def test_a_reader_sees_what_is_appended_and_what_is_folded_once(store: Store) -> None:
    reader, writer = Store(store.layout.root), store
    for step in range(30):
        writer.write_points([Point("run", RUN, "loss", step, now(), 0.5)])
        writer.write(Change("runs", f"{step:032x}", "create", {"run_id": f"{step:032x}"}))
        if step % 7 == 3:
            writer.fold()
        assert reader.reader.rows("select count(*) as n from metrics") == [{"n": step + 1}]
        assert reader.reader.rows("select count(*) as n from runs") == [{"n": step + 1}]
        assert reader.reader.rows("select points from latest_metrics") == [{"points": step + 1}]


def test_a_background_fold_leaves_nothing_superseded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    log_and_fold(store, 9)
    monkeypatch.setattr(settings(), "fold_in_background", True)
    store.write_points([Point("run", RUN, "loss", 100, now(), 0.5)])
    store.settle()
    deadline = time.monotonic() + 60
    while store._folding:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert list(store.layout.superseded.iterdir()) == []
    assert {path.name for path in parquet.files_in(store.layout.segments, "")} == set(in_force(store).segments)
