"""Questions about metric series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renex_jupyter.store.reader import Reader

if TYPE_CHECKING:
    import pandas as pd


def metric_keys(read: Reader, run_id: str) -> list[str]:
    """Return the keys that a run logged, in order of first use."""
    query = "select key from metrics where run_id = ? group by key order by min(wallclock), key"
    return [row["key"] for row in read.rows(query, [run_id])]


def metric_series(read: Reader, run_id: str, key: str, *, points: int = 2000) -> pd.DataFrame:
    """Return one metric of one run, thinned for a plot.

    Parameters
    ----------
    key : metric key as logged, such as "val/loss".
    points : about the most rows to return; each bucket of rows keeps its first, last, minimum, maximum and every NaN.

    Returns
    -------
    DataFrame (n, 3): step [1], wallclock [UTC], value [as logged], ordered by step and wallclock.

    References
    ----------
    M4 aggregation: Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014, section 4.
    """
    query = """
        with series as (
            select step, wallclock, value, row_number() over (order by step, wallclock) - 1 as i, count(*) over () as n
            from metrics where run_id = $run and key = $key and value is not null
        ), placed as (
            select *, i * greatest(1, $points // 4) // n as bucket from series
        ), ranked as (
            select *, min(i) over b as first_i, max(i) over b as last_i,
                   arg_min(i, value) over b as low_i, arg_max(i, value) over b as high_i
            from placed window b as (partition by bucket)
        )
        select step, wallclock, value from ranked
        where n <= $points or i in (first_i, last_i, low_i, high_i) or isnan(value)
        order by i"""
    return read.frame(query, {"run": run_id, "key": key, "points": points})
