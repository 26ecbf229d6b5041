"""Filters as a person writes them: read into the tree, and written so that they are read again."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from predicates_made import NAMES, normal, predicates

from renex_jupyter.errors import RenexError
from renex_jupyter.query.predicate_columns import checked
from renex_jupyter.query.predicate_text import parse
from renex_jupyter.records.predicates import Condition, Every, Not, Predicate, Some, from_json, to_json
from renex_jupyter.session.filters import as_predicate
from renex_jupyter.store.workbench import Workbench

COLUMNS = {"age": "BIGINT", "Sex": "VARCHAR", "income": "DOUBLE", "ok": "BOOLEAN", "day": "DATE", "tags": "VARCHAR[]"}


@settings(max_examples=150, deadline=None)
@given(predicates)
def test_what_is_written_is_read_again(predicate: Predicate) -> None:
    assert parse(str(predicate)) == normal(predicate)


@settings(max_examples=50, deadline=None)
@given(predicates)
def test_plain_values_are_read_again(predicate: Predicate) -> None:
    assert from_json(to_json(predicate)) == predicate
    assert as_predicate(to_json(predicate)) == predicate


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.text("ab '\"()=<>!,.0123456789 -+eninotrdsul", max_size=40))
def test_any_text_is_a_predicate_or_a_clear_error(text: str) -> None:
    try:
        found = parse(text)
    except RenexError as error:
        told = error
    else:
        assert parse(str(found)) == normal(found)
        return
    assert (told.code, bool(told.hint)) == ("invalid_argument", True)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("age >= 30", Condition("age", ">=", 30)),
        ("30 <= age < 40", Condition("age", "range", (30, 40))),
        ("30 < age", Condition("age", ">", 30)),
        ("age between 1 and 2 and ok", Every((Every((Condition("age", ">=", 1), Condition("age", "<=", 2))),
                                              Condition("ok", "=", True)))),
        ("not ok", Not(Condition("ok", "=", True))),
        ("a = 1 or b = 2 and c = 3", Some((Condition("a", "=", 1), Every((Condition("b", "=", 2), Condition("c", "=", 3)))))),
        ("contains(review, 'bad')", Condition("review", "contains", "bad")),
        ("isnan(x)", Condition("x", "is nan")),
        ("hour(at) = 3", Condition("at", "=", 3, "hour")),
        ("6 <= HOUR(at) < 9", Condition("at", "range", (6, 9), "hour")),
        ("length(review) >= 400", Condition("review", ">=", 400, "length")),
        ("dayname(\"my day\") in ('Monday', 'Sunday')", Condition("my day", "in", ("Monday", "Sunday"), "dayname")),
        ("monthname(at) is null and hour = 3", Every((Condition("at", "is null", None, "monthname"),
                                                      Condition("hour", "=", 3)))),
        ('"hours per week" <> -1.5e3', Condition("hours per week", "!=", -1500.0)),
        ("NOT name IN ('it''s', 'b')", Not(Condition("name", "in", ("it's", "b")))),
        ("a IS NOT NULL", Condition("a", "is not null")),
        ("café = 'ü'", Condition("café", "=", "ü")),
    ],
)  # fmt: skip
def test_a_text_says(text: str, wanted: Predicate) -> None:
    assert parse(text) == wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "ends too early"),
        ("age >", "ends too early"),
        ("age >= sex", "sex is no value"),
        ("age = null", "is null"),
        ("age = 3; drop table x", "';'"),
        ("select 1", "out of place"),
        ("age like 'a%'", "'like'"),
        ("age + 1 > 2", "cannot be read"),
        ("x = 'a", "cannot be read"),
        ("(" * 60 + "a" + ")" * 60, "nested deeper"),
        ("not " * 60 + "a", "nested deeper"),
        ("age in (select 1)", "no value"),
        ("a = 1 -- b", "cannot be read"),
    ],
)
def test_what_is_no_predicate_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(RenexError) as raised:
        parse(text)
    assert raised.value.code == "invalid_argument"
    assert told in f"{raised.value.message} {raised.value.hint}"


def test_the_text_is_sql_that_selects_the_same_where_nothing_is_missing() -> None:
    texts = ["age >= 30 and sex in ('F', 'X')", "not (age = 30 or sex != 'M')", "\"order\" = 'it''s' or age between 30 and 31",
             "income < -0.5 or isnan(income)", "sex is not null and age <> 31"]  # fmt: skip
    with Workbench(threads=1) as bench:
        bench.run("create table t as select i::bigint as age, ['F', 'M', 'X'][1 + i % 3] as sex,"
                  " ['it''s', 'b'][1 + i % 2] as \"order\","
                  " if(i % 7 = 0, 'nan'::double, i - 32.5) as income from range(25, 40) r(i)")  # fmt: skip
        from renex_jupyter.store.conditions import condition

        for text in texts:
            sql, values = condition(parse(text))
            ours = bench.values(f"select age from t where {sql} order by age", values)
            assert ours == bench.values(f"select age from t where {text} order by age"), text


def test_an_unknown_column_is_told_with_near_names() -> None:
    with pytest.raises(RenexError, match="'agee'") as raised:
        as_predicate("agee > 3", COLUMNS)
    assert "'age'" in raised.value.hint
    assert as_predicate("SEX = 'F'", COLUMNS) == Condition("Sex", "=", "F")  # DuckDB knows no case of names either


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("age = 'x'", "no number"),
        ("age = true", "no number"),
        ("Sex = 3", "write '3' in quotes"),
        ("Sex in ('F', 1)", "in quotes"),
        ("Sex is nan", "NaN"),
        ("1 <= Sex < 3", "in quotes"),
        ("ok = 'maybe'", "neither true nor false"),
        ("day >= 'soon'", "2024-01-31"),
        ("tags = 'a'", "null"),
    ],
)
def test_a_value_of_another_type_is_told(text: str, told: str) -> None:
    with pytest.raises(RenexError, match="type") as raised:
        as_predicate(text, COLUMNS)
    assert told in f"{raised.value.message} {raised.value.hint}"


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        (None, Every()),
        ({"column": "age", "op": ">", "value": 3}, Condition("age", ">", 3)),
        ([{"column": "age", "value": 3}], Every((Condition("age", "=", 3),))),
        (Condition("ok", "=", "TRUE"), Condition("ok", "=", True)),
        ("day >= '2024-01-31'", Condition("day", ">=", "2024-01-31")),
        ("tags is null", Condition("tags", "is null")),
        (f"age < {10**60}", Condition("age", "<", float("inf"))),
    ],
)
def test_a_filter_is_taken_in_each_form(given_: Any, wanted: Predicate) -> None:
    assert as_predicate(given_, COLUMNS) == wanted


def test_what_has_a_predicate_is_taken_by_it() -> None:
    class Pattern:
        predicate = Condition("age", ">", 3)

    assert as_predicate(Pattern(), COLUMNS) == Condition("age", ">", 3)
    with pytest.raises(RenexError, match="is no predicate"):
        as_predicate(3)


@settings(max_examples=50, deadline=None)
@given(predicates)
def test_checking_changes_no_predicate_that_fits(predicate: Predicate) -> None:
    types = {"number": "DOUBLE", "text": "VARCHAR", "boolean": "BOOLEAN"}
    assert checked(predicate, {name: types[kind] for name, kind in NAMES.items()}) == predicate
