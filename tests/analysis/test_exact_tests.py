"""Tails of distributions, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from renex_jupyter.analysis.exact_tests import (
    Sums,
    benjamini_hochberg,
    binomial_tail,
    holm,
    hypergeometric_tail,
    paired_tail,
    t_tail,
    welch_tail,
)


def sums(values):
    return Sums(len(values), float(np.sum(values)), float(np.sum(np.square(values))))


def test_the_hypergeometric_tail_is_that_of_scipy():
    rng = np.random.default_rng(0)
    for _ in range(300):
        total = int(rng.integers(1, 3000))
        drawn, marked = int(rng.integers(0, total + 1)), int(rng.integers(0, total + 1))
        found = int(rng.integers(-1, drawn + 2))
        expected = stats.hypergeom.sf(found - 1, total, marked, drawn)
        assert hypergeometric_tail(found, drawn, marked, total) == pytest.approx(expected, rel=1e-8, abs=1e-13)


def test_the_hypergeometric_tail_holds_for_a_million_rows_and_far_out():
    for case in (
        (1_200, 10_000, 100_000, 1_000_000),
        (3_000, 10_000, 100_000, 1_000_000),
        (900, 10_000, 100_000, 10**6),
    ):
        found, drawn, marked, total = case
        expected = stats.hypergeom.sf(found - 1, total, marked, drawn)
        assert hypergeometric_tail(*case) == pytest.approx(expected, rel=1e-6, abs=1e-300)


def test_the_tail_of_fair_coins_is_that_of_scipy():
    rng = np.random.default_rng(1)
    for n in (0, 1, 2, 7, 100, 5_000, 100_000):
        for found in {0, n, n // 2, *map(int, rng.integers(0, n + 1, 10)), int(n / 2 + n**0.5)}:
            expected = stats.binom.sf(found - 1, n, 0.5)
            assert binomial_tail(found, n) == pytest.approx(expected, rel=1e-9, abs=1e-12), (found, n)


def test_the_tail_of_student_is_that_of_scipy():
    for freedom in (0.7, 1, 2.5, 30, 400, 12_345.6, 1e6):
        for t in (-40, -3, -0.1, 0, 0.5, 2, 6, 30):
            assert t_tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), rel=1e-9, abs=1e-300), (t, freedom)


def test_welch_and_paired_tests_are_those_of_scipy():
    rng = np.random.default_rng(2)
    for _ in range(50):
        a, b = rng.exponential(1.2, rng.integers(2, 200)), rng.exponential(1, rng.integers(2, 200))
        expected = stats.ttest_ind(a, b, equal_var=False, alternative="greater").pvalue
        assert welch_tail(sums(a), sums(b)) == pytest.approx(expected, rel=1e-9)
        c = rng.exponential(1.1, len(b))
        assert paired_tail(sums(c - b)) == pytest.approx(stats.ttest_rel(c, b, alternative="greater").pvalue, rel=1e-9)


def test_without_a_spread_a_difference_is_certain_and_one_row_proves_nothing():
    assert welch_tail(Sums(5, 10.0, 20.0), Sums(5, 5.0, 5.0)) == 0.0
    assert welch_tail(Sums(1, 10.0, 100.0), Sums(5, 5.0, 5.0)) == 1.0
    assert paired_tail(Sums(1, 1.0, 1.0)) == 1.0
    assert paired_tail(Sums(4, 0.0, 0.0)) == 1.0


def test_adjusted_p_values_are_those_of_holm_and_of_benjamini_and_hochberg():
    p = [0.03, 0.001, 0.2, 0.004, 0.03]
    assert holm(p) == pytest.approx([0.09, 0.005, 0.2, 0.016, 0.09])
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))
    assert benjamini_hochberg([0.001, 0.004], 100) == pytest.approx([0.1, 0.2])
    assert holm([]) == benjamini_hochberg([]) == []
