"""What a user's query may and may not do."""

import os
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import bases, journal, tables
from renex_jupyter.store import tail as tails
from renex_jupyter.store.store import Store
from renex_jupyter.store.tail import Tail


@pytest.fixture
def filled(store: Store) -> Store:
    store.write(Change("runs", "a" * 32, "create", {"run_id": "a" * 32, "name": "train", "started_at": now()}))
    return store


@pytest.mark.parametrize(
    "query",
    [
        "drop view runs",
        "create table x (a int)",
        "copy runs to 'x.csv'",
        "attach 'x.db'",
        "set threads = 1",
        "select 1; select 2",
        "",
    ],
)
def test_only_one_reading_statement_is_taken(filled: Store, query: str) -> None:
    with pytest.raises(RenexError) as error:
        filled.reader.ask(query)
    assert error.value.code == "invalid_argument"
    assert list(filled.reader.ask("select name from runs")["name"]) == ["train"]


@pytest.mark.parametrize("query", ["selekt 1", "select * from nope", "select nope from runs", "select 1/'a'"])
def test_a_mistake_is_told_in_the_words_of_duckdb(filled: Store, query: str) -> None:
    with pytest.raises(RenexError) as error:
        filled.reader.ask(query)
    assert error.value.code == "invalid_argument"
    assert "Error" in error.value.message


def test_a_frame_can_be_joined_and_a_public_table_goes_before_it(filled: Store) -> None:
    owners = pd.DataFrame({"name": ["train"], "owner": ["ada"]})
    found = filled.reader.ask(
        "select owner from runs join owners using (name)", frames={"owners": owners, "runs": owners}
    )
    assert list(found["owner"]) == ["ada"]


def test_params_go_into_the_query(filled: Store) -> None:
    assert len(filled.reader.ask("select * from runs where name = ?", ["train"])) == 1
    assert len(filled.reader.ask("select * from runs where name = $n", {"n": "no"})) == 0


def test_every_public_table_answers_when_nothing_of_it_is_recorded(filled: Store) -> None:
    for name in filled.reader.ask("show tables")["name"]:
        filled.reader.ask(f'select * from "{name}"')


def test_what_a_writer_took_back_is_forgotten_even_when_the_file_is_longer_by_now(store: Store) -> None:
    store.write_points([Point("run", "a" * 32, "loss", 0, now(), 0.0)])
    reader = Store(store.layout.root).reader
    (path,) = store.layout.journal.iterdir()
    size = path.stat().st_size
    store.write_points([Point("run", "a" * 32, "loss", 1, now(), 0.0)])
    assert [row["step"] for row in reader.rows("select step from metrics")] == [0, 1]
    os.truncate(path, size)
    assert [row["step"] for row in reader.rows("select step from metrics")] == [0]
    store.write_points([Point("run", "a" * 32, "loss", 2, now(), 0.0)])
    assert [row["step"] for row in reader.rows("select step from metrics")] == [0, 2]
    os.truncate(path, size)
    store.write_points([Point("run", "a" * 32, "another", step, now(), 0.0) for step in (7, 8)])
    assert [row["step"] for row in reader.rows("select step from metrics")] == [0, 7, 8]


def test_a_tail_tells_which_kinds_changed(store: Store) -> None:
    def update() -> tuple[frozenset[str], bool, bool]:
        kinds, points = tail.update(journal.files_in(store.layout.journal))
        return kinds, points, tail.forgot

    with duckdb.connect() as connection:
        tail = Tail(connection)
        store.write(Change("runs", "a" * 32, "create", {"name": "n"}))
        assert update() == ({"runs"}, False, False)
        assert update() == (frozenset(), False, False)
        store.write(Change("params", "p", "create", {"key": "lr"}), Change("tags", "t", "create", {"key": "a"}))
        assert update() == ({"params", "tags"}, False, False)
        store.write_points([Point("run", "a" * 32, "loss", 0, now(), 0.0)])
        assert update() == (frozenset(), True, False)
        assert tail.update([]) == ({"runs", "params", "tags"}, True)
        assert tail.forgot


