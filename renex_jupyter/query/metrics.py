"""Questions about metric series, thinned for a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from renex_jupyter.store.reader import Reader
from renex_jupyter.store.tables import among, literal

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
    read: Reader,
    run_ids: Sequence[str] | Mapping[str, str | None],
    keys: Sequence[str] | None = None,
    *,
    points: int | None = 2000,
) -> pd.DataFrame:
    """Return metrics of some runs, each series thinned by itself.

    Parameters
    ----------
    run_ids : ids, or id -> name: then the names are in the column `name` after `run_id`.
    keys : metric keys as logged, such as "val/loss"; None: all that have numbers.
    points : about the most rows of one series; each of points / 4 buckets of rows keeps its first, last, minimum and
        maximum (of equal values the first), and its first and last NaN. None: every row.

    Returns
    -------
    DataFrame (n, 5): run_id, key, step [1], wallclock [UTC], value [as logged], the runs in the order given, within a
        run ordered by key, step, wallclock.

    References
    ----------
    M4 aggregation: Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014, section 4.
    """
    import pandas as pd

    sizes = _sizes(read, list(dict.fromkeys(run_ids)), keys)
    names = run_ids if isinstance(run_ids, Mapping) else None
    frames = [_fetched(read, some, points, names) for some in _parcels(sizes)]
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def _sizes(read: Reader, run_ids: Sequence[str], keys: Sequence[str] | None) -> dict[str, dict[str, int]]:
    """Return run id -> key -> points, of the series that have any; the runs in the order given."""
    if not run_ids or (keys is not None and not keys):
        return {}
    which = "" if keys is None else f" and {among('key', keys)}"
    query = f"select run_id, key, points from latest_metrics where owner_kind = 'run' and {among('owner_id', run_ids)}{which}"
    found: dict[str, dict[str, int]] = {run_id: {} for run_id in run_ids}
    for row in read.rows(query):
        found[row["run_id"]][row["key"]] = row["points"]
    return {run_id: series for run_id, series in found.items() if series}


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


def _fetched(
    read: Reader, sizes: dict[str, dict[str, int]], points: int | None, names: Mapping[str, str | None] | None
) -> pd.DataFrame:
    """Return the thinned series of some runs.

    Runs and keys travel and are sorted as their places in two lists: texts of every point would cost more than all the
    rest.
    """
    import pandas as pd

    run_ids, keys = list(sizes), sorted({key for series in sizes.values() for key in series})
    frame = read.frame(f"""
        select run_place, key_place, step, wallclock, value
        from metrics join ({_places(run_ids, "owner_id", "run_place")}) using (owner_id)
             join ({_places(keys, "key", "key_place")}) using (key)
        where owner_kind = 'run' and value is not null and {among("owner_id", run_ids)}
        order by run_place, key_place, step, wallclock""")
    if points is not None:
        series = frame["run_place"].to_numpy() * len(keys) + frame["key_place"].to_numpy()
        kept = _kept(series, frame["value"].to_numpy(np.float64), points)
        frame = frame if kept.all() else frame[kept].reset_index(drop=True)

    def at(texts: list[str], places: str) -> Any:
        return pd.Series(texts, dtype="str").array.take(frame[places].to_numpy())

    columns = {"run_id": at(run_ids, "run_place"), "key": at(keys, "key_place")}
    if names is not None:
        columns["name"] = at([names[run_id] or "" for run_id in run_ids], "run_place")
    order = ["run_id", *(["name"] if names is not None else []), "key", "step", "wallclock", "value"]
    return frame.assign(**columns)[order]


def _places(texts: list[str], name: str, place: str) -> str:
    return f"select unnest({literal(texts)}::varchar[]) as {name}, unnest(range({len(texts)})) as {place}"


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
    kept: np.ndarray[Any, Any] = length <= points
    if kept.all():
        return kept
    bucket = (np.arange(count) - np.repeat(starts, lengths)) * max(1, points // 4) // length
    firsts = np.flatnonzero((np.diff(series, prepend=-1) != 0) | (np.diff(bucket, prepend=-1) != 0))
    sizes = np.diff(firsts, append=count)
    place = np.repeat(np.arange(len(firsts)), sizes)
    kept[firsts] = kept[firsts + sizes - 1] = True
    for extreme in (np.fmin, np.fmax):  # both pass over NaN
        rows = np.flatnonzero(values == extreme.reduceat(values, firsts)[place])
        kept[rows[np.diff(place[rows], prepend=-1) != 0]] = True
    rows = np.flatnonzero(np.isnan(values))
    kept[rows[np.diff(place[rows], prepend=-1) != 0]] = True
    kept[rows[np.diff(place[rows], append=-1) != 0]] = True
    return kept
