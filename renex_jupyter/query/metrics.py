"""Questions about metric series, thinned for a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from renex_jupyter.records.metrics import MetricDefinition
from renex_jupyter.records.owners import Owner
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
    kinds: Sequence[str] = ("run",),
) -> pd.DataFrame:
    """Return metrics of some runs, each series thinned by itself.

    Parameters
    ----------
    run_ids : ids, or id -> name: then the names are in the column `name` after `run_id`.
    keys : metric keys as logged, such as "val/loss"; None: all that have numbers.
    points : about the most rows of one series; each of points / 4 buckets of rows keeps its first, last, minimum and
        maximum (of equal values the first), and its first and last NaN. None: every row.
    kinds : of what the ids are.

    Returns
    -------
    DataFrame (n, 5): run_id, key, step [1], wallclock [UTC], value [as logged], the runs in the order given, within a
        run ordered by key, step, wallclock.

    References
    ----------
    M4 aggregation: Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014, section 4.
    """
    import pandas as pd

    sizes = _sizes(read, list(dict.fromkeys(run_ids)), keys, kinds)
    names = run_ids if isinstance(run_ids, Mapping) else None
    frames = [_fetched(read, some, points, names, kinds) for some in _parcels(sizes)]
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


@dataclass(frozen=True, slots=True)
class Owned:
    """What has metrics: an object, or its evaluation on a dataset."""

    whole: Owner
    owner: Owner  # the same, or its evaluation
    dataset: str | None


def evaluations_of(read: Reader, owner: Owner) -> list[Owned]:
    """Return what an object was evaluated on, by the name of the dataset."""
    query = """
        select evaluation_id, dataset from evaluations where owner_kind = ? and owner_id = ? order by dataset"""
    rows = read.rows(query, [owner.kind, owner.id])
    return [
        Owned(owner, Owner("evaluation", row["evaluation_id"], owner.namespace, owner.title), row["dataset"])
        for row in rows
    ]


def series_of(
    read: Reader, owned: Sequence[Owned], keys: Sequence[str] | None = None, *, points: int | None = 2000
) -> pd.DataFrame:
    """Return metrics of any objects, each series thinned by itself as `many_series` does.

    Returns
    -------
    DataFrame (n, 8): owner_kind, owner_id, name, dataset, key, step, wallclock, value; in the order given, then by key,
        step, wallclock.
    """
    by_id = {each.owner.id: each for each in owned}
    kinds = sorted({each.owner.kind for each in owned})
    frame = many_series(read, list(by_id), keys, points=points, kinds=kinds)
    return _named(frame.rename(columns={"run_id": "owner_id"}), by_id)


def summaries_of(read: Reader, owned: Sequence[Owned], keys: Sequence[str] | None = None) -> pd.DataFrame:
    """Return one row per metric of some objects.

    Returns
    -------
    DataFrame (n, 12): owner_kind, owner_id, name, dataset, key, last, min, max, mean [as logged], points, goal, summary
        [as logged]; in the order given, then by key.
    """
    import pandas as pd

    by_id = {each.owner.id: each for each in owned}
    which = "" if keys is None else f" and {among('key', keys)}" if keys else " and false"
    kinds = sorted({each.owner.kind for each in owned})
    query = f"""
        select owner_id, key, last, min, max, mean, points, goal, summary from metric_summaries
        where {among("owner_kind", kinds)} and {among("owner_id", list(by_id))}{which} order by key"""
    frame = read.frame(query)
    places = {owner_id: place for place, owner_id in enumerate(by_id)}
    order = frame["owner_id"].map(places).to_numpy(dtype=np.int64).argsort(kind="stable")
    frame = frame.iloc[order].reset_index(drop=True)
    return _named(frame, by_id) if len(frame) else _named(frame.astype({"owner_id": pd.StringDtype()}), by_id)


def find_definition(read: Reader, key: str) -> MetricDefinition | None:
    """Return what is said of a metric, if anything."""
    rows = read.rows("select key, goal, summary, unit, description from metric_definitions where key = ?", [key])
    return MetricDefinition(**rows[0]) if rows else None


def values_of(read: Reader, owned: Owned, key: str) -> list[dict[str, Any]]:
    """Return the points of one metric with every column that keeps a value, ordered by step and wallclock."""
    query = """
        select step, wallclock, value, text_value, bytes_value, dtype, shape from metrics
        where owner_kind = ? and owner_id = ? and key = ? order by step, wallclock"""
    return read.rows(query, [owned.owner.kind, owned.owner.id, key])


def _named(frame: pd.DataFrame, by_id: Mapping[str, Owned]) -> pd.DataFrame:
    """Put kind, title and dataset beside the ids of objects."""
    rows = [by_id[each] for each in frame["owner_id"]]
    more: dict[str, Any] = {
        "owner_kind": [each.whole.kind for each in rows],
        "owner_id": [each.whole.id for each in rows],
        "name": [each.whole.title for each in rows],
        "dataset": [each.dataset for each in rows],
    }
    rest = [name for name in frame.columns if name != "owner_id"]
    return frame.assign(**more)[[*more, *rest]]


def _sizes(
    read: Reader, run_ids: Sequence[str], keys: Sequence[str] | None, kinds: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Return run id -> key -> points, of the series that have any; the runs in the order given."""
    if not run_ids or (keys is not None and not keys):
        return {}
    which = "" if keys is None else f" and {among('key', keys)}"
    of = f"{among('owner_kind', kinds)} and {among('owner_id', run_ids)}{which}"
    query = f"select owner_id as run_id, key, points from latest_metrics where {of}"
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
    read: Reader,
    sizes: dict[str, dict[str, int]],
    points: int | None,
    names: Mapping[str, str | None] | None,
    kinds: Sequence[str],
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
        where {among("owner_kind", kinds)} and value is not null and {among("owner_id", run_ids)}
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