def test_a_file_that_vanishes_while_others_are_read_makes_nothing_count_twice(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.write_points([Point("run", "a" * 32, "loss", step, now(), 0.5) for step in range(10)])
    calls = []

    def vanishes(path: Path, end: int) -> bytes:
        calls.append(path.name)
        if len(calls) == 2:
            raise FileNotFoundError(path)
        return before(path, end)

    before = tails._before
    monkeypatch.setattr(tails, "_before", vanishes)
    counts = "select (select count(*) from metrics) as points, (select count(*) from change_events) as changes"
    assert filled.reader.rows(counts) == [{"points": 10, "changes": 1}]
    assert len(calls) > 2, "no second try"
    filled.fold()
    assert filled.reader.rows(counts) == [{"points": 10, "changes": 1}]


def test_a_segment_that_a_fold_removes_meanwhile_is_looked_for_again(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.write_points([Point("run", "a" * 32, "loss", step, now(), 0.5) for step in range(10)])
    filled.fold()
    reader, names = Store(filled.layout.root).reader, list(filled.layout.segments.iterdir())
    attach = bases.attach

    def attached(*given: Any) -> bases.Base | None:
        found = attach(*given)
        if names:
            names.pop().unlink()  # after it was found whole; its generation is superseded
            filled.write_points([Point("run", "a" * 32, "loss", 10, now(), 0.5)])
            filled.fold()
        return found

    monkeypatch.setattr(bases, "attach", attached)
    assert reader.rows("select count(*) as n from metrics") == [{"n": 11}]
    assert not names


@pytest.mark.parametrize(
    "query",
    [
        'select count(*) as n from "RUNS"',
        "select count(*) as n from query_table('ru' || 'ns')",
        "select count(*) as n from duckdb_views() where view_name = 'runs' and schema_name = 'main'",
        "select count(*) as n from information_schema.tables where table_name = 'runs' and table_schema = 'main'",
        "select count(*) as n from (show tables) where name = 'runs'",
        "select count(*) as n from (select max(seq) from change_events)",
    ],
)
def test_a_table_is_there_however_it_is_named(filled: Store, query: str) -> None:
    assert list(filled.reader.ask(query)["n"]) == [1]


def test_every_public_table_can_be_asked_first_and_after_a_fold(filled: Store) -> None:
    filled.fold()
    names = list(tables.schema().views)
    assert {"runs", "metrics", "latest_metrics", "change_events"} <= set(names)
    for name in names:
        reader = Store(filled.layout.root).reader
        before = reader.rows(f"select count(*) as n from {name}")
        filled.write(Change("tags", f"t/{name}", "update", {"owner_kind": "run", "key": name, "value": "x"}))
        filled.fold()
        after = reader.rows(f"select count(*) as n from {name}")
        assert after[0]["n"] - before[0]["n"] == (name in ("tags", "change_events"))


def test_what_is_asked_later_sees_what_came_after_the_first_question(filled: Store) -> None:
    reader = Store(filled.layout.root).reader
    assert reader.rows("select count(*) as n from runs") == [{"n": 1}]
    filled.write(Change("params", "p", "create", {"run_id": "a" * 32, "key": "lr", "value_text": "0.1"}))
    filled.write_points([Point("run", "a" * 32, "loss", 0, now(), 0.5)])
    filled.write(Change("runs", "b" * 32, "create", {"run_id": "b" * 32, "name": "other", "started_at": now()}))
    assert reader.rows("select count(*) as n from params") == [{"n": 1}]
    assert reader.rows("select value as n from latest_metrics") == [{"n": 0.5}]
    assert reader.rows("select name as n from runs order by name") == [{"n": "other"}, {"n": "train"}]
    filled.write_points([Point("run", "a" * 32, "loss", 1, now(), 0.25)])
    filled.write(Change("params", "p", "update", {"value_text": "0.2"}))
    assert reader.rows("select value_text as n from params") == [{"n": "0.2"}]
    assert reader.rows("select value as n from latest_metrics") == [{"n": 0.25}]
    filled.write(Change("params", "p", "delete", {}))
    assert reader.rows("select value_text as n from params") == []


def test_a_journal_that_is_sealed_during_a_look_at_the_folder_disturbs_nobody(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = filled.reader.marker()
    folder = filled.layout.journal
    entries = journal.files_in(folder)
    for entry in entries:
        Path(entry.path).rename(f"{entry.path}.sealed")
    monkeypatch.setattr(journal, "files_in", lambda _: entries)
    assert filled.reader.marker() != before


def test_points_alone_leave_the_marker_of_objects_as_it_is(filled: Store) -> None:
    objects, everything = filled.reader.marker(points=False), filled.reader.marker()
    filled.write_points([Point("run", "a" * 32, "loss", 0, now(), 1.0)])
    assert filled.reader.marker(points=False) == objects and filled.reader.marker() != everything
    filled.write(Change("runs", "a" * 32, "update", {"name": "other"}))
    assert filled.reader.marker(points=False) != objects
