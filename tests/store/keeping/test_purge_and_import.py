"""What was purged does not come back with an export of before, and what is named anew does."""

from pathlib import Path

import pytest
from exports import contents, everything, run_ids
from purgeable import DOOMED, OTHER, a_run, snapshot

from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.session import purges
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.purge import purge
from renex_jupyter.store.keeping.transfer import export_store, import_store
from renex_jupyter.store.store import Store

pytestmark = pytest.mark.usefixtures("nobody_else_folds")


def test_a_purged_content_does_not_come_back(source: Store, tmp_path: Path) -> None:
    export_store(source, tmp_path / "old.zip")
    sha256 = next(iter(contents(source)))
    source.write(Change("blobs", sha256, "delete", {}))
    (path,) = source.layout.blobs.glob(f"{sha256[:2]}/{sha256[2:]}*")
    path.unlink()
    assert import_store(source, tmp_path / "old.zip").blobs == 0
    assert sha256 not in contents(source)
    assert export_store(source, tmp_path / "new.zip").damaged == ()


@pytest.mark.parametrize("name", ["first", "second"])
def test_what_was_purged_does_not_come_back_with_an_older_export(
    source: Store, target: Store, tmp_path: Path, name: str
) -> None:
    export_store(source, tmp_path / "old.zip")
    for store in (source, target):
        import_store(store, tmp_path / "old.zip")
        purge(store, object_id=run_ids(store)[name])
        before, held = everything(store), contents(store)
        came = import_store(store, tmp_path / "old.zip")
        assert (came.changes, came.points, came.blobs) == (0, 0, 0)
        assert (everything(store), contents(store)) == (before, held)
        assert fsck(store.layout).ok


def test_a_text_that_was_purged_does_not_come_back_with_an_older_export(source: Store, tmp_path: Path) -> None:
    source.write(Change("tags", "t", "create", {"owner_kind": "run", "owner_id": "r", "key": "k", "value": "hunter2"}))
    export_store(source, tmp_path / "old.zip")
    purge(source, secret="hunter2")
    came = import_store(source, tmp_path / "old.zip")
    assert (came.changes, came.points, came.blobs) == (0, 0, 0)
    assert "hunter2" not in repr(everything(source))


def test_what_was_purged_in_a_live_journal_changes_no_number_of_another_line(store: Store, tmp_path: Path) -> None:
    """By its number a point is known again when an export of before the purge is imported."""
    for run in (DOOMED, OTHER):
        store.write(Change("runs", run, "create", {"run_id": run, "name": "x"}))
    for step in range(10):
        store.write_points([Point("run", run, "loss", step, now(), step / 3) for run in (DOOMED, OTHER)])
    store.journal.changes.seal()  # so that the run is known, and its points stay in a live file
    exported = tmp_path / "before.zip"
    export_store(Store(store.layout.root), exported)
    purge(Store(store.layout.root), object_id=DOOMED)
    for _ in range(2):
        import_store(Store(store.layout.root), exported)
        rows = store.reader.rows(
            "select run_id, count(*) as n, count(distinct step) as steps from metrics group by run_id"
        )
        assert rows == [{"run_id": OTHER, "n": 10, "steps": 10}]
        store.fold()
    assert fsck(store.layout).damages == ()


def test_a_content_that_was_recorded_again_after_its_purge_is_missed(store: Store, tmp_path: Path) -> None:
    a_run(store)
    sha256 = snapshot(store, "5" * 32, DOOMED, b"token=hunter2")
    purge(Store(store.layout.root), secret="hunter2")
    assert not store.blobs.is_there(sha256)
    assert fsck(store.layout).damages == ()
    snapshot(store, "6" * 32, None, b"token=hunter2")
    export_store(Store(store.layout.root), tmp_path / "new.zip")
    store.blobs.remove(sha256)
    assert [each.kind for each in fsck(store.layout).damages] == ["content"]
    assert import_store(Store(store.layout.root), tmp_path / "new.zip").blobs == 1
    assert fsck(store.layout).damages == ()


def test_an_import_brings_what_a_newer_record_names_though_it_was_purged_here(store: Store, tmp_path: Path) -> None:
    a_run(store)
    sha256 = snapshot(store, "5" * 32, DOOMED, b"token=hunter2")
    export_store(Store(store.layout.root), tmp_path / "old.zip")
    here = Store(tmp_path / "here" / ".renex")
    import_store(here, tmp_path / "old.zip")
    purge(Store(here.layout.root), secret="hunter2")
    assert import_store(Store(here.layout.root), tmp_path / "old.zip").blobs == 0
    snapshot(store, "6" * 32, None, b"token=hunter2")
    export_store(Store(store.layout.root), tmp_path / "new.zip")
    assert import_store(Store(here.layout.root), tmp_path / "new.zip").blobs == 1
    assert here.blobs.is_there(sha256)


@pytest.mark.parametrize("of", ["everything", "its run"])
def test_a_store_that_an_export_was_imported_into_knows_what_was_purged(
    store: Store, target: Store, tmp_path: Path, of: str
) -> None:
    a_run(store)
    sha256 = snapshot(store, "5" * 32, DOOMED, b"token=hunter2")
    purge(Store(store.layout.root), secret="hunter2")
    export_store(Store(store.layout.root), tmp_path / "a.zip", None if of == "everything" else [DOOMED])
    import_store(target, tmp_path / "a.zip")
    assert fsck(target.layout).damages == ()
    assert purges.contents_gone(target) == {sha256}
    assert list(purges.gone(target, {sha256})) == [sha256]


def test_a_run_of_which_a_snapshot_was_purged_is_whole_where_it_was_imported(
    source: Store, target: Store, tmp_path: Path
) -> None:
    named = source.reader.rows("select run_id, after_snapshot_id from runs where name = 'first'")[0]
    purge(Store(source.layout.root), object_id=named["after_snapshot_id"])
    export_store(Store(source.layout.root), tmp_path / "a.zip", [named["run_id"]])
    import_store(target, tmp_path / "a.zip")
    assert fsck(target.layout).damages == ()
