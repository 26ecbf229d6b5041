"""Export and import: everything arrives as it was and once."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from exports import TABLES, contents, everything, run_ids

import renex_jupyter as rx
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.session import current as sessions
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.transfer import export_store, import_store
from renex_jupyter.store.store import Store

pytestmark = pytest.mark.usefixtures("nobody_else_folds")


def test_a_whole_store_arrives_as_it_was(source: Store, target: Store, tmp_path: Path) -> None:
    made = export_store(source, tmp_path / "all.zip")
    assert (made.runs, made.points, made.damaged) == (3, 6, ())
    assert (tmp_path / "all.zip").stat().st_size == made.bytes
    came = import_store(target, tmp_path / "all.zip")
    assert (came.changes, came.points, came.blobs, came.already_there) == (made.changes, 6, made.blobs, 0)
    assert everything(target) == everything(source)
    assert contents(target) == contents(source)
    for sha256 in contents(target):
        target.blobs.get(sha256)


def test_importing_twice_or_into_the_source_doubles_nothing(source: Store, target: Store, tmp_path: Path) -> None:
    made = export_store(source, tmp_path / "all.zip")
    lines = made.changes + made.points
    before = everything(source)
    import_store(target, tmp_path / "all.zip")
    for store in (target, source):
        came = import_store(store, tmp_path / "all.zip")
        assert (came.changes, came.points, came.blobs, came.already_there) == (0, 0, 0, lines)
        assert everything(store) == before
        Store(store.layout.root).fold()
        assert everything(store) == before


def test_single_runs_first_and_everything_then_gives_everything_once(
    source: Store, target: Store, tmp_path: Path
) -> None:
    ids = run_ids(source)
    for name in ("second", "first"):
        export_store(source, tmp_path / f"{name}.zip", [ids[name]])
        import_store(target, tmp_path / f"{name}.zip")
    export_store(source, tmp_path / "all.zip")
    import_store(target, tmp_path / "all.zip")
    import_store(target, tmp_path / "first.zip")
    assert everything(target) == everything(source)
    assert contents(target) == contents(source)


def test_a_run_arrives_with_what_it_needs_and_without_the_rest(source: Store, target: Store, tmp_path: Path) -> None:
    made = export_store(source, tmp_path / "run.zip", [run_ids(source)["first"]])
    assert made.runs == 2
    import_store(target, tmp_path / "run.zip")
    assert set(run_ids(target)) == {"first", "child"}
    came, there = everything(target), everything(source)
    for table in TABLES:
        assert set(came[table]) <= set(there[table]), table
    for table in ("params", "tags", "namespaces", "experiments", "environments", "packages", "hardware", "sessions"):
        assert came[table] == there[table], table
    assert {row["key"] for row in target.reader.rows("select key from metrics")} == {"loss"}
    files = {row["path"] for row in target.reader.rows("select path from snapshot_files")}
    assert files == {"first.csv", "pyproject.toml"}
    assert [row for row in target.reader.rows("select label from snapshots") if row["label"]] == []
    named = {row["sha256"] for row in target.reader.rows("select sha256 from snapshot_files")}
    assert contents(target) == named


def test_a_single_run_makes_a_sound_store(source: Store, target: Store, tmp_path: Path) -> None:
    export_store(source, tmp_path / "run.zip", [run_ids(source)["child"]])
    import_store(target, tmp_path / "run.zip")
    assert fsck(target.layout).damages == ()


def test_an_imported_state_can_be_checked_out(
    source: Store, target: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_store(source, tmp_path / "all.zip")
    import_store(target, tmp_path / "all.zip")
    monkeypatch.chdir(target.layout.project)
    sessions.reset()
    rx.checkout("kept", "back")
    for name in ("first.csv", "second.bin"):
        assert (target.layout.project / "back" / name).read_bytes() == (tmp_path / "source" / name).read_bytes()


def test_a_change_made_after_the_first_import_arrives_with_the_second(
    source: Store, target: Store, tmp_path: Path
) -> None:
    export_store(source, tmp_path / "old.zip")
    import_store(target, tmp_path / "old.zip")
    gone, renamed = run_ids(source)["second"], run_ids(source)["first"]
    source.write(Change("runs", gone, "delete", {}), Change("runs", renamed, "update", {"name": "best"}))
    export_store(source, tmp_path / "new.zip")
    import_store(target, tmp_path / "new.zip")
    assert set(run_ids(target)) == {"best", "child"}
    import_store(target, tmp_path / "old.zip")
    assert set(run_ids(target)) == {"best", "child"}


def test_what_a_living_writer_has_not_folded_is_exported_and_comes_back_once(store: Store, tmp_path: Path) -> None:
    store.write(Change("runs", "a" * 32, "create", {"name": "train"}))
    store.write_points([Point("run", "a" * 32, "loss", step, now(), step) for step in range(3)])
    made = export_store(store, tmp_path / "live.zip")
    assert (made.changes, made.points) == (1, 3)
    assert import_store(store, tmp_path / "live.zip").already_there == 4
    store.write_points([Point("run", "a" * 32, "loss", 3, now(), 3)])
    for _ in range(2):
        assert store.reader.rows("select count(*) as n from metrics") == [{"n": 4}]
        store.fold()
    export_store(store, tmp_path / "more.zip")
    other = Store(tmp_path / "other" / ".renex")
    assert import_store(other, tmp_path / "live.zip").points == 3
    assert import_store(other, tmp_path / "more.zip").points == 1


IMPORTER = """
import sys
from pathlib import Path
from renex_jupyter.store.store import Store
from renex_jupyter.store.keeping.transfer import import_store
print("ready", flush=True)
import_store(Store(Path(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_an_import_that_is_killed_leaves_the_records_as_they_were(tmp_path: Path) -> None:
    origin = Store(tmp_path / "origin" / ".renex")
    for number in range(50):
        sha256 = origin.blobs.put(os.urandom(100))
        origin.write(Change("runs", f"{number:032x}", "create", {"name": "came", "error": sha256}))
    origin.write_points([Point("run", "0" * 32, "loss", step, now(), step) for step in range(20_000)])
    assert export_store(origin, tmp_path / "all.zip").blobs == 50
    found = set()
    for turn in range(10):
        store = Store(tmp_path / f"target{turn}" / ".renex")
        store.write(Change("runs", "f" * 32, "create", {"name": "mine"}))
        command = [sys.executable, "-c", IMPORTER, str(store.layout.root), str(tmp_path / "all.zip")]
        child = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(turn * 0.15)
        child.kill()
        child.communicate()
        held = how_much(store)
        assert held in ((1, 0), (51, 20_000))
        found.add((held, bool(contents(store))))
        store.fold()
        import_store(store, tmp_path / "all.zip")
        assert how_much(store) == (51, 20_000)
    assert ((1, 0), True) in found  # cut off behind the contents and before the records


def how_much(store: Store) -> tuple[int, int]:
    """Return the number of runs and of metric points."""
    rows = Store(store.layout.root).reader.rows(
        "select (select count(*) from runs) r, (select count(*) from metrics) m"
    )
    return rows[0]["r"], rows[0]["m"]
