"""All frequent combinations of a few columns beside pandas, one group after the other."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from renex_jupyter.analysis.slices.cube import cube
from renex_jupyter.errors import RenexError
from renex_jupyter.store.workbench import Workbench


@pytest.fixture(scope="module")
def bench():
    with Workbench(memory="500MB", threads=1) as opened:
        yield opened


def table(n: int = 800) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({f"c{at}": rng.choice(["x", "y", "z", None], n, p=[0.5, 0.3, 0.15, 0.05]) for at in range(4)})
    bad = (frame["c0"] == "x") & (frame["c2"] == "y")
    return frame.assign(error=np.where(rng.random(n) < 0.2, np.nan, rng.random(n) < np.where(bad, 0.7, 0.2)))


def held(bench: Workbench, frame: pd.DataFrame):
    bench.take("given", frame)
    bench.run("create or replace table held as select * replace (nullif(error, 'nan'::double) as error) from given")


@pytest.mark.parametrize("batch", [1, 4, 16])
def test_it_has_every_frequent_combination_with_its_numbers(bench: Workbench, batch: int) -> None:
    frame = table()
    held(bench, frame)
    found = cube(bench, "held", ["c2", "c0", "c3", "c1"], "error", min_support=15, batch=batch)
    expected = {}
    for length in range(1, 5):
        for columns in combinations(["c0", "c1", "c2", "c3"], length):
            for values, part in frame.groupby(list(columns), dropna=False):
                if len(part) >= 15:
                    items = tuple((c, None if pd.isna(v) else v) for c, v in zip(columns, values, strict=True))
                    expected[frozenset(items)] = part["error"]
    assert found.patterns.keys() == {frozenset(), *expected}
    for items, errors in expected.items():
        pattern = found.patterns[items]
        counted = errors.dropna()
        assert (pattern.size, pattern.counted, pattern.sum_error) == (len(errors), len(counted), counted.sum())
        assert pattern.sum_squares == (counted**2).sum()
        if len(counted):
            assert pattern.divergence == pytest.approx(counted.mean() - frame["error"].mean())
            assert pattern.max_error == counted.max()


def test_the_shares_of_the_items_sum_up_to_the_divergence(bench: Workbench) -> None:
    held(bench, table())
    found = cube(bench, "held", ["c0", "c1", "c2"], "error", min_support=15)
    for pattern in found.top():
        assert sum(found.contributions(pattern).values()) == pytest.approx(pattern.divergence)
    best = next(each for each in found.top() if dict(each.items) == {"c0": "x", "c2": "y"})
    x, y, both = (
        found.patterns[frozenset(each)].divergence
        for each in ([("c0", "x")], [("c2", "y")], [("c0", "x"), ("c2", "y")])
    )
    assert found.contributions(best) == {
        "c0": pytest.approx((x + both - y) / 2),
        "c2": pytest.approx((y + both - x) / 2),
    }


def test_what_is_essential_is_changed_by_each_of_its_items(bench: Workbench) -> None:
    held(bench, table())
    found = cube(bench, "held", ["c0", "c1", "c2", "c3"], "error", min_support=15)
    kept = found.essential(0.05)
    assert 0 < len(kept) < len(found.patterns) - 1
    by_hand = [
        pattern
        for items, pattern in found.patterns.items()
        if items and min(abs(pattern.divergence - found.patterns[items - {each}].divergence) for each in items) > 0.05
    ]
    assert {each.items for each in kept} == {each.items for each in by_hand}
    assert [each.divergence for each in kept] == sorted((each.divergence for each in kept), reverse=True)


def test_more_than_eight_columns_and_unknown_ones_are_refused(bench: Workbench) -> None:
    bench.run(f"create or replace table wide as select {', '.join(f'1 as c{at}' for at in range(9))}, 0.5 as error")
    with pytest.raises(RenexError, match="9 columns cannot make a cube"):
        cube(bench, "wide", [f"c{at}" for at in range(9)], "error", min_support=1)
    with pytest.raises(RenexError, match="invalid_argument"):
        cube(bench, "wide", [], "error", min_support=1)
    with pytest.raises(RenexError, match="no column 'other'"):
        cube(bench, "wide", ["other"], "error", min_support=1)


def test_of_rows_without_any_outcome_nothing_is_said(bench: Workbench) -> None:
    bench.run("create or replace table silent as select 'a' as a, null::double as error from range(50)")
    found = cube(bench, "silent", ["a"], "error", min_support=10)
    [pattern] = found.top()
    assert pattern.size == 50 and pattern.counted == 0 and np.isnan(pattern.mean) and np.isnan(pattern.divergence)
