"""Statistics of drift against scipy and numpy; what they say of hard columns; no alarm where nothing drifts."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from renex_jupyter.analysis import chance
from renex_jupyter.analysis.drift import compare
from renex_jupyter.analysis.drift_columns import Compared, compared
from renex_jupyter.records.drift import ALERT, ATTENTION, NONE, UNKNOWN, ColumnDrift, Thresholds
from renex_jupyter.store.workbench import Workbench

CLOSE = 1e-12


def drift_of(reference: pd.DataFrame, current: pd.DataFrame, **options: Any) -> dict[str, ColumnDrift]:
    with Workbench(threads=1) as bench:
        for name, frame in (("reference", reference), ("current", current)):
            bench.take(f"{name} given", frame)
            bench.run(f'create table {name} as from "{name} given"')
        types, others = bench.columns("reference"), bench.columns("current")
        columns: list[Compared] = [compared(each, types[each], others[each]) for each in types if each != "w"]
        return {each.name: each for each in compare(bench, columns, **options)}


def numbers(reference: Any, current: Any, **options: Any) -> ColumnDrift:
    return drift_of(pd.DataFrame({"x": reference}), pd.DataFrame({"x": current}), **options)["x"]


def psi(first: np.ndarray, second: np.ndarray) -> float:
    p = (first + 0.5) / (first.sum() + 0.5 * len(first))
    q = (second + 0.5) / (second.sum() + 0.5 * len(second))
    return float(((q - p) * np.log(q / p)).sum())


@pytest.mark.parametrize("seed", range(5))
def test_statistics_of_numbers_are_those_of_scipy(seed: int) -> None:
    random = np.random.default_rng(seed)
    reference = random.normal(5, 2, random.integers(200, 900))
    current = random.normal(5.5, 2.5, random.integers(200, 900))
    if seed == 3:
        reference, current = reference.round(), current.round()  # ties
    found = numbers(reference, current)
    assert found.ks == pytest.approx(stats.ks_2samp(reference, current).statistic, abs=CLOSE)
    assert found.p_value == pytest.approx(stats.ks_2samp(reference, current).pvalue, abs=CLOSE)
    assert found.distance == pytest.approx(stats.wasserstein_distance(reference, current), abs=CLOSE)
    assert found.wasserstein == pytest.approx(found.distance / reference.std(), abs=CLOSE)
    assert sum(each.reference for each in found.bins) == len(reference)
    first = np.array([each.reference for each in found.bins])
    second = np.array([each.current for each in found.bins])
    assert found.js == pytest.approx(jensenshannon(first, second, base=2), abs=CLOSE)
    assert found.psi == pytest.approx(psi(first, second), abs=CLOSE)


def test_of_many_rows_the_p_value_is_that_of_scipy_too() -> None:
    random = np.random.default_rng(0)
    for n, m in ((12_000, 700), (700, 12_001), (10_001, 11_000)):
        reference, current = random.normal(size=n), random.normal(0.02, 1, size=m)
        found, wanted = numbers(reference, current), stats.ks_2samp(reference, current)
        assert found.ks == pytest.approx(wanted.statistic, abs=CLOSE)
        assert found.p_value == pytest.approx(wanted.pvalue, abs=CLOSE)


def test_bins_of_numbers_are_the_deciles_of_the_reference() -> None:
    random = np.random.default_rng(0)
    reference, current = random.normal(size=1000), random.normal(0.3, 1, 700)
    edges = np.quantile(reference, np.arange(1, 10) / 10)
    found = numbers(reference, current)
    for name, values in (("reference", reference), ("current", current)):
        place = np.searchsorted(edges, values, side="left")
        assert [getattr(each, name) for each in found.bins] == np.bincount(place, minlength=10).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_statistics_of_categories_are_those_of_scipy(seed: int) -> None:
    random = np.random.default_rng(seed)
    words = np.array(["a", "b", "c", "d", "e"])
    reference = random.choice(words, 400, p=[0.4, 0.3, 0.2, 0.1, 0.0])
    current = random.choice(words, 300, p=[0.3, 0.3, 0.2, 0.1, 0.1])
    found = numbers(reference, current)
    table = np.array([[Counter(side)[word] for word in words] for side in (reference, current)])
    expected = stats.chi2_contingency(table, correction=False)
    assert found.chi2 == pytest.approx(expected.statistic, abs=1e-10)
    assert found.p_value == pytest.approx(expected.pvalue, abs=CLOSE)
    assert found.cramers_v == pytest.approx(stats.contingency.association(table, method="cramer"), abs=CLOSE)
    assert found.js == pytest.approx(jensenshannon(table[0], table[1], base=2), abs=CLOSE)
    assert found.psi == pytest.approx(psi(table[0], table[1]), abs=CLOSE)
    assert found.new_values == ("e",)


@pytest.mark.parametrize("freedom", [1, 2, 5, 9, 30, 200])
def test_tails_are_those_of_scipy(freedom: int) -> None:
    for x in (0.0, 0.3, 1, freedom * 0.7, freedom, freedom * 1.5, freedom * 4, 700):
        assert chance.chi2_tail(x, freedom) == pytest.approx(stats.chi2.sf(x, freedom), abs=CLOSE)
    for alpha in (0.5, 0.05, 0.001, 1e-6):
        assert chance.chi2_above(alpha, freedom) == pytest.approx(stats.chi2.isf(alpha, freedom), rel=1e-9)
    for x in (0.1, 0.4, 0.99, 1.0, 1.5, 3):
        assert chance.kolmogorov_tail(x) == pytest.approx(float(stats.kstwobign.sf(x)), abs=CLOSE)


def test_the_interval_of_a_rate_is_that_of_wilson() -> None:
    for errors, n in ((0, 10), (3, 10), (10, 10), (120, 1000)):
        low, high = chance.wilson(errors, n)
        expected = stats.binomtest(errors, n).proportion_ci(method="wilson")
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=CLOSE)


def test_a_missing_value_is_a_value_of_its_own() -> None:
    found = numbers([1.0, 2.0, None, 4.0] * 50, [1.0, None, None, 4.0] * 50)
    assert (found.null_reference, found.null_current) == (50, 100)
    assert {each.label: (each.reference, each.current) for each in found.bins}["NULL"] == (50, 100)
    assert found.level == ALERT
    words = numbers(["a", None] * 100, ["a", "a"] * 100)
    assert {each.label: (each.reference, each.current) for each in words.bins} == {"a": (100, 200), "NULL": (100, 0)}


def test_nan_and_the_infinities_fall_into_bins_and_are_left_out_of_distances() -> None:
    with Workbench(threads=1) as bench:
        bench.run("create table reference as select range::double as x from range(100)")
        bench.run("create table current as from reference union all select 'nan'::double from range(20)")
        bench.run("insert into current values ('inf'), ('-inf')")
        [found] = compare(bench, [compared("x", "DOUBLE", "DOUBLE")])
    bins = {each.label: (each.reference, each.current) for each in found.bins}
    assert bins["NaN"] == (0, 20) and sum(current for _, current in bins.values()) == 122
    assert found.ks == 0 and found.distance == 0


def test_hard_columns_have_clear_results() -> None:
    n = 100
    reference = pd.DataFrame(
        {
            "constant": [7] * n,
            "leaves": [7] * n,
            "nothing": [None] * n,
            "vanishes": range(n),
            "appears": [None] * n,
            "type": range(n),
            "word": ["x"] * n,
        }
    ).astype({"nothing": "float", "appears": "float"})
    current = pd.DataFrame(
        {
            "constant": [7] * n,
            "leaves": [8] * n,
            "nothing": [None] * n,
            "vanishes": [None] * n,
            "appears": range(n),
            "type": [f"t{each}" for each in range(n)],
            "word": ["x"] * 50 + ["y"] * 50,
        }
    ).astype({"nothing": "float", "vanishes": "float"})
    found = drift_of(reference, current)
    assert found["constant"].level == NONE and found["constant"].note == "the same value in every row"
    assert found["leaves"].level == ALERT and found["leaves"].wasserstein is None  # no deviation to compare with
    assert found["nothing"].level == NONE and found["nothing"].note == "NULL in every row of both"
    assert found["vanishes"].level == ALERT and found["vanishes"].note == "NULL in every row of the current data"
    assert found["appears"].level == ALERT and found["appears"].note == "NULL in every row of the reference"
    assert found["type"].level == ALERT and found["type"].note == "was BIGINT, is VARCHAR: compared as text"
    assert found["word"].level == ALERT and found["word"].new_values == ("y",)
    for each in found.values():
        assert each.psi is not None and math.isfinite(each.psi)


def test_a_value_that_fills_a_bin_has_one_of_its_own() -> None:
    found = numbers([0.0] * 900 + list(range(1, 101)), [0.0] * 500 + list(range(1, 101)) * 5)
    bins = {each.label: (each.reference, each.current) for each in found.bins}
    assert bins["x = 0"] == (900, 500)
    top = numbers([1.0] * 900 + list(np.linspace(0, 0.9, 100)), [1.0] * 500 + list(np.linspace(0, 0.9, 500)))
    assert top.level == ALERT


@pytest.mark.parametrize("side", ["reference", "current"])
def test_an_empty_side_is_told_and_alarms_nobody(side: str) -> None:
    sides = {"reference": [1.0, 2.0], "current": [1.0, 2.0], side: []}
    frames = {name: pd.DataFrame({"x": pd.Series(values, dtype=float)}) for name, values in sides.items()}
    found = drift_of(frames["reference"], frames["current"])["x"]
    assert found.level == UNKNOWN and found.psi is None and found.ks is None
    assert found.note == ("no rows in the reference" if side == "reference" else "no rows in the current data")


def test_rare_categories_share_a_bin() -> None:
    reference = [f"c{each}" for each in range(200)] * 3
    found = numbers(reference, reference)
    assert len(found.bins) == 51 and found.bins[-1].label == "(other)" and found.bins[-1].reference == 450
    assert found.level == NONE


def test_each_window_is_compared_with_the_same_bins() -> None:
    random = np.random.default_rng(1)
    reference = pd.DataFrame({"x": random.normal(size=1000), "w": 0})
    current = pd.DataFrame({"x": np.r_[random.normal(size=500), random.normal(2, 1, 500)], "w": [0] * 500 + [2] * 500})
    found = drift_of(reference, current, window="w", windows=("one", "none", "three"))["x"]
    one, none, three = found.windows
    assert (one.level, none.level, three.level) == (NONE, UNKNOWN, ALERT)
    assert (one.n, none.n, three.n) == (500, 0, 500) and none.psi is None
    edges = np.quantile(reference["x"], np.arange(1, 10) / 10)
    counts = [
        np.bincount(np.searchsorted(edges, part, side="left"), minlength=10)
        for part in (reference["x"], current["x"][500:])
    ]
    assert three.psi == pytest.approx(psi(*counts), abs=CLOSE)
    assert three.js == pytest.approx(jensenshannon(*counts, base=2), abs=CLOSE)


@pytest.mark.parametrize("kind", ["numbers", "words"])
def test_small_samples_without_drift_alarm_no_more_often_than_promised(kind: str) -> None:
    trials, kind_of = 100, "DOUBLE" if kind == "numbers" else "VARCHAR"
    random = np.random.default_rng(0)
    with Workbench(threads=1) as bench:
        for name in ("reference", "current"):
            values = random.normal if kind == "numbers" else lambda size: random.choice(list("abcdefghij"), size)
            bench.take(name, pd.DataFrame({f"x{trial}": values(size=200) for trial in range(trials)}))
        columns = [compared(f"x{trial}", kind_of, kind_of) for trial in range(trials)]
        found = compare(bench, columns, tested=1)  # each of them is a look of its own
    alarms = sum(each.level in (ALERT, ATTENTION) for each in found)
    above_folklore = sum((each.psi or 0) > 0.1 for each in found)
    assert alarms <= stats.binom.ppf(0.999, 100, Thresholds().alpha)
    assert above_folklore > 15  # so it is the floor that keeps quiet


def test_with_many_columns_the_promise_is_of_all_of_them_together() -> None:
    looks, each_has = 8, 12
    random = np.random.default_rng(0)
    names = [f"x{number}" for number in range(looks * each_has)]
    with Workbench(threads=1) as bench:
        for side in ("reference", "current"):
            bench.take(side, pd.DataFrame(random.normal(size=(200, len(names))), columns=names))
        found = compare(bench, [compared(name, "DOUBLE", "DOUBLE") for name in names], tested=each_has)
    parts = [found[start : start + each_has] for start in range(0, len(found), each_has)]
    assert sum(any(each.level != NONE for each in part) for part in parts) <= stats.binom.ppf(0.999, looks, 0.05)
