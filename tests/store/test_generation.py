"""Which files are taken for a generation of ours."""

import json
from pathlib import Path

import duckdb
import pytest

from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import generation, parquet
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.store import Store


def publish_as_it_is(store: Store, path: Path) -> None:
    """Say of a generation that it was published as it looks now, as whoever forged it can."""
    told = json.loads(store.layout.published.read_text())
    files = {name: look for name, look in told["looks"]["files"].items() if name.startswith("segments/")}
    files[f"generations/{path.name}"] = [path.stat().st_size, path.stat().st_mtime_ns]
    looks = told["looks"] | {"files": files}
    store.layout.published.write_text(json.dumps(told | {"generation": path.name, "looks": looks}))


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
    assert generation.looks_as_published(store.layout, path.name)
    assert generation.usable(store.layout) is None
    assert len(Store(store.layout.root).reader.rows("from runs")) == 1


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
    store.write(Change("runs", "a" * 32, "create", {"run_id": "a" * 32, "name": "n"}))
    store.write_points([Point("run", "a" * 32, "loss", 1, now(), 0.5)])
    store.fold()
    name = store.layout.generation_in_force()
    store.fold()
    assert store.layout.generation_in_force() == name
    [segment] = store.layout.segments.glob("*.parquet")
    segment.unlink()
    store.fold()
    made = store.layout.generation_in_force()
    assert made != name
    told = json.loads(store.layout.published.read_text())
    store.layout.published.write_text(json.dumps(told | {"looks": told["looks"] | {"schema": "of another program"}}))
    with duckdb.connect(str(store.layout.generations / str(made))) as connection:
        connection.execute("update inside.made set schema = 'of another program'")
    store.fold()
    assert store.layout.generation_in_force() != made
    assert fsck(store.layout).damages == ()
    assert len(Store(store.layout.root).reader.rows("from metrics")) == 1
