"""The statistics of drift, each computed by DuckDB from counts or from sorted values.

References
----------
PSI and its noise: B. Yurdakul, "Statistical Properties of Population Stability Index", Western Michigan University 2018:
PSI / (1/n + 1/m) is about chi-square with B - 1 degrees of freedom where nothing drifts. Jensen-Shannon: Lin, IEEE
Transactions on Information Theory 37 (1991). Kolmogorov-Smirnov and Wasserstein as in scipy.stats.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from renex_jupyter.analysis import chance
from renex_jupyter.store.workbench import Workbench, quoted

HALF = 0.5  # of a row, added to each bin for the PSI, so that an empty one has a logarithm
REFERENCE = -1  # the number of the window of what is compared with
MOST_EXACT = 10_000  # rows of a sample up to which scipy computes the p-value of Kolmogorov and Smirnov exactly
ALL = -9  # the number of the window that has every row of the current data


@dataclass(frozen=True, slots=True)
class Counted:
    """What the counts of two samples in bins say."""

    n: int  # rows of the reference
    m: int  # rows of the current data
    bins: int  # that have a row
    psi: float | None
    js: float | None
    chi2: float | None

    def floor(self, alpha: float) -> float | None:
        """Return the PSI that chance alone exceeds with a probability of alpha."""
        if not self.n or not self.m:
            return None
        return (1 / self.n + 1 / self.m) * chance.chi2_above(alpha, self.bins - 1)

    @property
    def p_value(self) -> float | None:
        """Of chi-square."""
        return None if self.chi2 is None else chance.chi2_tail(self.chi2, self.bins - 1)

    @property
    def cramers_v(self) -> float | None:
        """The size of the effect, 0 to 1, of a table with two rows."""
        if self.chi2 is None or self.bins < 2:
            return None
        return math.sqrt(self.chi2 / (self.n + self.m))


def count_tests(bench: Workbench, counts: str) -> dict[tuple[int, int], Counted]:
    """Return PSI, Jensen-Shannon distance and chi-square of every column and window of a table of counts.

    Parameters
    ----------
    counts : a table `place` (of the column), `bin`, `w` (window; -1 the reference, -9 all of the current data), `n`.
    """
    query = f"""
        with reference as (select place, bin, n from {quoted(counts)} where w = {REFERENCE}),
        current as (select place, bin, w, n from {quoted(counts)} where w <> {REFERENCE}),
        windows as (select distinct place, w from current),
        bins as (select distinct place, bin from {quoted(counts)}),
        pairs as (
            select place, w, bin, coalesce(r.n, 0)::double as r, coalesce(c.n, 0)::double as c
            from windows join bins using (place)
            left join reference r using (place, bin) left join current c using (place, w, bin)
            where coalesce(r.n, 0) + coalesce(c.n, 0) > 0
        ),
        sums as (
            select *, sum(r) over one as n, sum(c) over one as m, count(*) over one as b from pairs
            window one as (partition by place, w)
        ),
        shares as (
            select *, (r + {HALF}) / (n + {HALF} * b) as p, (c + {HALF}) / (m + {HALF} * b) as q,
                r / n as f, c / m as g, (r + c) / (n + m) as t from sums
        )
        select place, w, any_value(n)::bigint as n, any_value(m)::bigint as m, any_value(b) as bins,
            fsum((q - p) * ln(q / p)) as psi,
            sqrt(greatest(fsum(
                if(f > 0, f * log2(f / ((f + g) / 2)), 0) + if(g > 0, g * log2(g / ((f + g) / 2)), 0)), 0) / 2) as js,
            fsum((r - n * t) ** 2 / (n * t) + (c - m * t) ** 2 / (m * t)) as chi2
        from shares group by place, w"""
    found = {}
    for row in bench.rows(query):
        place, window = row.pop("place"), row.pop("w")
        if not row["n"] or not row["m"]:
            row.update(psi=None, js=None, chi2=None)
        found[place, window] = Counted(**row)
    return found


def value_tests(bench: Workbench, table: str) -> dict[str, Any]:
    """Return the statistics of two samples of numbers: `ks`, `p_value`, `distance` (Wasserstein-1), `wasserstein`.

    The last is the distance over the standard deviation of the reference; what is no finite number is left out.

    Parameters
    ----------
    table : has the numbers as `v`, and `w`, which is -1 for the reference.
    """
    finite = f"from {quoted(table)} where isfinite(v)"
    n, m, deviation = bench.values(f"""
        select count(*) filter (w = {REFERENCE}), count(*) filter (w <> {REFERENCE}),
            stddev_pop(v) filter (w = {REFERENCE}) {finite}""")[0]
    if not n or not m:
        return {}
    query = f"""
        with steps as (  -- of equal numbers the last one has seen all of them
            select v, sum(if(w = {REFERENCE}, 1, 0)) over upward as r, row_number() over upward as seen,
                lead(v) over upward as next {finite} window upward as (order by v rows unbounded preceding)
        ),
        gaps as (
            select r, seen - r as c, next - v as step, abs(r / {n}::double - (seen - r) / {m}::double) as gap
            from steps where next is distinct from v
        )
        select max(gap) as ks, coalesce(fsum(gap * step), 0) as distance,
            arg_max(r, gap) as r, arg_max(c, gap) as c
        from gaps"""
    row = bench.rows(query)[0]
    scaled = row["distance"] / deviation if deviation and math.isfinite(row["distance"]) else None
    return {
        "ks": row["ks"],
        "p_value": ks_p_value(row["ks"], n, m, row["r"], row["c"]),
        "distance": row["distance"] if math.isfinite(row["distance"]) else None,
        "wasserstein": scaled,
    }


def ks_p_value(d: float, n: int, m: int, below: int, current_below: int) -> float:
    """Return the p-value of a Kolmogorov-Smirnov distance: of scipy where it is installed, else of the limit.

    Parameters
    ----------
    below, current_below : rows of each sample up to the value at which they are farthest apart.
    """
    if find_spec("scipy") is None:
        return chance.kolmogorov_tail(d * math.sqrt(n * m / (n + m)))
    import numpy as np
    from scipy import stats

    if max(n, m) > MOST_EXACT:  # as scipy does by itself, without its sorting of samples
        return float(stats.kstwo.sf(d, round(n * m / (n + m))))
    # Two samples of 0 and 1 that are as far apart, since scipy takes samples; what it says depends on n, m and D alone.
    first, second = np.ones(n), np.ones(m)
    first[:below], second[:current_below] = 0, 0
    with warnings.catch_warnings():  # that it takes the limit where its exact sum fails
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(stats.ks_2samp(first, second).pvalue)
