"""Which files are taken for a generation of ours."""

import duckdb
import pytest

from renex_jupyter.records.changes import Change, now
from renex_jupyter.store import generation, parquet
from renex_jupyter.store.keeping.fsck import fsck
from renex_jupyter.store.store import Store


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
