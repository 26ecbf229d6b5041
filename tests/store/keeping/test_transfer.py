"""Export and import: everything arrives as it was and once."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from exports import TABLES, contents, everything, packed, refused, run_ids, unpacked, with_lines

import renex_jupyter as rx
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.session import current as sessions
from renex_jupyter.store import archive, parquet
from renex_jupyter.store.blobs import Blobs, away_name
from renex_jupyter.store.keeping import gc
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.rebuild import rebuild
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


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("points.parquet", "select * replace (y / 1000 as y) from given"),
        ("points.parquet", "select * replace ('other' as k) from given"),
        ("points.parquet", "from given where line > 0"),
        ("changes.parquet", "from given where name || line != (select max(name || line) from given)"),
    ],
)
def test_lines_that_are_not_those_that_were_exported_are_refused(
    source: Store, target: Store, tmp_path: Path, name: str, query: str
) -> None:
    export_store(source, tmp_path / "good.zip")
    changed = with_lines(unpacked(tmp_path / "good.zip"), tmp_path, name, query)
    error = refused(target, packed(tmp_path / "bad.zip", changed))
    assert (error.code, f"{name} in " in error.message) == ("corrupt", True)


def test_a_file_that_lacks_one_of_its_contents_is_refused(source: Store, target: Store, tmp_path: Path) -> None:
    export_store(source, tmp_path / "good.zip")
    members = unpacked(tmp_path / "good.zip")
    del members[next(name for name in members if name.startswith("blobs/"))]
    error = refused(target, packed(tmp_path / "bad.zip", members))
    assert (error.code, "blobs/ in " in error.message) == ("corrupt", True)


@pytest.mark.parametrize("name", ["changes.parquet", "points.parquet", "blobs/"])
@pytest.mark.parametrize("left", [{}, None, "x", {"checksums": "none"}])
def test_a_member_without_a_checksum_is_refused(
    source: Store, target: Store, tmp_path: Path, name: str, left: object
) -> None:
    export_store(source, tmp_path / "good.zip")
    members = unpacked(tmp_path / "good.zip")
    about = json.loads(members["renex.json"])
    others = {key: sum_ for key, sum_ in about["sha256"].items() if key != name}
    about["sha256"] = {**others, **left} if isinstance(left, dict) else left
    bad = {**members, "renex.json": json.dumps(about).encode()}
    error = refused(target, packed(tmp_path / "bad.zip", bad))
    assert (error.code, "has no checksum of" in error.message) == ("corrupt", True)
    assert not isinstance(left, dict) or name in error.message


def lose_points(store: Store) -> None:
    """Take a pack of points away, and the index that could make it again."""
    layout = store.layout
    parquet.files_in(layout.archive, archive.POINTS)[0].unlink()
    for path in (*layout.generations.iterdir(), *layout.segments.iterdir(), layout.current):
        path.unlink()


def record_points(store: Store) -> None:
    for run in ("a" * 32, "b" * 32):
        store.write(Change("runs", run, "create", {"name": f"run {run[0]}"}))
        store.write_points([Point("run", run, "loss", step, now(), step) for step in range(10)])
        store.fold()


def test_an_export_tells_what_the_store_has_lost_until_it_is_accepted_or_back(store: Store, tmp_path: Path) -> None:
    record_points(store)
    whole = export_store(store, tmp_path / "whole.zip")
    assert (whole.ok, whole.lost, whole.lost_files, "WITHOUT" in str(whole)) == (True, 0, 0, False)
    lose_points(store)
    store = Store(store.layout.root)
    rebuild(store.layout)
    for name, runs in (("all", None), ("run", ["a" * 32])):
        made = export_store(store, tmp_path / f"{name}.zip", runs)
        assert (made.ok, made.lost, made.lost_files) == (False, 10, 0)
        assert "WITHOUT  10 records that were lost here before: see renex fsck" in str(made)
    fsck(store.layout, accept=True)
    accepted = export_store(store, tmp_path / "accepted.zip")
    assert (accepted.ok, accepted.points, "WITHOUT" in str(accepted)) == (True, 10, False)
    (store.layout.damaged / "ACCEPTED").unlink()
    import_store(store, tmp_path / "whole.zip")
    again = export_store(store, tmp_path / "again.zip")
    assert (again.ok, again.points) == (True, 20)


def test_an_export_tells_a_loss_of_which_nobody_knows_the_number(store: Store, tmp_path: Path) -> None:
    record_points(store)
    spoiled = parquet.files_in(store.layout.archive, archive.POINTS)[0]
    spoiled.chmod(0o600)
    spoiled.write_bytes(b"rot")
    for path in (*store.layout.generations.iterdir(), store.layout.current, store.layout.published):
        path.unlink()
    store = Store(store.layout.root)
    done = rebuild(store.layout)
    assert (done.ok, done.lost, done.lost_files) == (False, 0, 1)
    assert "LOST      1 file of records; an import may" in str(done)
    assert rebuild(store.layout).ok
    made = export_store(store, tmp_path / "all.zip")
    assert (made.ok, made.lost, made.lost_files) == (False, 0, 1)
    assert "1 file of records that was lost here before" in str(made)


def test_an_export_tells_a_damage_that_no_fold_has_found_yet(store: Store, tmp_path: Path) -> None:
    store.write(Change("runs", "a" * 32, "create", {"name": "train"}))
    store.write_points([Point("run", "a" * 32, "loss", step, now(), step) for step in range(10)])
    (journal,) = store.layout.journal.glob("*.points.jsonl")
    lines = journal.read_bytes().split(b"\n")
    journal.write_bytes(b"\n".join([lines[0], b"rot", *lines[2:]]))
    made = export_store(Store(store.layout.root), tmp_path / "all.zip")
    assert (made.ok, made.lost) == (False, 1)


def test_an_export_tells_packs_that_went_with_the_index_before_any_fold(store: Store, tmp_path: Path) -> None:
    record_points(store)
    for folder in ("archive", "generations", "segments"):
        for path in (store.layout.root / folder).iterdir():
            path.unlink()
    made = export_store(Store(store.layout.root), tmp_path / "all.zip")
    assert (made.ok, made.points, made.lost) == (False, 0, 22)


@pytest.mark.parametrize("data", [b"plain", b"text " * 1000])
def test_a_content_at_which_a_collection_was_killed_is_exported(
    source: Store, target: Store, tmp_path: Path, data: bytes
) -> None:
    sha256 = source.blobs.put(data)
    source.write(Change("params", "p", "create", {"value": sha256}))
    for path in list(source.layout.blobs.glob("??/*")):
        path.rename(away_name(path))
    made = export_store(source, tmp_path / "all.zip")
    assert (made.damaged, made.ok) == ((), True)
    assert import_store(target, tmp_path / "all.zip").blobs == made.blobs
    assert target.blobs.get(sha256) == data
    assert fsck(target.layout).damages == ()


def test_a_content_that_a_collection_gives_another_name_or_its_own_meanwhile_is_exported(
    source: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sorted(path for path in source.layout.blobs.glob("??/*"))[:2]
    first.rename(away_name(first))
    verify, turns = Blobs.verify, []

    def and_move(self: Blobs, sha256: str) -> None:
        verify(self, sha256)
        if not turns:
            away_name(first).rename(first)
            second.rename(away_name(second))
        turns.append(sha256)

    monkeypatch.setattr(Blobs, "verify", and_move)
    made = export_store(source, tmp_path / "all.zip")
    assert (made.damaged, made.blobs) == ((), len(turns))


def test_an_import_brings_back_contents_at_which_a_collection_was_killed(source: Store, tmp_path: Path) -> None:
    exported = tmp_path / "all.zip"
    export_store(source, exported)
    kept = list(gc.contents_in(source.layout.blobs))
    for each in kept:
        each.path.rename(away_name(each.path))
    assert import_store(source, exported).blobs == 0
    assert list(gc.contents_in(source.layout.blobs)) == kept


def test_contents_whose_loss_was_accepted_are_told_no_more_by_an_export(source: Store, tmp_path: Path) -> None:
    named = source.reader.rows("select sha256 from snapshot_files where path = 'first.csv'")[0]["sha256"]
    source.blobs.remove(named)
    made = export_store(source, tmp_path / "first.zip")
    assert (made.ok, made.damaged) == (False, (named,))
    fsck(source.layout, accept=True)
    made = export_store(source, tmp_path / "second.zip")
    assert (made.ok, made.damaged) == (True, ())


IMPORTER = """
import sys, time
from pathlib import Path
from renex_jupyter.store.store import Store
from renex_jupyter.store.keeping import transfer

