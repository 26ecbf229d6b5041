"""Questions about metric series, thinned for a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from renex_jupyter.store.reader import Reader
from renex_jupyter.store.tables import literal

if TYPE_CHECKING:
    import pandas as pd

AT_ONCE = 2_000_000  # points; what is fetched with one query, so that a question about long runs takes little memory


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


def many_series(
    read: Reader, run_ids: Sequence[str], keys: Sequence[str] | None = None, *, points: int | None = 2000
) -> pd.DataFrame:
    """Return metrics of some runs, each series thinned by itself.

    Parameters
    ----------
    keys : metric keys as logged, such as "val/loss"; None: all that have numbers.
    points : about the most rows of one series; each bucket of rows keeps its first, last, minimum, maximum (of
        equal values the first) and every NaN. None: every row.

    Returns
    -------
    DataFrame (n, 5): run_id, key, step [1], wallclock [UTC], value [as logged], ordered by run, key, step, wallclock.

    References
    ----------
    M4 aggregation: Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014, section 4.
    """
    import pandas as pd

    sizes = _sizes(read, sorted(set(run_ids)), None if keys is None else sorted(set(keys)))
    frames = [_fetched(read, some, points) for some in _parcels(sizes)]
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def _sizes(read: Reader, run_ids: Sequence[str], keys: Sequence[str] | None) -> dict[str, dict[str, int]]:
    """Return run id -> key -> points, of the series that have any; ordered by both."""
    if not run_ids or (keys is not None and not keys):
        return {}
    which = "" if keys is None else f" and key in {literal(tuple(keys))}"
    query = f"""
        select run_id, key, points from latest_metrics
        where run_id in {literal(tuple(run_ids))}{which} order by run_id, key"""
    found: dict[str, dict[str, int]] = {}
    for row in read.rows(query):
        found.setdefault(row["run_id"], {})[row["key"]] = row["points"]
    return found


def _parcels(sizes: dict[str, dict[str, int]]) -> list[dict[str, dict[str, int]]]:
    """Return the runs in groups that have at most `AT_ONCE` points together; a run beyond that stands alone."""
    parcels: list[dict[str, dict[str, int]]] = [{}]
    held = 0
    for run_id, series in sizes.items():
        size = sum(series.values())
        if parcels[-1] and held + size > AT_ONCE:
            parcels.append({})
            held = 0
        parcels[-1][run_id] = series
        held += size
    return parcels


def _fetched(read: Reader, sizes: dict[str, dict[str, int]], points: int | None) -> pd.DataFrame:
    """Return the thinned series of some runs.

    Runs and keys travel and are sorted as members of an ENUM, which are numbers: texts of every point would cost more
    than all the rest. The lists are sorted, so that the order is that of the texts.
    """
    import pandas as pd

    run_ids, keys = list(sizes), sorted({key for series in sizes.values() for key in series})
    if not keys:
        return read.frame("select run_id, key, step, wallclock, value from metrics where false")
    runs, names = literal(tuple(run_ids)), literal(tuple(keys))
    alone = len(run_ids) == len(keys) == 1
    which = f"owner_id::enum{runs} as run_id, key::enum{names} as key, "
    if alone:
        which = ""
    elif any("\0" in key for key in keys):  # which no ENUM may have
        which = "owner_id as run_id, key, "
    frame = read.frame(f"""
        select {which}step, wallclock, value from metrics
        where owner_kind = 'run' and owner_id in {runs} and key in {names} and value is not null
        order by {"" if alone else "1, 2, "}step, wallclock""")
    none = np.zeros(len(frame), dtype=np.int64)
    known = (("run_id", run_ids), ("key", keys))
    places = [none if alone else pd.Categorical(frame[name], all_).codes.astype(np.int64) for name, all_ in known]
    if points is not None:
        kept = _kept(places[0] * len(keys) + places[1], frame["value"].to_numpy(np.float64), points)
        if not kept.all():
            frame, places = frame[kept].reset_index(drop=True), [each[kept] for each in places]
    texts = {"run_id": pd.Series(run_ids).array.take(places[0]), "key": pd.Series(keys).array.take(places[1])}
    return frame.assign(**texts)[["run_id", "key", "step", "wallclock", "value"]]


def _kept(series: np.ndarray[Any, Any], values: np.ndarray[Any, Any], points: int) -> np.ndarray[Any, Any]:
    """Return which rows a thinned series keeps; see `many_series`.

    Parameters
    ----------
    series : (n,) which series a row belongs to; the rows of one stand together, in their order.
    values : (n,) numbers; NaN and inf may be among them.

    Returns
    -------
    bool array (n,).
    """
    count = len(series)
    starts = np.flatnonzero(np.diff(series, prepend=-1))
    lengths = np.diff(starts, append=count)
    length = np.repeat(lengths, lengths)
    bucket = (np.arange(count) - np.repeat(starts, lengths)) * max(1, points // 4) // length
    kept: np.ndarray[Any, Any] = (length <= points) | np.isnan(values)
    if kept.all():
        return kept
    firsts = np.flatnonzero((np.diff(series, prepend=-1) != 0) | (np.diff(bucket, prepend=-1) != 0))
    sizes = np.diff(firsts, append=count)
    place = np.repeat(np.arange(len(firsts)), sizes)
    kept[firsts] = kept[firsts + sizes - 1] = True
    for extreme in (np.fmin, np.fmax):  # both pass over NaN
        rows = np.flatnonzero(values == extreme.reduceat(values, firsts)[place])
        kept[rows[np.diff(place[rows], prepend=-1) != 0]] = True
    return kept
