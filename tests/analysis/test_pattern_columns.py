"""Columns as items: each is a condition that selects the rows that have its code."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from renex_jupyter.analysis.number_bins import make_bins, simplest
from renex_jupyter.analysis.pattern_columns import make_items
from renex_jupyter.records.predicates import from_json, to_json
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import Workbench, quoted

N = 4_000


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    floats = rng.normal(size=N)
    floats[:5], floats[5:10] = np.inf, -np.inf
    return pd.DataFrame(
        {
            "_key": [str(n) for n in range(N)],
            "age": rng.integers(17, 90, N),
            "gain": np.where(rng.random(N) < 0.7, 0, rng.integers(1, 99_999, N)),
            "floats": floats,
            "few": rng.integers(0, 4, N),
            "tenths": rng.choice(np.array([0.1, 0.2, 0.3]), N),
            "narrow": rng.choice(np.array([0.1, 0.2, 0.3], dtype="float32"), N),
            "flag": pd.array(rng.choice([True, False, None], N), dtype="boolean"),
            'odd "name"': rng.choice(["it's", "a,b", "%", None], N),
            "many": rng.choice([f"v{n}" for n in range(20)], N, p=[0.6, *[0.4 / 19] * 19]),
            "ids": [f"id {n}" for n in range(N)],
            "same": "x",
            "nothing": pd.Series([None] * N, dtype="object"),
            "moment": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 86_400 * 365, N), "s"),
            "text": [" ".join(rng.choice(["good", "Bad", "not", "film", "C++", "it's", "Über"], 9)) for _ in range(N)],
            "error": (rng.random(N) < 0.1).astype(float),
        }
    )


def laid(bench: Workbench, frame: pd.DataFrame) -> None:
    bench.take("given", frame)
    bench.run("create table source as from given")
    bench.run("alter table source alter floats type double")
    bench.run("update source set floats = 'nan'::double where _key::int between 10 and 200")
    bench.run("alter table source add column unknown varchar")
    bench.run("update source set floats = null where _key::int between 201 and 300")


@pytest.mark.parametrize("cut", ["quantile", "width"])
def test_every_item_is_a_condition_that_selects_just_the_rows_with_its_code(frame, cut):
    columns = [each for each in frame if each not in ("_key", "error")]
    with Workbench(threads=1) as bench:
        laid(bench, frame)
        items = make_items(bench, "source", [*columns, "unknown"], cut=cut, min_support=50)
        assert set(items.columns) >= {
            "age",
            "gain",
            "floats",
            "few",
            "flag",
            'odd "name"',
            "hour(moment)",
            "length(text)",
        }
        for name, by_code in items.columns.items():
            for code, each in by_code.items():
                assert from_json(to_json(each)) == each
                text, values = condition(each, table="s")
                rows = bench.value(
                    f"""select count(*) from (select row_number() over () as r, * from items) i
                    join (select row_number() over () as r, * from source) s using (r)
                    where (i.{quoted(name)} = {code}) != ({text})""",
                    values,
                )
                assert rows == 0, (name, str(each))
                assert bench.value(f"select count(*) from items where {quoted(name)} = {code}") >= 50
    words = [str(each[1]) for name, each in items.columns.items() if "contains" in name]
    assert 0 < len(words) <= 40
    why = dict(items.left_out)
    assert why["same"] == why["nothing"] == why["unknown"] == "it is the same everywhere"
    assert "50 times" in why["ids"]
    states = {str(each) for each in items.columns["floats"].values()}
    assert {"floats is null", "floats is nan"} <= states


def test_bins_are_about_equally_full_and_their_edges_have_few_digits(frame):
    with Workbench(threads=1) as bench:
        laid(bench, frame)
        age = make_bins(bench, "source", "age", "BIGINT")
        floats = make_bins(bench, "source", "floats", "DOUBLE")
        gain = make_bins(bench, "source", "gain", "BIGINT")
        counts = [
            bench.value(f"select count(*) from source where {text}", values)
            for text, values in map(condition, [*age, *floats])
        ]
    expected = np.quantile(frame.age, np.arange(1, 10) / 10, method="inverted_cdf")
    assert [each.value[0] for each in age[1:]] == pytest.approx(expected, abs=1)
    assert all(isinstance(end, int) for each in age for end in each.value if end is not None)
    assert sum(counts[: len(age)]) == N
    assert min(counts) > 200 and max(counts) < 700, counts
    edges = [end for each in floats for end in each.value if end is not None]
    assert all(len(repr(abs(end))) <= 4 for end in edges), edges
    zero = gain[0]
    assert zero.value[0] is None and 0 < zero.value[1] < 400, "a value that fills bins alone has one of its own"


def test_bins_of_the_same_width_are_offered():
    with Workbench(threads=1) as bench:
        bench.run("create table t as select range::double / 100 as x from range(10001)")
        found = [str(each) for each in make_bins(bench, "t", "x", "DOUBLE", bins=5, cut="width")]
    assert found == ["x < 20.0", "20.0 <= x < 40.0", "40.0 <= x < 60.0", "60.0 <= x < 80.0", "x >= 80.0"]


def test_the_simplest_number_between_two_has_the_fewest_digits():
    for low, high, expected in (
        ("21.5", "22", "22"), ("0.109", "0.1234", "0.12"), ("-0.5", "0.5", "0"), ("-1.4", "-1.27", "-1.3"), ("99", "257", "200"),
        ("1e-9", "2.5e-9", "2e-9"), ("1999.99", "2000.01", "2000"), ("-30", "-20", "-20"),
    ):  # fmt: skip
        assert simplest(Decimal(low), Decimal(high)) == Decimal(expected), (low, high)


def test_at_most_forty_columns_are_searched_those_that_differ_most_and_the_others_are_named():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({f"c{n}": rng.choice(list("abc"), N) for n in range(45)})
    frame["error"] = (rng.random(N) < np.where(frame.c44 == "b", 0.5, 0.1)).astype(float)
    with Workbench(threads=1) as bench:
        bench.take("source", frame)
        items = make_items(bench, "source", list(frame)[:-1], min_support=50)
    assert len(items.columns) == 40
    assert "c44" in items.columns
    assert len(items.left_out) == 5
    assert {name for name, _ in items.left_out} | set(items.columns) == set(frame) - {"error"}


def test_many_frequent_values_are_told():
    frame = pd.DataFrame({"v": [f"v{n % 60}" for n in range(N)], "error": [0.0, 1.0] * (N // 2)})
    with Workbench(threads=1) as bench:
        bench.take("source", frame)
        items = make_items(bench, "source", ["v"], min_support=40)
    assert items.notes == ("'v' has 60 frequent values: the search takes longer.",)
    assert len(items.columns["v"]) == 60


def test_words_are_those_that_go_with_errors_and_only_their_presence_is_an_item():
    rng = np.random.default_rng(2)
    texts = [" ".join(rng.choice([f"w{n}" for n in range(300)], 12)) for _ in range(N)]
    wrong = np.array(["w7" in each.split() for each in texts])
    frame = pd.DataFrame({"text": texts, "_key": [str(n) for n in range(N)]})
    frame["error"] = (rng.random(N) < np.where(wrong, 0.7, 0.1)).astype(float)
    with Workbench(threads=1) as bench:
        bench.take("source", frame)
        items = make_items(bench, "source", ["text"], min_support=32, words=5)
    words = [name for name in items.columns if "contains" in name]
    assert words[0] == "text contains w7"
    assert len(words) == 5
    assert all(list(items.columns[name]) == [1] and items.absent[name] == [0] for name in words)


def test_the_edges_are_those_of_the_nearest_numbers_wherever_values_are_many():
    rng = np.random.default_rng(3)
    values = np.where(rng.random(N) < 0.5, 7, rng.integers(0, 20, N))
    with Workbench() as bench:
        bench.take("t", pd.DataFrame({"x": values}))
        found = make_bins(bench, "t", "x", "BIGINT", bins=4)
        rows = [
            bench.values(f"select count(*) from t where {text}", some)[0][0] for text, some in map(condition, found)
        ]
    assert sum(rows) == N
    assert "7 <= x < 8" in map(str, found)  # it fills a bin alone
    assert rows[list(map(str, found)).index("7 <= x < 8")] == (values == 7).sum()


@pytest.mark.parametrize("cut", ["quantile", "width"])
def test_a_column_with_no_number_but_one_beside_infinite_ones_has_bins(cut):
    some = {"one": [1.0, np.inf, -np.inf, 1.0], "none": [np.inf, -np.inf, np.inf, np.inf]}
    with Workbench() as bench:
        bench.take("t", pd.DataFrame(some))
        for name in some:
            found = make_bins(bench, "t", name, "DOUBLE", bins=2, cut=cut)
            texts = [condition(each) for each in found]
            counts = [bench.value(f"select count(*) from t where {text}", values) for text, values in texts]
            assert sum(counts) == 4, (name, [str(each) for each in found])
