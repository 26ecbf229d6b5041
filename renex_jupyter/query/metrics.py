"""Questions about metric series, thinned for a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from renex_jupyter.store.reader import Reader

if TYPE_CHECKING:
    import pandas as pd


def metric_keys(read: Reader, run_ids: Sequence[str]) -> list[str]:
    """Return the metric keys of some runs, in the order in which they were first logged."""
    query = """
        select key from metrics
        where owner_kind = 'run' and list_contains($runs::varchar[], owner_id) and value is not null
        group by key order by min(wallclock), key"""
    return [row["key"] for row in read.rows(query, {"runs": list(run_ids)})]


def metric_series(read: Reader, run_id: str, key: str, *, points: int = 2000) -> pd.DataFrame:
    """Return one metric of one run, thinned for a plot.

    Returns
    -------
    DataFrame (n, 3): step [1], wallclock [UTC], value [as logged], ordered by step and wallclock.
    """
    return many_series(read, [run_id], [key], points=points)[["step", "wallclock", "value"]]


def many_series(read: Reader, run_ids: Sequence[str], keys: Sequence[str], *, points: int = 2000) -> pd.DataFrame:
    """Return some metrics of some runs with one query, each series thinned by itself.

    Parameters
    ----------
    keys : metric keys as logged, such as "val/loss".
    points : about the most rows of one series; each bucket of rows keeps its first, last, minimum, maximum (of
        equal values the first) and every NaN.

    Returns
    -------
    DataFrame (n, 5): run_id, key, step [1], wallclock [UTC], value [as logged], ordered by run, key, step, wallclock.

    References
    ----------
    M4 aggregation: Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014, section 4.
    """
    query = """
        with series as (
            select run_id, key, step, wallclock, value,
                   row_number() over (partition by run_id, key order by step, wallclock) - 1 as i,
                   count(*) over (partition by run_id, key) as n
            from metrics
            where owner_kind = 'run' and owner_id in (select unnest($runs::varchar[]))
                and key in (select unnest($keys::varchar[])) and value is not null
        ), placed as (
            select *, i * greatest(1, $points // 4) // n as bucket from series
        ), ranked as (
            select *, min(i) over b as first_i, max(i) over b as last_i,
                   arg_min(i, {v: value, i: i}) filter (where not isnan(value)) over b as low_i,
                   arg_max(i, {v: value, i: -i}) filter (where not isnan(value)) over b as high_i
            from placed window b as (partition by run_id, key, bucket)
        )
        select run_id, key, step, wallclock, value from ranked
        where n <= $points or i in (first_i, last_i, low_i, high_i) or isnan(value)
        order by run_id, key, i"""
    return read.frame(query, {"runs": list(run_ids), "keys": list(keys), "points": points})
