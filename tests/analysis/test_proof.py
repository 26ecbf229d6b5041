"""The proof of failure patterns: against scipy, on samples without a pattern, and with a planted one."""

from __future__ import annotations

from hashlib import md5

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from renex_jupyter.analysis.exact_tests import Sums
from renex_jupyter.analysis.pattern_columns import make_items
from renex_jupyter.analysis.proof import first_half, possible_patterns, prove, prove_unsplit, sums_of
from renex_jupyter.analysis.slices.search import default_support, find_slices
from renex_jupyter.records.predicates import Condition
from renex_jupyter.store.workbench import Workbench


def searched(frame: pd.DataFrame, *, alpha: float = 0.95, max_level: int = 3, seed: int = 0):
    """Patterns of a frame with `error`, found on one half, and their proofs on the other."""
    columns = [each for each in frame if each not in ("_key", "error")]
    with Workbench(threads=2) as bench:
        bench.take("given", frame.assign(_key=[str(n) for n in range(len(frame))]))
        bench.run(f"create table rows as select *, {first_half(seed)} as a from given")
        bench.run("create view found_on as from rows where a")
        bench.run("create view other as from rows where not a")
        support = default_support(bench.value("select count(*) from found_on"))
        items = make_items(bench, "found_on", columns, min_support=support)
        found = find_slices(
            bench, items.table, list(items.columns), "error", alpha=alpha, min_support=support, max_level=max_level,
            absent=items.absent,
        )  # fmt: skip
        predicates = [items.predicate(each.items) for each in found.slices]
        return predicates, prove(*sums_of(bench, "other", predicates), binary=True)


def without_a_pattern(seed: int, n: int = 20_000, columns: int = 10, values: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"c{i}": rng.choice([f"v{j}" for j in range(values)], n) for i in range(columns)})
    return frame.assign(error=(rng.random(n) < 0.1).astype(float))


def test_the_halves_are_those_of_md5_whatever_the_order():
    keys = [f"k{n}" for n in range(1_000)]
    with Workbench(threads=1) as bench:
        bench.take("t", {"_key": keys[::-1]})
        for seed in (0, 7):
            found = {row[0] for row in bench.values(f"select _key from t where {first_half(seed)}")}
            assert found == {each for each in keys if md5(f"{seed}:{each}".encode()).hexdigest()[0] in "01234567"}
            assert 420 < len(found) < 580


def test_errors_of_0_and_1_are_tested_exactly_and_others_by_welch():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"g": rng.choice(list("ab"), 500), "error": (rng.random(500) < 0.2).astype(float)})
    real = frame.assign(error=rng.exponential(size=500))
    for given, binary in ((frame, True), (real, False)):
        with Workbench(threads=1) as bench:
            bench.take("t", given)
            [proof] = prove(*sums_of(bench, "t", [Condition("g", "=", "a")]), binary=binary)
        inside, rest = given.error[given.g == "a"], given.error[given.g == "b"]
        expected = (
            stats.hypergeom.sf(inside.sum() - 1, 500, given.error.sum(), len(inside))
            if binary
            else stats.ttest_ind(inside, rest, equal_var=False, alternative="greater").pvalue
        )
        assert proof.p_value == pytest.approx(expected, rel=1e-9)


def test_statuses_confirmed_not_confirmed_and_too_small():
    base = Sums(10_000, 1_000.0, 1_000.0)
    sure, chance, tiny, few = Sums(500, 150.0, 150.0), Sums(500, 55.0, 55.0), Sums(3, 3.0, 3.0), Sums(0, 0.0, 0.0)
    found = [each.status for each in prove(base, [sure, chance, tiny, few], binary=True)]
    assert found == ["confirmed", "not confirmed", "too small", "too small"]
    less = prove(base, [Sums(500, 10.0, 10.0)], binary=True)
    assert less[0].status == "not confirmed"


def test_without_a_split_all_that_could_have_been_picked_counts():
    base, part = Sums(1_000, 100.0, 100.0), Sums(100, 22.0, 22.0)
    p = stats.hypergeom.sf(21, 1_000, 100, 100)
    [alone], [among] = (prove_unsplit(base, [part], tests, binary=True) for tests in (1, 500))
    assert alone.adjusted == pytest.approx(p, rel=1e-9)
    assert among.adjusted == pytest.approx(min(1, 500 * p), rel=1e-9)
    assert (alone.status, among.status) == ("confirmed", "not confirmed")


def test_how_many_patterns_there_can_be_is_an_upper_bound():
    assert possible_patterns([2, 3], 1_000, 10, 1) == 5
    assert possible_patterns([2, 3], 1_000, 10, 2) == 11
    assert possible_patterns([20, 30], 1_000, 100, 2) == 10 + 10 + 10, "no more than n / support of one set of columns"
    assert possible_patterns([], 10, 1, 3) == 1


def test_a_planted_slice_is_confirmed_in_wide_data():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({f"c{i:02}": rng.integers(0, 10, 12_000).astype(str) for i in range(20)})
    planted = (frame.c03 == "4") & (frame.c17 == "9")
    frame["error"] = (rng.random(12_000) < np.where(planted, 0.7, 0.1)).astype(float)
    predicates, proofs = searched(frame, max_level=2)
    assert str(predicates[0]) == "c03 = '4' and c17 = '9'"
    assert proofs[0].status == "confirmed"


@pytest.mark.parametrize(("alpha", "most"), [(0.95, 0), (0.999, 1)])
def test_samples_without_a_pattern_confirm_nothing(alpha, most):
    """At an alpha at which chance is shown one of twenty may be confirmed by chance."""
    found = [searched(without_a_pattern(seed, 6_000, 6), alpha=alpha, max_level=2) for seed in range(3)]
    assert alpha < 0.999 or all(predicates for predicates, _ in found), "else there is nothing to refuse"
    assert sum(any(each.status == "confirmed" for each in proofs) for _, proofs in found) <= most


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.95, 0.999])
def test_of_twenty_data_sets_without_a_pattern_at_least_eighteen_confirm_nothing(alpha):
    false = [
        seed
        for seed in range(20)
        if any(each.status == "confirmed" for each in searched(without_a_pattern(seed), alpha=alpha, max_level=2)[1])
    ]
    assert len(false) <= 2, false
