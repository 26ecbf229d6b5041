"""Collecting: what nothing names goes, what anything names stays, whoever writes at the same time."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from renex_jupyter.errors import RenexError
from renex_jupyter.ids import new_id
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import locks
from renex_jupyter.store.blobs import FRESH, away_name
from renex_jupyter.store.keeping import gc
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.store import Store

LONG_AGO = (0, 0)


def path_of(store: Store, sha256: str) -> Path:
    (path,) = store.layout.blobs.glob(f"{sha256[:2]}/{sha256[2:]}*")
    return path


def put_long_ago(store: Store, data: bytes) -> str:
    sha256 = store.blobs.put(data)
    os.utime(path_of(store, sha256), LONG_AGO)
    return sha256


def keep(store: Store, sha256: str, snapshot_id: str | None = None) -> str:
    """Record a snapshot that consists of one file."""
    snapshot_id = snapshot_id or new_id()
    part = sha256[::-1]
    entry = {"path": "a.bin", "role": "file", "kind": "file", "sha256": sha256, "size": 1, "mode": 0o644}
    store.write(
        Change("file_parts", part, "create", {"entries": [entry]}),
        Change("snapshots", snapshot_id, "create", {"parts": [part], "created_at": now()}),
    )
    return snapshot_id


@pytest.fixture
def store(store: Store) -> Store:
    """A store in which something is recorded."""
    store.write(Change("runs", new_id(), "create", {}))
    return store


def there(store: Store) -> set[str]:
    return {each.sha256 for each in gc.contents_in(store.layout.blobs)}


def test_a_dry_run_tells_and_removes_nothing(store: Store) -> None:
    kept, lost = put_long_ago(store, b"kept"), put_long_ago(store, os.urandom(5000))
    keep(store, kept)
    told = gc.collect(store)
    assert (told.dry_run, told.blobs, told.bytes, told.kept_young) == (True, 1, 5000, 0)
    assert there(store) == {kept, lost}
    done = gc.collect(store, dry_run=False)
    assert (done.blobs, done.bytes) == (1, 5000)
    assert there(store) == {kept}
    assert gc.collect(store, dry_run=False).blobs == 0


@pytest.mark.parametrize("folded", [False, True])
def test_a_content_goes_with_the_last_snapshot_that_names_it(store: Store, folded: bool) -> None:
    data = put_long_ago(store, b"data")
    first, second = keep(store, data), keep(store, data)
    for snapshot_id, left in ((first, {data}), (second, set())):
        store.write(Change("snapshots", snapshot_id, "delete", {}))
        if folded:
            store.fold()
        gc.collect(store, dry_run=False)
        assert there(store) == left


@pytest.mark.parametrize(
    "change",
    [
        lambda sha: Change("snapshots", new_id(), "create", {"notebook_sha256": sha}),
        lambda sha: Change("params", "p", "create", {"value": {"weights": [f"sha256:{sha}"]}}),
        lambda sha: Change("runs", new_id(), "create", {"error": f"expected {sha}, got abc"}),
        lambda sha: Change("nouns_of_tomorrow", new_id(), "create", {"content": sha}),
    ],
)
def test_a_content_stays_wherever_a_record_names_it(store: Store, change) -> None:
    data = put_long_ago(store, b"data")
    store.write(change(data))
    for _ in range(2):
        gc.collect(store, dry_run=False)
        assert there(store) == {data}
        store.fold()


def test_a_content_stays_when_a_logged_text_names_it(store: Store) -> None:
    data = put_long_ago(store, b"data")
    store.write_points([Point("run", "r", "picture", 0, now(), None, text_value=f"\fa{data}")])
    gc.collect(store, dry_run=False)
    assert there(store) == {data}


def test_a_file_tree_that_no_snapshot_names_keeps_nothing(store: Store) -> None:
    data = put_long_ago(store, b"data")
    snapshot_id = keep(store, data)
    store.write(Change("snapshots", snapshot_id, "delete", {}))
    gc.collect(store, dry_run=False)
    assert there(store) == set()
    assert store.reader.rows("select count(*) as n from inside.file_parts") == [{"n": 1}]


def test_what_is_young_stays_until_it_is_older_than_anybody_needs_to_name_it(store: Store) -> None:
    data = store.blobs.put(b"data")
    path = path_of(store, data)
    assert gc.collect(store, dry_run=False).kept_young == 1
    os.utime(path, (0, time.time() - 2 * FRESH + 60))
    assert gc.collect(store, dry_run=False).kept_young == 1
    os.utime(path, (0, time.time() - 2 * FRESH - 60))
    assert gc.collect(store, dry_run=False).blobs == 1
    assert not path.exists()


def test_what_killed_writers_left_behind_goes_when_it_is_old(store: Store) -> None:
    store.blobs.put(b"data")
    old, young, foreign = (store.layout.blobs / name for name in (f".{'0' * 32}.tmp", f".{'1' * 32}.tmp", "notes.txt"))
    for path in (old, young, foreign):
        path.write_bytes(b"12345")
    for path in (old, foreign):
        os.utime(path, LONG_AGO)
    assert gc.collect(store).temporary_files == 1
    done = gc.collect(store, dry_run=False)
    assert (done.temporary_files, done.bytes) == (1, 5)
    assert [path.exists() for path in (old, young, foreign)] == [False, True, True]


def test_a_content_at_which_a_collection_was_killed_comes_back_if_it_is_named(store: Store) -> None:
    for data in (b"plain", b"text " * 1000):
        sha256 = put_long_ago(store, data)
        keep(store, sha256)
        path = path_of(store, sha256)
        path.rename(store.layout.blobs / f".{path.parent.name}{path.name}.gone")
        gc.collect(store, dry_run=False)
        assert store.blobs.get(sha256) == data
    assert [path.name for path in store.layout.blobs.iterdir() if path.name.startswith(".")] == []


def test_a_content_that_was_written_anew_after_such_a_kill_keeps_its_young_time(store: Store) -> None:
    sha256 = put_long_ago(store, b"data")
    path = path_of(store, sha256)
    path.rename(store.layout.blobs / f".{path.parent.name}{path.name}.gone")
    store.blobs.put(b"data")
    assert gc.collect(store, dry_run=False).kept_young == 1
    assert there(store) == {sha256}


def test_readers_see_what_a_collection_looks_at_and_collections_do_not(store: Store) -> None:
    contents = {put_long_ago(store, data) for data in (b"plain", b"text " * 1000, b"kept")}
    sizes = {path_of(store, sha256): path_of(store, sha256).stat().st_size for sha256 in contents}
    for path in list(sizes)[:2]:
        path.rename(away_name(path))
    seen = list(gc.every_content(store.layout.blobs))
    assert {each.sha256 for each in seen} == contents
    assert {(each.home, each.size, each.suffix) for each in seen} == {
        (path, size, path.suffix) for path, size in sizes.items()
    }
    assert len(there(store)) == 1
    assert gc.collect(store).blobs == 1
    assert gc.free_among(store, contents) == (1, 0)
    assert len(list(store.layout.blobs.glob(".*.gone"))) == 2


def test_a_content_is_seen_once_wherever_a_collection_moves_it_meanwhile(store: Store) -> None:
    early, late = sorted(put_long_ago(store, bytes([number])) for number in range(2))
    early_path, late_path = path_of(store, early), path_of(store, late)
    early_path.rename(away_name(early_path))
    seen = []
    for each in gc.every_content(store.layout.blobs):
        seen.append(each.sha256)
        if each.sha256 == late:  # behind the place of the other one, which goes back unseen
            away_name(early_path).rename(early_path)
            late_path.rename(away_name(late_path))
    assert sorted(seen) == [early, late]


def test_a_content_at_which_a_collection_was_killed_is_checked(store: Store) -> None:
    sha256 = put_long_ago(store, b"kept")
    keep(store, sha256)
    path = path_of(store, sha256)
    path.rename(away_name(path))
    assert fsck(store.layout).checked["contents"] == 1
    away_name(path).chmod(0o600)
    away_name(path).write_bytes(b"rot")
    (damage,) = (each for each in fsck(store.layout).damages if each.kind == "content")
    assert damage.path == f"blobs/{away_name(path).name}"


def test_what_is_none_of_ours_among_the_contents_is_passed_over_and_told(store: Store) -> None:
    keep(store, put_long_ago(store, b"kept"))
    (store.layout.blobs / "zz").write_text("junk")
    (store.layout.blobs / "00").write_text("junk")
    (store.layout.blobs / "notes.txt").write_text("junk")
    assert gc.collect(store, dry_run=False).blobs == 0
    strangers = gc.strangers_in(store.layout.blobs)
    assert {path.name for path in strangers} == {"00", "notes.txt", "zz"}
    with pytest.raises(RenexError, match="is not in") as error:
        store.blobs.get("0" * 64)
    assert error.value.code == "not_found"


def test_two_collections_do_not_work_at_one_time(store: Store) -> None:
    with locks.hold(store.layout.root / "gc.lock", timeout=0):
        with pytest.raises(RenexError) as caught:
            gc.collect(store, dry_run=False)
        assert caught.value.code == "locked"
        gc.collect(store)


def test_nothing_is_freed_while_the_index_cannot_tell_what_is_named(store: Store) -> None:
    data = put_long_ago(store, b"data")
    keep(store, data)
    store.fold()
    for path in store.layout.generations.iterdir():
        path.unlink()
    with pytest.raises(RenexError) as caught:
        gc.collect(Store(store.layout.root), dry_run=False)
    assert caught.value.code == "corrupt"
    assert there(store) == {data}


def test_a_collection_waits_for_the_first_fold_that_is_about_to_write_the_index(store: Store) -> None:
    data = put_long_ago(store, b"data")
    keep(store, data)
    store.fold()
    away = store.layout.current.rename(store.layout.root / "away")

    def folds() -> None:
        with locks.hold(store.layout.fold_lock, timeout=0):
            held.set()
            time.sleep(0.3)
            away.rename(store.layout.current)

    held = threading.Event()
    folding = threading.Thread(target=folds)
    folding.start()
    held.wait()
    assert gc.collect(Store(store.layout.root), dry_run=False).blobs == 0
    folding.join()
    assert there(store) == {data}


WRITER = """
import os, random, sys, time
from contextlib import suppress
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_gc import keep, path_of
from renex_jupyter.records.changes import Change
from renex_jupyter.store.store import Store
store, rng, kept, enough = Store(Path(sys.argv[1])), random.Random(int(sys.argv[3])), {}, Path(sys.argv[4])
pool = [bytes([n, rng.randrange(256)]) * 100 for n in range(40)]
turns = 0
while turns <= 100 or not enough.exists():
    data = rng.choice(pool)
    sha256 = store.blobs.put(data)           # as a snapshot does: the content first,
    kept.setdefault(sha256, []).append(keep(store, sha256))
    assert store.blobs.get(sha256) == data   # and then it must be there
    turns += 1
    time.sleep(rng.random() * 0.004)
    assert store.blobs.is_there(sha256)
    if rng.random() < 0.8:                   # nothing names it any more, and it is old
        for snapshot_id in kept.pop(sha256):
            store.write(Change("snapshots", snapshot_id, "delete", {}))
        with suppress(ValueError, FileNotFoundError):  # just looked at by the collection: it stays young
            os.utime(path_of(store, sha256), (0, 0))
