"""How far predicted numbers are from the true ones, on the whole and where.

References
----------
As the functions of `sklearn.metrics` for regression define them; a residual is actual minus predicted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from renex_jupyter.analysis.bins import bin_of, quantile_edges
from renex_jupyter.analysis.sample_errors import LEAST
from renex_jupyter.analysis.sample_pairs import Pairs
from renex_jupyter.store.workbench import Workbench, quoted

if TYPE_CHECKING:
    import pandas as pd

BOTH = "actual is not null and predicted is not null"


def regression_scores(bench: Workbench, pairs: Pairs) -> dict[str, float]:
    """Return the errors over the samples with truth and prediction; nothing without one.

    r2 is left out below two samples; of a constant truth it is 1 where all is right, and 0 otherwise.
    """
    row = bench.rows(f"""
        with here as (select actual, predicted, actual - predicted as r from {quoted(pairs.name)} where {BOTH}),
        middle as (select favg(actual) as mean, favg(r) as bias from here)
        select count(*) as n, favg(abs(r)) as mae, favg(r * r) as mse, median(abs(r)) as median_absolute_error,
            favg(abs(r) / greatest(abs(actual), {LEAST})) as mape, max(abs(r)) as max_error, any_value(bias) as mean_residual,
            fsum(r * r) as rest, fsum((r - bias) * (r - bias)) as spread, fsum((actual - mean) * (actual - mean)) as total
        from here, middle""")[0]
    n, rest, spread, total = (row.pop(name) for name in ("n", "rest", "spread", "total"))
    if not n:
        return {}
    found = {"mae": row.pop("mae"), "mse": row["mse"], "rmse": row.pop("mse") ** 0.5, **row}
    if n >= 2:
        found |= {"r2": _explained(rest, total), "explained_variance": _explained(spread, total)}
    return found


def residual_bins(bench: Workbench, rows: str, by: str, *, bins: int = 20) -> pd.DataFrame:
    """Return residuals by bins of a number with about equally many samples.

    Parameters
    ----------
    rows : a table with `actual`, `predicted` and what it is binned by.
    by : the expression of that.

    Returns
    -------
    DataFrame: low, high (of the bin; the high edge is in it), n, mean, std (of the sample, NaN for one), mae, rmse, q05,
    median, q95 of the residuals; ordered by low.
    """
    here = f"(select actual - predicted as r, ({by})::double as by_value from {rows} where {BOTH})"
    there = f"(from {here} where isfinite(by_value))"
    edges = sorted(set(quantile_edges(bench, there, "by_value", bins)))
    edges = edges * 2 if len(edges) == 1 else edges
    at = bin_of("by_value", edges) if edges else "0"
    found = bench.frame(f"""
        select ({at})::bigint as bin, count(*) as n, favg(r) as mean, stddev_samp(r) as std, favg(abs(r)) as mae,
            sqrt(favg(r * r)) as rmse, quantile_cont(r, 0.05) as q05, median(r) as median, quantile_cont(r, 0.95) as q95
        from {there} group by bin order by bin""")
    low = [edges[each] for each in found["bin"]]
    high = [edges[each + 1] for each in found["bin"]]
    found.insert(0, "low", low)
    found.insert(1, "high", high)
    return found.drop(columns="bin")


def residual_sample(bench: Workbench, rows: str, by: str, *, most: int = 2000) -> pd.DataFrame:
    """Return some samples for a plot, always the same ones: _key, actual, predicted, residual, by."""
    return bench.frame(
        f"""select _key, actual, predicted, actual - predicted as residual, ({by})::double as "by" from {rows}
        where {BOTH} order by md5(_key), _key limit ?""",
        [most],
    )


def _explained(rest: float, total: float) -> float:
    if not total:
        return 0.0 if rest else 1.0
    return float(1 - rest / total)
