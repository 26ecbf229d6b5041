"""Rebuilding: the same content, from the archive alone, and damage on one side mended from the other."""

from pathlib import Path

import pytest

from renex_jupyter.config import settings
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import archive, generation, parquet
from renex_jupyter.store.keeping.rebuild import rebuild
from renex_jupyter.store.store import Store

RUNS = [f"{number:032x}" for number in range(3)]
EVERYTHING = (
    "select * from runs order by run_id",
    "select * from params order by run_id, key",
    "select * from metrics order by run_id, key, step, wallclock",
    "select * from latest_metrics order by run_id, key",
    "select * from change_events order by change_id",
)


def everything(store: Store) -> list[str]:
    reader = Store(store.layout.root).reader
    return [repr(reader.rows(query)) for query in EVERYTHING]


@pytest.fixture
def folded(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with runs, odd points and two folds, and a run that is not folded yet; nobody else folds."""
    monkeypatch.setattr(settings(), "fold_in_background", False)
    for run in RUNS:
        after = {"run_id": run, "name": 'quo"te\n\\ ü 😀', "status": "running", "started_at": now()}
        store.write(Change("runs", run, "create", after, namespace="default"))
        store.write(
            Change("params", f"{run}/lr", "update", {"run_id": run, "key": "lr", "value": 1e-5}, {"value": None})
        )
        values = [0.1, float("nan"), float("-inf"), -0.0, 1e308, None]
        store.write_points(
            [
                Point("run", run, "loss", step, now(), value, "x\ny" if value is None else None)
                for step, value in enumerate(values)
            ]
        )
        if run != RUNS[-1]:
            store.fold()
    return store


def spoil(path: Path) -> None:
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def test_a_rebuilt_index_has_the_same_content(folded: Store) -> None:
    before = everything(folded)
    found = rebuild(folded.layout)
    assert everything(folded) == before
    assert (found.points, found.changes) == (2 * 6, 2 * 2)  # the journal of the last run is live
    assert found.segments == 1
    folded.fold()
    assert everything(folded) == before


def test_rebuilding_needs_neither_generation_nor_segments(folded: Store) -> None:
    before = everything(folded)
    for path in [*folded.layout.generations.iterdir(), *folded.layout.segments.iterdir(), folded.layout.current]:
        path.unlink()
    assert everything(folded) == before  # read from the archive
    rebuild(folded.layout)
    assert everything(folded) == before
    assert folded.layout.generation_in_force() == generation.usable(folded.layout)


def test_a_line_that_lies_in_two_packs_is_rebuilt_once(folded: Store) -> None:
    """As when a fold is killed between its switch and the removal of what it merged, and the index is lost then."""
    before = everything(folded)
    for path in archive.packs_in(folded.layout):
        name = parquet.parse(path.name)
        assert name is not None
        path.with_name(f"L1-{name.number + 5:010d}.{name.sha256}{name.kind}.parquet").write_bytes(path.read_bytes())
    folded.layout.current.unlink()
    assert everything(folded) == before
    rebuild(folded.layout)
    assert everything(folded) == before


@pytest.mark.parametrize("kind", [archive.CHANGES, archive.POINTS])
def test_a_damaged_pack_is_made_again_from_the_index(folded: Store, kind: str) -> None:
    before = everything(folded)
    spoiled = parquet.files_in(folded.layout.archive, kind)[0]
    spoil(spoiled)
    assert everything(folded) == before  # the index is not touched by it
    found = rebuild(folded.layout)
    assert everything(folded) == before
    assert found.set_aside == (spoiled.name,)
    assert found.salvaged == (2 if kind == archive.CHANGES else 6)
    assert (folded.layout.damaged / spoiled.name).is_file()
    for path in [*folded.layout.generations.iterdir(), *folded.layout.segments.iterdir(), folded.layout.current]:
        path.unlink()
    assert everything(folded) == before  # what was made again is in the archive


def test_without_an_index_only_what_a_damaged_pack_held_is_lost(folded: Store) -> None:
    folded.layout.current.unlink()
    spoiled = parquet.files_in(folded.layout.archive, archive.POINTS)[0]
    spoil(spoiled)
    with pytest.warns(UserWarning, match="is damaged, and what it holds is missing"):
        assert Store(folded.layout.root).reader.rows("select count(*) as n from metrics") == [{"n": 12}]
    found = rebuild(folded.layout)
    assert (found.set_aside, found.points) == ((spoiled.name,), 6)
    assert Store(folded.layout.root).reader.rows("select count(*) as n from runs") == [{"n": 3}]


def test_a_rebuild_is_ok_when_nothing_was_lost_in_it(folded: Store) -> None:
    assert rebuild(folded.layout).ok
    spoil(parquet.files_in(folded.layout.archive, archive.POINTS)[0])
    mended = rebuild(folded.layout)
    assert (mended.ok, mended.salvaged, mended.lost, "LOST" in str(mended)) == (True, 6, 0, False)
    spoil(parquet.files_in(folded.layout.archive, archive.POINTS)[0])
    folded.layout.current.unlink()
    done = rebuild(folded.layout)
    assert (done.ok, done.lost, "LOST" in str(done)) == (False, 6, True)
    assert rebuild(folded.layout).ok  # it was lost before


def test_what_was_damaged_in_a_journal_that_a_rebuild_takes_is_lost_in_it(folded: Store) -> None:
    folded.journal.seal()
    (path,) = folded.layout.journal.glob("*.points.jsonl")
    spoil(path)
    done = rebuild(folded.layout)
    assert (done.ok, done.lost, "LOST" in str(done)) == (False, 1, True)
    assert rebuild(folded.layout).ok


def test_a_damaged_segment_is_never_read(folded: Store) -> None:
    before = everything(folded)
    for path in parquet.files_in(folded.layout.segments, ""):
        spoil(path)
    assert everything(folded) == before  # read from the archive
    folded.fold()
    assert everything(folded) == before
    made = folded.layout.generations / str(folded.layout.generation_in_force())
    with generation.connect(made, read_only=True) as connection:
        names = generation.books(connection).segments
    assert all(parquet.is_whole(folded.layout.segments / name) for name in names)
