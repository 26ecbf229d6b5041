"""Whether two models differ on the same samples: an exact test of what flipped, and a bootstrap of the difference.

References
----------
Q. McNemar, Psychometrika 12 (1947) 153; the exact form is the two-sided binomial test of the samples that flipped.
B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and 16; large samples in blocks of rows at
random: A. Kleiner et al., JRSS B 76 (2014) 795 has the idea.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renex_jupyter.analysis.exact_tests import binomial_tail
from renex_jupyter.store.workbench import Workbench, quoted

if TYPE_CHECKING:
    import numpy as np

MOST_ROWS = 20_000  # that are drawn one by one; more are put into so many blocks at random, and blocks are drawn
AT_ONCE = 2_000_000  # numbers that are drawn in one go


@dataclass(frozen=True, slots=True)
class Flips:
    """What became of the samples from one model to the other, where an error is 0 or 1."""

    both_right: int
    fixed: int  # wrong, then right
    broken: int  # right, then wrong
    both_wrong: int


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What the difference would be with other samples of the same kind."""

    difference: float  # of the mean errors, as measured: the second minus the first
    low: float  # of the interval
    high: float
    p_value: float  # two-sided: how often the difference lies on the other side of 0
    resamples: int


def mcnemar(fixed: int, broken: int) -> float:
    """Return the exact two-sided probability of so uneven flips where a flip is as likely one way as the other."""
    return min(1.0, 2 * binomial_tail(max(fixed, broken), fixed + broken))


def flips(bench: Workbench, table: str) -> Flips:
    """Count how a table's `error_a` becomes `error_b`, of rows that have both."""
    row = bench.values(f"""
        select count(*) filter (error_a = 0 and error_b = 0), count(*) filter (error_a > error_b),
            count(*) filter (error_a < error_b), count(*) filter (error_a = 1 and error_b = 1)
        from {quoted(table)} where error_a is not null and error_b is not null""")[0]
    return Flips(*row)


def bootstrap(
    bench: Workbench, table: str, *, resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> Bootstrap | None:
    """Return the bootstrap of the mean of `error_b - error_a` over the rows that have both; None without a row.

    The same table and seed give the same answer, whatever the order of the rows.

    Parameters
    ----------
    resamples : how often as many rows as there are are drawn with replacement.
    confidence : of the percentile interval.
    """
    import numpy as np

    there = f"from {quoted(table)} where error_a is not null and error_b is not null"
    n, mean = bench.values(f"select count(*), favg(error_b - error_a) {there}")[0]
    if not n:
        return None
    if n > MOST_ROWS:
        block = f"(('0x' || substr(md5(_key || ' {int(seed)}'), 1, 8))::ubigint % {MOST_ROWS})"
        found = bench.arrays(
            f"select fsum(error_b - error_a) as d, count(*) as n {there} group by {block} order by {block}"
        )
        sums, sizes = np.asarray(found["d"], dtype=float), np.asarray(found["n"], dtype=float)
    else:
        order = "_key, error_b - error_a"
        sums = np.asarray(bench.arrays(f"select error_b - error_a as d {there} order by {order}")["d"], dtype=float)
        sizes = np.ones(n)
    means = resampled(sums, sizes, resamples, seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    beyond = min(np.count_nonzero(means <= 0), np.count_nonzero(means >= 0))
    return Bootstrap(mean, float(low), float(high), min(1.0, 2 * (int(beyond) + 1) / (resamples + 1)), resamples)


def resampled(sums: np.ndarray, sizes: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Return means of groups drawn with replacement, of shape (resamples,).

    Parameters
    ----------
    sums, sizes : of each group, shape (groups,).
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    values, times = np.unique(sums, return_counts=True)
    if len(values) < len(sums) / 10 and bool(np.all(sizes == 1)):  # few different values: draw how often each comes
        drawn = rng.multinomial(len(sums), times / len(sums), size=resamples)
        return np.asarray(drawn @ values / len(sums))
    per = max(1, AT_ONCE // len(sums))
    means = []
    for begin in range(0, resamples, per):
        at = rng.integers(0, len(sums), size=(min(per, resamples - begin), len(sums)))
        means.append(sums[at].sum(axis=1) / sizes[at].sum(axis=1))
    return np.concatenate(means)