print(turns, *kept)
"""


@pytest.mark.slow
def test_a_process_that_records_beside_a_collection_never_misses_a_content(store: Store, tmp_path: Path) -> None:
    enough = tmp_path / "enough was freed"
    command = [sys.executable, "-c", WRITER, str(store.layout.root), str(Path(__file__).parent), "7", str(enough)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    freed, least = 0, time.monotonic() + 4
    while writer.poll() is None:
        freed += gc.collect(store, dry_run=False).blobs
        if freed > 20 and time.monotonic() > least:
            enough.touch()
    said, failed = writer.communicate()
    assert writer.returncode == 0, failed
    turns, *kept = said.split()
    assert int(turns) > 100 and freed > 20
    gc.collect(store, dry_run=False)
    assert set(kept) <= there(store)


def litter(store: Store) -> str:
    """Put an old content there as `put` would, without waiting for the disk."""
    data = os.urandom(100)
    sha256 = hashlib.sha256(data).hexdigest()
    path = store.layout.blobs / sha256[:2] / sha256[2:]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, LONG_AGO)
    return sha256


COLLECTOR = """
import os, sys, time
from pathlib import Path
from renex_jupyter.store.keeping import gc
from renex_jupyter.store.store import Store
left = int(sys.argv[2])
def count(event, arguments):
    global left
    left -= event in ("os.rename", "os.remove") and str(arguments[0]).startswith(sys.argv[1])
    if left == 0:
        print("in the midst", flush=True)
        time.sleep(600)
sys.addaudithook(count)
gc.collect(Store(Path(sys.argv[1])), dry_run=False)
"""


@pytest.mark.slow
def test_a_killed_collection_loses_nothing_that_is_named_and_the_next_one_ends_its_work(store: Store) -> None:
    named = [put_long_ago(store, os.urandom(100)) for _ in range(20)]
    for sha256 in named:
        keep(store, sha256)
    unnamed = {litter(store) for _ in range(200)}
    for strike in (2, 5, 30, 31, 100):  # a content goes by way of another name, in two steps
        command = [sys.executable, "-c", COLLECTOR, str(store.layout.root), str(strike)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "in the midst\n"
            child.kill()
        before, unnamed = unnamed, unnamed & there(store)
        assert 0 < len(unnamed) < len(before)
        assert set(named) <= there(store)
    gc.collect(store, dry_run=False)
    assert there(store) == set(named)
    assert [path.name for path in store.layout.blobs.iterdir() if path.name.startswith(".")] == []
