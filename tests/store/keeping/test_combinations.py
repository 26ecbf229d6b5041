"""One mishap after another: what each of them leaves behind must not lead the next one astray."""

import json
import shutil
from pathlib import Path

import pytest

from renex_jupyter.config import settings
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import archive, parquet
from renex_jupyter.store.building import Building
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.keeping.rebuild import rebuild
from renex_jupyter.store.keeping.transfer import export_store, import_store
from renex_jupyter.store.store import Store

RUN = "a" * 32


@pytest.fixture(autouse=True)
def nobody_else_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "fold_in_background", False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a run."""
    store = Store(tmp_path / "here" / ".renex")
    store.write(Change("runs", RUN, "create", {"run_id": RUN, "name": "train"}))
    return store


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of ours catches it."""


def die(*_: object) -> None:
    raise Killed


def log(store: Store, start: int, end: int) -> None:
    store.write_points([Point("run", RUN, "loss", step, now(), step / 3) for step in range(start, end)])


def steps(store: Store) -> list[int]:
    return [row["step"] for row in Store(store.layout.root).reader.rows("select step from metrics order by step")]


def lose_the_index(store: Store) -> None:
    store.layout.current.unlink()


def test_packs_of_a_killed_fold_are_not_counted_twice_when_the_index_is_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(7):
        log(store, number * 10, number * 10 + 10)
        store.fold()
    log(store, 70, 80)
    with monkeypatch.context() as patch:
        patch.setattr(Building, "finish", die)
        with pytest.raises(Killed):
            store.fold()  # it has written a pack of the last journal, and merged eight into one
    lose_the_index(store)
    assert steps(store) == list(range(80))
    for again in (store.fold, lambda: rebuild(store.layout), store.fold):
        again()
        assert steps(store) == list(range(80))
        assert fsck(store.layout).damages == ()
    exported = tmp_path / "all.zip"
    export_store(Store(store.layout.root), exported)
    other = Store(tmp_path / "other" / ".renex")
    import_store(other, exported)
    assert steps(other) == list(range(80))


def test_lines_of_a_journal_that_came_by_import_do_not_hide_the_others(store: Store, tmp_path: Path) -> None:
    log(store, 0, 50)
    copy = Store(shutil.copytree(store.layout.root, tmp_path / "copy" / ".renex"))
    log(store, 50, 60)
    exported = tmp_path / "newer.zip"
    export_store(store, exported)
    import_store(copy, exported)
    assert steps(copy) == list(range(60))
    for mishap in (lose_the_index, lambda each: rebuild(each.layout), lambda each: each.fold()):
        mishap(copy)
        assert steps(copy) == list(range(60))
    assert fsck(copy.layout).damages == ()


def test_a_journal_that_is_still_raw_and_partly_packed_is_taken_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(store, 0, 10)
    with monkeypatch.context() as patch:
        patch.setattr(Building, "finish", die)
        with pytest.raises(Killed):
            store.fold()
    lose = store.layout.current
    assert not lose.exists()  # the first fold of all was killed
    assert steps(store) == list(range(10))
    store.fold()
    assert steps(store) == list(range(10))
    assert fsck(store.layout).damages == ()


def flip(path: Path) -> None:
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def test_a_backup_does_not_double_what_a_rebuild_has_mended(store: Store, tmp_path: Path) -> None:
    log(store, 0, 10)
    log(store, 3, 4)  # the same step and value once more, at another time
    store.fold()
    backup = tmp_path / "backup.zip"
    export_store(store, backup)
    flip(parquet.files_in(store.layout.archive, archive.POINTS)[0])
    assert rebuild(store.layout).salvaged == 11
    for _ in range(2):
        import_store(Store(store.layout.root), backup)
        assert steps(store) == sorted([*range(10), 3])
    assert fsck(store.layout).ok  # the damaged pack is kept and told
    assert {each.kind for each in fsck(store.layout).damages} == {"mended"}


def test_a_backup_brings_back_the_line_that_was_damaged_and_no_other(store: Store, tmp_path: Path) -> None:
    log(store, 0, 10)
    backup = tmp_path / "backup.zip"
    export_store(store, backup)
    store.journal.seal()
    (path,) = store.layout.journal.glob("*.points.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"s":5', b'"s":6'))
    store.fold()
    assert steps(store) == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    import_store(Store(store.layout.root), backup)
    assert steps(store) == list(range(10))


def test_a_damaged_line_is_told_also_when_fold_and_index_are_lost_in_between(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(store, 0, 5)
    store.journal.seal()
    (path,) = store.layout.journal.glob("*.points.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"s":3', b'"s":4'))
    with monkeypatch.context() as patch:
        patch.setattr("renex_jupyter.store.sweep.superseded", die)
        with pytest.raises(Killed):
            store.fold()
    lose_the_index(store)
    store.fold()
    assert steps(store) == [0, 1, 2, 4]
    report = fsck(store.layout)
    assert not report.ok
    assert [each.kind for each in report.damages] == ["line"]


def test_an_index_of_another_version_and_a_killed_fold(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an upgrade: the archive is read, and what the fold of the older program left half done is not doubled."""
    log(store, 0, 10)
    store.fold()
    log(store, 10, 20)
    with monkeypatch.context() as patch:
        patch.setattr(Building, "finish", die)
        with pytest.raises(Killed):
            store.fold()
    monkeypatch.setattr("renex_jupyter.store.generation.schema_id", lambda: "of a newer program")
    assert steps(store) == list(range(20))
    store.fold()
    assert steps(store) == list(range(20))
    assert fsck(store.layout).damages == ()
    assert json.loads(store.layout.published.read_text())["generation"] == store.layout.generation_in_force()
