"""What a store has lost is told until it is back or accepted, whatever is folded and rebuilt meanwhile."""

import hashlib
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import archive, journal, losses, parquet
from renex_jupyter.store import fold as folding
from renex_jupyter.store.format import POINTS
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.purge import purge
from renex_jupyter.store.keeping.rebuild import rebuild
from renex_jupyter.store.keeping.transfer import export_store, import_store
from renex_jupyter.store.layout import Layout
from renex_jupyter.store.losses import losses_of
from renex_jupyter.store.store import Store

RUNS = "select name, (select count(*) from metrics m where m.run_id = r.run_id) as points from runs r order by name"


@pytest.fixture
def folded(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Two runs with ten points each, in packs of their own."""
    monkeypatch.setattr(settings(), "fold_in_background", False)
    for name in ("first", "second"):
        run = name.rjust(32, "0")
        store.write(Change("runs", run, "create", {"run_id": run, "name": name, "started_at": now()}))
        store.write_points([Point("run", run, "loss", step, now(), step / 7) for step in range(10)])
        store.fold()
    return store


def found(store: Store) -> list[tuple[str, int]]:
    return [(row["name"], row["points"]) for row in Store(store.layout.root).reader.rows(RUNS)]


def told(layout: Layout) -> set[str]:
    report = fsck(layout)
    assert report.ok == all(each.kind in ("torn", "stale", "mended") for each in report.damages)
    return {each.kind for each in report.damages}


def remove_pack(layout: Layout, kind: str) -> None:
    parquet.files_in(layout.archive, kind)[0].unlink()


def remove_index(layout: Layout) -> None:
    for path in (*layout.generations.iterdir(), *layout.segments.iterdir(), layout.current):
        path.unlink()


@pytest.mark.parametrize("again", [lambda store: store.fold(), lambda store: rebuild(store.layout)])
def test_what_is_gone_from_archive_and_index_is_told_after_every_fold_and_rebuild(
    folded: Store, again: Callable[[Store], object]
) -> None:
    remove_pack(folded.layout, archive.POINTS)
    remove_index(folded.layout)
    assert "pack" in told(folded.layout)
    with pytest.warns(UserWarning, match="is gone, and what it holds is missing"):
        assert found(folded) == [("first", 0), ("second", 10)]
    for _ in range(2):
        again(folded)
        assert told(folded.layout) == {"pack"}
        with pytest.warns(UserWarning, match="renex: records of .* are lost"):
            assert found(folded) == [("first", 0), ("second", 10)]
    (loss,) = losses_of(folded.layout)
    assert (loss.records, loss.back) == (10, 0)


def test_what_is_accepted_is_told_no_more_and_what_comes_after_it_is(folded: Store) -> None:
    remove_pack(folded.layout, archive.POINTS)
    remove_index(folded.layout)
    folded.fold()
    assert told(folded.layout) == {"pack"}
    accepted = fsck(folded.layout, accept=True)
    assert accepted.ok
    assert accepted.checked["accepted losses"] == 1
    assert told(folded.layout) == set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert found(folded) == [("first", 0), ("second", 10)]
    remove_pack(folded.layout, archive.CHANGES)
    remove_index(folded.layout)
    folded.fold()
    assert told(folded.layout) == {"pack"}
    assert fsck(folded.layout).checked["accepted losses"] == 1


def test_runs_whose_records_are_lost_can_be_accepted_and_purged(folded: Store) -> None:
    runs = {row["owner_id"] for row in folded.reader.rows("select owner_id from metrics")}
    remove_pack(folded.layout, archive.CHANGES)
    remove_index(folded.layout)
    folded.fold()
    lost = sorted(runs - {row["run_id"] for row in Store(folded.layout.root).reader.rows("select run_id from runs")})
    assert lost
    assert told(folded.layout) == {"pack", "reference"}
    accepted = fsck(folded.layout, accept=True)
    assert accepted.ok
    assert accepted.checked["accepted losses"] == 1 + len(lost)
    again = fsck(folded.layout)
    assert (again.damages, again.checked["accepted losses"]) == ((), 1 + len(lost))
    (folded.layout.damaged / "ACCEPTED").unlink()
    for run_id in lost:
        assert purge(folded, object_id=run_id).points
    rows = Store(folded.layout.root).reader.rows("select owner_id from metrics")
    assert not {row["owner_id"] for row in rows} & set(lost)
    assert told(folded.layout) == {"pack"}


def test_contents_that_are_missing_can_be_accepted_and_a_later_loss_is_told(folded: Store) -> None:
    for number, data in enumerate((b"one" * 100, b"two" * 100)):
        sha256 = folded.blobs.put(data)
        entry = {"path": f"{number}.py", "role": "code", "kind": "file", "sha256": sha256, "size": 300, "mode": 420}
        folded.write(Change("file_parts", f"{number}" * 64, "create", {"entries": [entry]}))
        after = {"snapshot_id": f"{number}" * 32, "parts": [f"{number}" * 64], "created_at": now()}
        folded.write(Change("snapshots", f"{number}" * 32, "create", after))
    first, second = (hashlib.sha256(data).hexdigest() for data in (b"one" * 100, b"two" * 100))
    folded.blobs.remove(first)
    assert told(folded.layout) == {"content"}
    assert fsck(folded.layout, accept=True).ok
    assert told(folded.layout) == set()
    folded.blobs.remove(second)
    (damage,) = fsck(folded.layout).damages
    assert second[2:] in damage.path
    shutil.rmtree(folded.layout.blobs)
    assert told(folded.layout) == {"content"}


@pytest.mark.parametrize("kind", [archive.CHANGES, archive.POINTS])
def test_a_pack_that_is_gone_is_made_again_from_the_index_and_then_all_is_well(folded: Store, kind: str) -> None:
    before = found(folded)
    remove_pack(folded.layout, kind)
    assert told(folded.layout) == {"pack"}
    assert rebuild(folded.layout).salvaged == (1 if kind == archive.CHANGES else 10)
    assert told(folded.layout) == {"mended"}
    remove_index(folded.layout)
    folded.fold()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert found(folded) == before


def test_changes_are_made_again_from_a_generation_whose_points_are_gone(folded: Store) -> None:
    remove_pack(folded.layout, archive.CHANGES)
    for path in folded.layout.segments.iterdir():
        path.unlink()
    folded.fold()
    assert found(folded) == [("first", 10), ("second", 10)]
    assert told(folded.layout) == {"mended"}


def test_damaged_lines_of_a_journal_are_told_until_a_backup_brings_them_back(folded: Store, tmp_path: Path) -> None:
    run = "second".rjust(32, "0")
    folded.write_points([Point("run", run, "late", step, now(), step / 7) for step in range(3)])
    folded.journal.seal()
    export_store(Store(folded.layout.root), tmp_path / "backup.zip")
    (path,) = (Path(each.path) for each in journal.files_in(folded.layout.journal) if each.name.endswith(POINTS))
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0x04
    path.write_bytes(content)
    folded.fold()
    assert told(folded.layout) == {"line"}
    with pytest.warns(UserWarning, match="records of .* are lost"):
        import_store(Store(folded.layout.root), tmp_path / "backup.zip")
    assert found(folded)[1] == ("second", 13)
    assert told(folded.layout) == {"mended"}


@pytest.mark.parametrize("kind", [archive.CHANGES, archive.POINTS])
def test_what_a_backup_brings_back_is_lost_no_more(folded: Store, tmp_path: Path, kind: str) -> None:
    before = found(folded)
    export_store(Store(folded.layout.root), tmp_path / "backup.zip")
    remove_pack(folded.layout, kind)
    remove_index(folded.layout)
    assert rebuild(folded.layout).lost == (1 if kind == archive.CHANGES else 10)
    assert told(folded.layout) >= {"pack"}
    with warnings.catch_warnings(record=True):
        imported = import_store(Store(folded.layout.root), tmp_path / "backup.zip")
    assert imported.changes + imported.points == (1 if kind == archive.CHANGES else 10)
    assert told(folded.layout) == {"mended"}
    assert found(folded) == before


def test_what_another_store_brings_does_not_make_good_a_loss(folded: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other" / ".renex")
    run = "o" * 32
    other.write(Change("runs", run, "create", {"run_id": run, "name": "other", "started_at": now()}))
    other.write_points([Point("run", run, "loss", step, now(), step / 7) for step in range(10)])
    export_store(other, tmp_path / "other.zip")
    remove_pack(folded.layout, archive.POINTS)
    remove_index(folded.layout)
    folded.fold()
    with pytest.warns(UserWarning, match="are lost"):
        import_store(Store(folded.layout.root), tmp_path / "other.zip")
    assert told(folded.layout) == {"pack"}


def test_a_rebuild_after_a_fold_that_was_cut_off_takes_nothing_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = "r" * 32
    store.write(Change("runs", run, "create", {"run_id": run, "name": "first", "started_at": now()}))
    store.write_points([Point("run", run, "loss", step, now(), step / 7) for step in range(10)])
    with monkeypatch.context() as patch:
        patch.setattr(folding, "finish", fails)
        with pytest.raises(RenexError):
            store.fold()
    assert len(list(journal.files_in(store.layout.journal))) == 2
    remove_pack(store.layout, archive.POINTS)
    for _ in range(2):
        rebuild(store.layout)
        assert found(store) == [("first", 10)]
    assert told(store.layout) == {"mended"}
    assert list(journal.files_in(store.layout.journal)) == []


def fails(*_: object, **__: object) -> None:
    raise RenexError("disk_full", "no space", "free some")


def test_a_rebuild_that_is_cut_off_after_the_switch_loses_no_word_of_what_it_mended(
    folded: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = parquet.files_in(folded.layout.archive, archive.POINTS)[0]
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 0x04
    pack.chmod(0o600)
    pack.write_bytes(content)
    with monkeypatch.context() as patch:
        patch.setattr(losses, "set_aside", fails)
        with pytest.raises(RenexError):
            rebuild(folded.layout)
    folded.fold()
    assert told(folded.layout) == {"mended"}
    assert (folded.layout.damaged / pack.name).is_file()


def test_points_that_were_salvaged_in_one_store_are_not_doubled_in_another(folded: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other" / ".renex")
    for number in range(2):
        export_store(Store(folded.layout.root), tmp_path / f"{number}.zip")
        import_store(other, tmp_path / f"{number}.zip")
        assert found(other) == [("first", 10), ("second", 10)]
        if not number:
            remove_pack(folded.layout, archive.POINTS)
            rebuild(folded.layout)
