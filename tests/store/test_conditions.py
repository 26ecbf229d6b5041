"""Predicates as SQL select just what Python says that they do, whatever is in the rows, the names and the values."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from predicates_made import NAMES, predicates, rows, selects

from renex_jupyter.records.predicates import Condition, Every, Not, Predicate, Some
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import Workbench, quoted

_TYPES = {"number": "double", "text": "varchar", "boolean": "boolean"}


@pytest.fixture(scope="module")
def bench() -> Any:
    with Workbench(threads=1) as made:
        yield made


def _fill(bench: Workbench, some: list[dict[str, Any]]) -> None:
    columns = ", ".join(f"{quoted(name)} {_TYPES[kind]}" for name, kind in NAMES.items())
    bench.run(f"create or replace table t (i integer, {columns})")
    values = [each for at, row in enumerate(some) for each in (at, *(row[name] for name in NAMES))]
    one = f"({', '.join('?' * (len(NAMES) + 1))})"
    bench.run(f"insert into t values {', '.join([one] * len(some))}", values)


def _selected(bench: Workbench, predicate: Predicate, table: str | None = None) -> list[int]:
    sql, values = condition(predicate, table=table)
    return [row[0] for row in bench.values(f"select i from t where {sql} order by i", values)]


@settings(max_examples=80, deadline=None)
@given(st.lists(rows, min_size=1, max_size=6), st.lists(predicates, min_size=1, max_size=4))
def test_sql_selects_what_python_does(bench: Workbench, some: list[dict[str, Any]], asked: list[Predicate]) -> None:
    _fill(bench, some)
    for predicate in asked:
        assert _selected(bench, predicate) == [at for at, row in enumerate(some) if selects(predicate, row)], predicate


@settings(max_examples=20, deadline=None)
@given(st.lists(rows, min_size=1, max_size=4), predicates)
def test_a_condition_is_never_null(bench: Workbench, some: list[dict[str, Any]], predicate: Predicate) -> None:
    _fill(bench, some)
    sql, values = condition(predicate)
    assert bench.value(f"select count(*) from t where ({sql}) is null", values) == 0


def test_nan_lies_above_no_number_and_is_found_by_its_state(bench: Workbench) -> None:
    row = dict.fromkeys(NAMES)
    _fill(bench, [{**row, "n": math.nan}, {**row, "n": 5.0}, row])
    assert _selected(bench, Condition("n", ">", 1)) == [1]
    assert _selected(bench, Condition("n", "range", (1, None))) == [1]
    assert _selected(bench, Condition("n", "is nan")) == [0]
    assert _selected(bench, Not(Condition("n", ">", 1))) == [0, 2]


def test_a_text_that_looks_like_sql_is_a_value(bench: Workbench) -> None:
    hostile = "x' or true; drop table t; --"
    _fill(bench, [{**dict.fromkeys(NAMES), "order": hostile}, {**dict.fromkeys(NAMES), "order": "x"}])
    assert _selected(bench, Condition("order", "=", hostile)) == [0]
    assert _selected(bench, Condition("order", "contains", "drop table t")) == [0]


def test_a_hostile_name_of_a_column_is_a_name(bench: Workbench) -> None:
    name = 'a" = 1 or true; drop table t; --'
    bench.run(f"create or replace table t as select 0 as i, 7 as {quoted(name)}")
    assert _selected(bench, Condition(name, "=", 7)) == [0]
    assert _selected(bench, Condition(name, "=", 8)) == []
    assert _selected(bench, Condition(name, "=", 7), table="t") == [0]


def test_a_long_list_selects_what_a_short_one_does(bench: Workbench) -> None:
    bench.run(
        "create or replace table t as select r.i::integer as i, r.i::varchar as s, nullif(r.i, 3) as n from range(500) r(i)"
    )
    keys = tuple(str(each) for each in range(0, 400, 2))
    assert _selected(bench, Condition("s", "in", keys)) == list(range(0, 400, 2))
    assert _selected(bench, Condition("s", "not in", keys)) == [e for e in range(500) if str(e) not in keys]
    assert 3 not in _selected(
        bench, Condition("n", "not in", tuple(range(100, 400)))
    )  # NULL is in no list, nor outside
    both = Every(
        (Condition("s", "in", keys), Some((Condition("n", "<", 10), Not(Condition("n", "in", tuple(range(490)))))))
    )
    assert _selected(bench, both) == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("word", ["c++", "(a|b)", "été", "😀", "a.b", "x\\y", "$9", "[z]"])
def test_contains_takes_a_word_as_it_is(bench: Workbench, word: str) -> None:
    bench.run("create or replace table t (i integer, s varchar)")
    for at, text in enumerate([word, f"say {word}, please", f"A{word}B", word.upper(), "other"]):
        bench.run("insert into t values (?, ?)", [at, text])
    found = _selected(bench, Condition("s", "contains", word))
    assert {0, 1, 3} <= set(found)
    assert not {2, 4} & set(found)
