"""Which files are taken for a generation of ours."""

import json
import os
from pathlib import Path

import duckdb
import pytest

from renex_jupyter.config import settings
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import generation, parquet
from renex_jupyter.store.fold import fold
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.store import Store


@pytest.fixture(autouse=True)
def nobody_else_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "fold_in_background", False)


def publish_as_it_is(store: Store, path: Path) -> None:
    """Say of a generation that it was published as it looks now, as whoever forged it can."""
    told = json.loads(store.layout.published.read_text())
    told |= {"generation": path.name, "looks": generation.looks_of(path)}
    store.layout.published.write_text(json.dumps(told))


def filled(store: Store) -> str:
    """A folded run with a point, whose journal is removed; return the generation."""
    store.write(Change("runs", "a" * 32, "create", {"run_id": "a" * 32, "name": "n"}))
    store.write_points([Point("run", "a" * 32, "loss", 1, now(), 0.5)])
    store.fold()
    return str(store.layout.generation_in_force())


@pytest.mark.parametrize(
    "foreign",
    [
        "create view main.evil as select 1 as a",
        "create view inside.evil as select 1 as a",
        "create table main.evil (a int)",
        "create table inside.evil (a int)",
        "create schema evil",
        "create sequence evil",
        "create type evil as enum ('a')",
        "create macro make_timestamptz(a) as 1",
        "create macro main.evil() as table select 1 as a",
        "create index evil on inside.runs (name)",
        "alter table inside.runs add column evil varchar",
        "alter table inside.runs alter column name set default 'evil'",
        "drop table inside.tags",
        "drop table inside.tags; create view inside.tags as select 1 as a",
    ],
)
def test_a_generation_that_holds_anything_else_than_our_tables_is_not_used(store: Store, foreign: str) -> None:
    store.write(Change("runs", "a" * 32, "create", {"run_id": "a" * 32, "name": "n"}))
    store.fold()
    name = store.layout.generation_in_force()
    assert name is not None
    assert generation.usable(store.layout) == name
    path = store.layout.generations / name
    path.chmod(0o600)
    with duckdb.connect(str(path)) as connection:
        connection.execute(foreign)
    path = path.rename(path.with_name(f"{path.name[:10]}.{parquet.digest(path)}.duckdb"))
    store.layout.current.write_text(path.name)
    assert generation.usable(store.layout) is None
    publish_as_it_is(store, path)
    assert generation.usable(store.layout) is None
    assert len(Store(store.layout.root).reader.rows("from runs")) == 1
    fold(store.layout)  # with nothing to fold: it is made anew, and nothing of it is published
    assert store.layout.generation_in_force() != path.name
    with duckdb.connect(str(store.layout.history), read_only=True) as connection:
        known = "select 1 from duckdb_{}() where database_name = 'history' and {} like '%evil%'"
        for what, name in (("tables", "table_name"), ("views", "view_name"), ("functions", "function_name")):
            assert connection.execute(known.format(what, name)).fetchall() == []
    assert fsck(store.layout).damages == ()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x80", b"../../etc/passwd", b"0000000001"])
def test_whatever_stands_in_current_the_store_opens_and_is_made_anew(store: Store, content: bytes) -> None:
    run = "a" * 32
    store.write(Change("runs", run, "create", {"run_id": run, "name": "train", "started_at": now()}))
    store.fold()
    store.layout.current.write_bytes(content)
    assert len(Store(store.layout.root).reader.rows("from runs")) == 1
    assert not fsck(store.layout).ok
    store.fold()
    assert fsck(store.layout).damages == ()
    assert len(Store(store.layout.root).reader.rows("from runs")) == 1


def test_a_fold_with_nothing_to_fold_mends_what_is_missing_or_of_another_version(store: Store) -> None:
    name = filled(store)
    fold(store.layout)
    assert store.layout.generation_in_force() == name
    [segment] = store.layout.segments.glob("*.parquet")
    segment.unlink()
    fold(store.layout)
    made = store.layout.generation_in_force()
    assert made != name
    path = store.layout.generations / str(made)
    with duckdb.connect(str(path)) as connection:
        connection.execute("update inside.made set schema = 'of another program'")
    path = path.rename(path.with_name(f"{path.name[:10]}.{parquet.digest(path)}.duckdb"))
    store.layout.current.write_text(path.name)
    publish_as_it_is(store, path)
    fold(store.layout)
    assert store.layout.generation_in_force() != path.name
    assert fsck(store.layout).damages == ()
    assert len(Store(store.layout.root).reader.rows("from metrics")) == 1


def test_an_index_that_rots_unseen_is_made_anew_when_it_cannot_be_read_or_copied(store: Store) -> None:
    name = filled(store)
    path = store.layout.generations / name
    content, about = path.read_bytes(), path.stat()
    mended = 0
    for place in range(0, len(content), generation.BLOCK):
        path = store.layout.generations / str(store.layout.generation_in_force())
        content, about = path.read_bytes(), path.stat()
        rotten = bytearray(content)
        rotten[min(place + 4000, len(content) - 1)] ^= 0x20
        path.chmod(0o600)
        path.write_bytes(rotten)
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        asked: list[bool] = []
        reader = Reader(store.layout, on_broken=lambda asked=asked: asked.append(True))
        for table in ("runs", "metrics", "latest_metrics", "params", "change_events"):
            assert len(reader.rows(f"from {table}")) == (0 if table == "params" else 1)
        fold(store.layout, doubted=bool(asked))
        if asked:
            assert store.layout.generation_in_force() != path.name
            mended += 1
        elif store.layout.generation_in_force() == path.name:  # nobody has met it
            path.write_bytes(content)
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        assert fsck(store.layout).damages == ()
    assert mended


def test_a_reader_that_could_not_read_the_index_has_it_looked_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(store)
    asked: list[bool] = []
    monkeypatch.setattr("renex_jupyter.store.fold.fold", lambda _, *, doubted: asked.append(doubted))
    store.reader._on_broken()
    store.fold()
    store.fold()
    assert asked == [True, False]


@pytest.mark.parametrize(
    "published", [b"", b"[]", b"{}", b'{"generation": 1, "looks": {}, "packs": []}', b"\xff", None]
)
def test_whatever_was_published_the_store_folds(store: Store, published: bytes | None) -> None:
    name = filled(store)
    if published is None:
        store.layout.published.unlink()
    else:
        store.layout.published.write_bytes(published)
    fold(store.layout)
    assert store.layout.generation_in_force() == name
    assert fsck(store.layout).damages == ()


@pytest.mark.parametrize("key", ["looks", "packs", "segments", "folder", "generation", "format"])
def test_whatever_was_published_of_one_thing_the_store_folds(store: Store, key: str) -> None:
    name = filled(store)
    told = json.loads(store.layout.published.read_text())
    for value in (None, 3, [], {}, {"files": 1}, "\ud800", [[]]):
        store.layout.published.write_text(json.dumps(told | {key: value}))
        fold(store.layout)
        assert store.layout.generation_in_force() == name
    assert fsck(store.layout).damages == ()
