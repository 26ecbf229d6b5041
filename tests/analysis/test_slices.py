"""The search for slices beside all slices of small tables, one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from slices_by_hand import every_slice

from renex_jupyter.analysis.slices import rows
from renex_jupyter.analysis.slices.search import find_slices
from renex_jupyter.errors import RenexError
from renex_jupyter.store.workbench import Workbench


@pytest.fixture(scope="module")
def bench():
    with Workbench(memory="500MB", threads=1) as opened:
        yield opened


def search(bench: Workbench, table: dict[str, list[Any]], error: Any, **options: Any):
    bench.take("t", pd.DataFrame({**table, "error": np.asarray(error, dtype=float)}))
    return find_slices(bench, "t", list(table), "error", **options)


def random_table(rng: np.random.Generator) -> tuple[dict[str, list[Any]], np.ndarray]:
    n = int(rng.integers(5, 400))
    table = {}
    for at in range(int(rng.integers(1, 7))):
        values = [f"v{each}" for each in range(int(rng.integers(1, 6)))] + ([None] if rng.random() < 0.3 else [])
        often = rng.dirichlet(np.full(len(values), 0.8))  # some values are rare
        table[f"c{at}"] = [values[each] for each in rng.choice(len(values), n, p=often)]
    if rng.random() < 0.25:
        table["again"] = [None if each is None else f"r{each}" for each in table["c0"]]  # the same rows, other names
    bad = np.array([table["c0"][at] == "v0" and rng.random() < 0.5 for at in range(n)])
    error = (bad | (rng.random(n) < 0.2)).astype(float)
    if rng.random() < 0.5:
        error = error * rng.gamma(2.0, 1.0, n)
    return table, error


@pytest.mark.parametrize("seed", range(200))
def test_it_finds_what_a_look_at_every_slice_finds(
    bench: Workbench, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 3 == 0:
        monkeypatch.setattr(rows, "MOST_BYTES", 0)  # counted by SQL, as where the rows do not fit into the memory
    if seed % 3 == 1:
        monkeypatch.setattr(rows, "MOST_CELLS", 20)  # some sets of columns this way, some that
    rng = np.random.default_rng(seed)
    table, error = random_table(rng)
    k, alpha, support = int(rng.integers(1, 15)), float(rng.choice([0.5, 0.9, 0.95, 1.0])), int(rng.integers(1, 12))
    found = search(
        bench, table, error, k=k, alpha=alpha, min_support=support, max_level=3, batch=int(rng.integers(1, 20))
    )
    expected = every_slice(table, error, alpha=alpha, support=support, max_level=3) if error.sum() else []
    assert found.complete
    assert [each.items for each in found.slices] == [each.items for each in expected[:k]]
    for ours, theirs in zip(found.slices, expected, strict=False):
        assert ours.score == pytest.approx(theirs.score, abs=1e-9)
        assert (ours.size, ours.sum_error) == (len(theirs.rows), pytest.approx(theirs.sum_error))
        assert ours.max_error == pytest.approx(theirs.max_error)
        assert sum(ours.contributions.values()) == pytest.approx(ours.divergence)
    if len(expected) > k:
        last = expected[k - 1].score
        assert found.ties_cut == sum(1 for each in expected[k:] if each.score > last - 1e-9)
    else:
        assert found.ties_cut == 0


def planted(n: int, columns: int, values: int, seed: int = 1) -> tuple[dict[str, list[Any]], np.ndarray]:
    """A table in which the rows with c3 = 4 and c17 = 6 err, and few others do."""
    rng = np.random.default_rng(seed)
    table = {f"c{at:02}": rng.integers(0, values, n).tolist() for at in range(columns)}
    bad = (np.array(table["c03"]) == 4) & (np.array(table["c17"]) == 6)
    return table, (rng.random(n) < np.where(bad, 0.8, 0.02)).astype(float)


@pytest.mark.parametrize("in_sql", [False, True])
def test_in_twenty_columns_of_ten_values_the_planted_slice_is_first(
    bench: Workbench, in_sql: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_sql:
        monkeypatch.setattr(rows, "MOST_BYTES", 0)
    table, error = planted(20_000, 20, 10)
    found = search(bench, table, error, min_support=50)
    assert found.slices[0].items == (("c03", 4), ("c17", 6)) and found.complete
    chosen = (np.array(table["c03"]) == 4) & (np.array(table["c17"]) == 6)
    assert (found.slices[0].size, found.slices[0].sum_error) == (chosen.sum(), error[chosen].sum())


def test_more_columns_than_fit_into_64_bits_are_told_apart(bench: Workbench) -> None:
    table, error = planted(3_000, 70, 12)  # 12**70 combinations of values
    found = search(bench, table, error, min_support=10, max_level=2, k=3)
    assert found.slices[0].items == (("c03", 4), ("c17", 6))


def test_one_column_per_value_and_fewer_rows_than_columns(bench: Workbench) -> None:
    rng = np.random.default_rng(5)
    words = rng.random((30, 45)) < 0.4
    table = {f"word{at:02}": words[:, at].tolist() for at in range(45)}
    error = words[:, 3].astype(float) * (rng.random(30) < 0.8)
    found = search(bench, table, error, min_support=4, max_level=2, absent={name: [False] for name in table})
    assert all(value is True for each in found.slices for _, value in each.items)
    expected = every_slice(table, error, alpha=0.95, support=4, max_level=2, absent=[False])
    assert [each.items for each in found.slices] == [each.items for each in expected[:10]]


def test_a_column_that_is_there_twice_gives_no_slice_twice(bench: Workbench) -> None:
    table, error = planted(2_000, 18, 5)
    alone = search(bench, table, error, min_support=20, k=8)
    twice = search(bench, {**table, "d": [f"x{each}" for each in table["c03"]]}, error, min_support=20, k=8)
    assert [each.items for each in twice.slices] == [each.items for each in alone.slices]
    assert twice.candidates == alone.candidates + 5  # its five values, and nothing below them
    frame = pd.DataFrame(table)
    sets = {
        tuple(np.flatnonzero(np.logical_and.reduce([frame[c] == v for c, v in each.items]))) for each in twice.slices
    }
    assert len(sets) == 8


def test_the_order_of_rows_and_columns_and_other_names_of_values_change_nothing(bench: Workbench) -> None:
    table, error = planted(1_500, 18, 4)
    error = error * np.random.default_rng(2).gamma(2.0, 1.0, len(error))
    expected = search(bench, table, error, min_support=20, alpha=0.99).slices
    order = np.random.default_rng(9).permutation(len(error))
    mixed = {name: [table[name][at] for at in order] for name in reversed(list(table))}
    found = search(bench, mixed, error[order], min_support=20, alpha=0.99).slices
    assert [(each.items, each.score, each.sum_error) for each in found] == [
        (each.items, each.score, each.sum_error) for each in expected
    ]
    renamed = {name: [f"it is {9 - each}" for each in values] for name, values in table.items()}
    found = search(bench, renamed, error, min_support=20, alpha=0.99).slices
    back = [tuple((column, 9 - int(value[-1])) for column, value in each.items) for each in found]
    assert back == [each.items for each in expected]


@pytest.mark.parametrize(
    ("table", "error", "options", "said"),
    [
        ({"a": ["x", "y"] * 50}, [0.0] * 100, {}, "every error is 0"),
        ({"a": ["x", "y"] * 50}, [1.0] * 100, {}, "every error is 1: no slice errs more than all rows together"),
        ({"a": ["x", "y"] * 50}, [2.5] * 100, {}, "no slice errs more than all rows together by enough"),
        ({"a": ["x", "y"] * 5}, [1.0, 0.0] * 5, {}, "a slice needs 32 rows, and there are 10"),
        ({"a": ["x"] * 100}, [1.0, 0.0] * 50, {}, "no slice errs more"),
        ({"a": [None] * 100}, [1.0, 0.0] * 50, {}, "no slice errs more"),
        ({"a": list(range(100))}, [1.0, 0.0] * 50, {}, "no value stands in 32 rows or more"),
        ({}, [1.0, 0.0] * 50, {}, "there is no column"),
        ({"a": []}, [], {}, "the table has no rows"),
    ],
)
def test_where_nothing_is_found_the_reason_is_told(bench: Workbench, table, error, options, said: str) -> None:
    found = search(bench, table, error, **options)
    assert found.slices == () and found.complete and found.ties_cut == 0
    assert said in (found.reason or "")


def test_of_one_column_the_worst_value_is_found(bench: Workbench) -> None:
    found = search(bench, {"a": ["x", None] * 50}, [0.0, 1.0] * 50)
    assert [each.items for each in found.slices] == [(("a", None),)]
    assert found.slices[0].contributions == {"a": pytest.approx(0.5)}


def test_values_of_any_type_and_any_text_are_items(bench: Workbench) -> None:
    bench.run(
        """create or replace table odd as select
        (case when i % 5 = 0 then 'it''s "odd"; --' end) as "a ""name""; drop", i % 3 = 0 as b, (i % 4)::double / 4 as d,
        date '2024-01-01' + (i % 2)::int as day, (case when i % 6 = 0 then 'nan'::double else 1 end) as f,
        (i % 5 = 0 and i % 3 = 0)::double as e from range(600) t(i)"""
    )
    columns = ['a "name"; drop', "b", "d", "day", "f"]
    found = find_slices(bench, "odd", columns, "e", k=1)
    assert found.slices[0].items == (('a "name"; drop', 'it\'s "odd"; --'), ("b", True))
    assert found.slices[0].error_rate == 1.0


def test_numbers_that_are_given_agree_with_scipy(bench: Workbench) -> None:
    from scipy import stats

    table, error = planted(3_000, 18, 4)
    error = error * np.random.default_rng(2).gamma(2.0, 1.0, len(error))
    for each in search(bench, table, error, min_support=20).slices:
        chosen = np.logical_and.reduce([np.array(table[column]) == value for column, value in each.items])
        t = stats.ttest_ind(error[chosen], error, equal_var=False).statistic
        assert each.t == pytest.approx(abs(t)) and each.sum_squares == pytest.approx((error[chosen] ** 2).sum())
        assert each.max_error == pytest.approx(error[chosen].max())
    wrong = (error > 0).astype(float)
    for each in search(bench, table, wrong, min_support=20).slices:
        ours, all_rows = (
            stats.beta(k + 1, n - k + 1) for k, n in ((each.sum_error, each.size), (wrong.sum(), len(wrong)))
        )
        assert each.t == pytest.approx(abs(ours.mean() - all_rows.mean()) / np.sqrt(ours.var() + all_rows.var()))


def test_a_search_whose_time_is_over_says_so_and_keeps_what_it_has(bench: Workbench) -> None:
    table, error = planted(5_000, 30, 8)
    everything = search(bench, table, error, min_support=5, k=100)
    found = search(bench, table, error, min_support=5, k=100, time_budget=1e-9)
    assert everything.complete and everything.reason is None
    assert not found.complete and "time" in (found.reason or "") and found.slices == ()
    some = search(bench, table, error, min_support=5, k=100, batch=1, time_budget=everything.seconds / 3)
    assert not some.complete and "others may be missing" in (some.reason or "")
    assert some.candidates < everything.candidates


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -0.5, None])
def test_errors_that_are_no_numbers_from_0_on_are_refused_with_their_rows(
    bench: Workbench, wrong: float | None
) -> None:
    bench.run("create or replace table bad(a varchar, error double)")
    for each in [0.0, 1.0, wrong, 1.0]:
        bench.run("insert into bad values ('x', ?)", [each])
    with pytest.raises(RenexError, match="row 2 is"):
        find_slices(bench, "bad", ["a"], "error")


def test_columns_that_are_not_there_or_named_twice_are_refused(bench: Workbench) -> None:
    bench.run("create or replace table few as select 1 as a, 1.0::double as error")
    with pytest.raises(RenexError, match="not_found: no column 'b'"):
        find_slices(bench, "few", ["b"], "error")
    for columns in (["a", "a"], ["a", "error"]):
        with pytest.raises(RenexError, match="named twice"):
            find_slices(bench, "few", columns, "error")


def test_a_search_leaves_no_table_behind(bench: Workbench) -> None:
    search(bench, {"a": ["x", "y"] * 50}, [0.0, 1.0] * 50)
    with pytest.raises(RenexError):
        search(bench, {"a": ["x", "y"] * 50}, [0.0, -1.0] * 50)
    assert not bench.values("select table_name from duckdb_tables() where table_name like 'renex_%'")


def test_below_a_slice_that_has_all_rows_of_a_shorter_one_nothing_is_counted(bench: Workbench) -> None:
    rng = np.random.default_rng(8)
    fine, other = rng.integers(0, 4, 2_000), rng.integers(0, 3, 2_000)
    table = {"fine": fine.tolist(), "coarse": (fine // 2).tolist(), "other": other.tolist()}  # coarse follows from fine
    error = (rng.random(2_000) < np.where((fine == 1) & (other == 2), 0.9, 0.3)).astype(float)
    of_two, of_three = (search(bench, table, error, alpha=1.0, k=100, max_level=most) for most in (2, 3))
    assert of_three.candidates == of_two.candidates and of_three.slices == of_two.slices
    assert of_three.slices[0].items == (("fine", 1), ("other", 2))