def wait_for_the_end(*_, **__):
    print("contents", flush=True)
    time.sleep(600)

if sys.argv[3] == "contents":
    transfer.absorb = wait_for_the_end
else:
    print("begins", flush=True)
transfer.import_store(Store(Path(sys.argv[1])), Path(sys.argv[2]))
"""


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A file of 50 runs with contents and 20,000 metric points."""
    origin = Store(tmp_path / "origin" / ".renex")
    for number in range(50):
        sha256 = origin.blobs.put(os.urandom(100))
        origin.write(Change("runs", f"{number:032x}", "create", {"name": "came", "error": sha256}))
    origin.write_points([Point("run", "0" * 32, "loss", step, now(), step) for step in range(20_000)])
    assert export_store(origin, tmp_path / "all.zip").blobs == 50
    return tmp_path / "all.zip"


def kill_an_import(store: Store, exported: Path, when: str, seconds: float = 0) -> None:
    """Kill a process that imports, some seconds after it has come to a point: begins, or contents."""
    command = [sys.executable, "-c", IMPORTER, str(store.layout.root), str(exported), when]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == when
        time.sleep(seconds)
        child.kill()


def test_an_import_that_is_killed_between_contents_and_records_leaves_the_records_as_they_were(
    store: Store, exported: Path
) -> None:
    store.write(Change("runs", "f" * 32, "create", {"name": "mine"}))
    kill_an_import(store, exported, "contents")
    assert (how_much(store), len(contents(store))) == ((1, 0), 50)
    import_store(store, exported)
    assert how_much(store) == (51, 20_000)


@pytest.mark.slow
def test_an_import_that_is_killed_at_any_moment_is_done_whole_or_not_at_all(tmp_path: Path, exported: Path) -> None:
    for turn in range(10):
        store = Store(tmp_path / f"target{turn}" / ".renex")
        store.write(Change("runs", "f" * 32, "create", {"name": "mine"}))
        kill_an_import(store, exported, "begins", seconds=turn * 0.1)
        assert how_much(store) in ((1, 0), (51, 20_000))
        store.fold()
        import_store(store, exported)
        assert how_much(store) == (51, 20_000)


def how_much(store: Store) -> tuple[int, int]:
    """Return the number of runs and of metric points."""
    rows = Store(store.layout.root).reader.rows(
        "select (select count(*) from runs) r, (select count(*) from metrics) m"
    )
    return rows[0]["r"], rows[0]["m"]
