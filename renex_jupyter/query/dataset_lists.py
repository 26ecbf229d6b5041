"""Questions for lists of datasets, and of the versions of one: a page at a time, whatever their number."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from renex_jupyter.query.orders import direction
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.tables import among

WORSE = "worse"  # the change of a measure that has to be looked at
MOST_SAID = 20  # prediction sets, kept patterns or notes of one object
_ORDERS = {"name": "namespace {0}, name", "n_samples": "n_samples", "changed_at": "changed_at"}
_VERSION_ORDERS = ("version", "n_samples", "created_at")
_COUNTED = """
    (select d.*, coalesce(versions, 0) as versions, latest, n_samples, coalesce(version_at, d.created_at) as changed_at
     from datasets d left join (
         select dataset_id, count(*) as versions, max(version) as latest, arg_max(n_samples, version) as n_samples,
                max(created_at) as version_at
         from inside.dataset_versions group by dataset_id
     ) using (dataset_id))"""
# The newest search of each dataset version and what predicted on it; by another error it is another search.
NEWEST_SEARCH = """
    (select * from inside.pattern_searches
     qualify row_number() over (
         partition by dataset_version_id, coalesce(model_version_id, prediction_set_id), error
         order by created_at desc, pattern_search_id desc) = 1)"""
_JSON = ("fields", "classes", "splits", "files")


def count_datasets(read: Reader, *, search: str = "") -> int:
    """Return how many datasets match a search text."""
    where, params = _matching(search)
    return int(read.rows(f"select count(*) as n from datasets where {where}", params)[0]["n"])


def list_datasets(
    read: Reader,
    *,
    search: str = "",
    order_by: str = "changed_at",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Return one page of datasets, those that are archived last.

    Parameters
    ----------
    search : words that must all be in the name, namespace, task, owner or description, or the name of a kept pattern.
    order_by : one of name, n_samples, changed_at.

    Returns
    -------
    dicts of the columns of `datasets`, and `versions` [count], `latest` (number of the newest), `n_samples` of that,
    `changed_at` [UTC], `patterns` {status: number} of the newest search, `kept` [count of kept patterns] and `worse` (name,
    previous_rate, error_rate, error of kept patterns that got worse at last).

    Raises
    ------
    RenexError : `invalid_argument` for another order.
    """
    way = direction("datasets", order_by, _ORDERS, descending=descending)
    where, params = _matching(search)
    order = f"{_ORDERS[order_by].format(way)} {way} nulls last, namespace, name, dataset_id"
    rows = read.rows(
        f"""select * from {_COUNTED} where {where}
        order by coalesce(archived, false), {order} limit $limit offset $offset""",
        {**params, "limit": limit, "offset": offset},
    )
    ids = [row["dataset_id"] for row in rows]
    if not ids:
        return []
    patterns, kept = _patterns(read, ids), kept_patterns(read, ids)
    return [
        {
            **row,
            "patterns": patterns.get(row["dataset_id"], {}),
            "kept": len(kept.get(row["dataset_id"], [])),
            "worse": [each for each in kept.get(row["dataset_id"], []) if each["change"] == WORSE],
        }
        for row in rows
    ]


def _matching(search: str) -> tuple[str, dict[str, Any]]:
    clauses, params = ["true"], {}
    for place, word in enumerate(search.split()):
        params[f"word{place}"] = word
        has = f"contains(lower({{}}), lower($word{place}))"
        own = has.format("concat_ws(' ', namespace || '/' || name, task, owner, description, dataset_id)")
        kept = f"dataset_id in (select dataset_id from inside.named_patterns where {has.format('name')})"
        clauses.append(f"({own} or {kept})")
    return " and ".join(clauses), params


def _patterns(read: Reader, dataset_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return dataset id -> status -> patterns of the search that was made last."""
    query = f"""
        select dataset_id, status, count(*) as n from (
            select v.dataset_id, pattern_search_id from inside.pattern_searches s
            join inside.dataset_versions v using (dataset_version_id) where {among("v.dataset_id", dataset_ids)}
            qualify row_number() over (partition by v.dataset_id order by s.created_at desc, pattern_search_id desc) = 1
        ) join inside.failure_patterns using (pattern_search_id) group by all order by status"""
    found: dict[str, dict[str, int]] = {}
    for row in read.rows(query):
        found.setdefault(row["dataset_id"], {})[row["status"] or ""] = int(row["n"])
    return found


def kept_patterns(read: Reader, dataset_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return dataset id -> patterns that are kept by name, with what was measured of each at last.

    Returns
    -------
    dicts of the columns of `named_patterns`, and support, error_rate, base_rate, previous_rate, change and measured_at of
    the newest measure, and `model` ("ns/name v3") that it was of; None where there is no measure.
    """
    query = f"""
        select n.*, m.support, m.error_rate, m.base_rate, m.previous_rate, m.change, m.created_at as measured_at,
               mv.namespace || '/' || mv.model || ' v' || mv.version as model
        from inside.named_patterns n left join (
            select * from inside.pattern_measures
            qualify row_number() over (partition by named_pattern_id order by created_at desc, pattern_measure_id desc) = 1
        ) m using (named_pattern_id) left join model_versions mv on mv.model_version_id = m.model_version_id
        where {among("n.dataset_id", dataset_ids)} order by n.name, named_pattern_id"""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in read.rows(query):
        found.setdefault(row["dataset_id"], []).append(row)
    return found


def get_dataset(read: Reader, dataset_id: str) -> dict[str, Any] | None:
    """Return the columns of one dataset with its `versions` [count] and `latest`, or None."""
    rows = read.rows(f"select * from {_COUNTED} where dataset_id = ?", [dataset_id])
    return rows[0] if rows else None


def list_versions(
    read: Reader,
    dataset_id: str,
    *,
    order_by: str = "version",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Return one page of the versions of a dataset: see `get_version`.

    Raises
    ------
    RenexError : `invalid_argument` for an order other than version, n_samples and created_at.
    """
    way = direction("versions", order_by, _VERSION_ORDERS, descending=descending)
    rows = read.rows(
        f"""{_VERSION} where dataset_id = $dataset
        order by {order_by} {way} nulls last, version desc limit $limit offset $offset""",
        {"dataset": dataset_id, "limit": limit, "offset": offset},
    )
    return [_read(row) for row in rows]


def get_version(read: Reader, version_id: str | None, *, newest_of: str = "") -> dict[str, Any] | None:
    """Return one version: that of an id, or without an id the newest of a dataset; None where there is no such version.

    Returns
    -------
    A dict of the columns of `dataset_versions`, with `fields`, `classes`, `splits` and `files` as plain values, `sets`
    [count of prediction sets], `patterns` [count over its newest searches], `size` [bytes] and `run_name`.
    """
    if version_id is not None:
        rows = read.rows(f"{_VERSION} where dataset_version_id = ?", [version_id])
    else:
        rows = read.rows(f"{_VERSION} where dataset_id = ? order by version desc limit 1", [newest_of])
    return _read(rows[0]) if rows else None


_VERSION = f"""
    select v.*, namespace, d.name as dataset, r.name as run_name,
           coalesce(p.n, 0) as sets, coalesce(f.n, 0) as patterns
    from inside.dataset_versions v join (select dataset_id, namespace, name from inside.datasets) d using (dataset_id)
    left join (select run_id, name from inside.runs) r using (run_id)
    left join (select dataset_version_id, count(*) as n from inside.prediction_sets group by all) p using (dataset_version_id)
    left join (
        select s.dataset_version_id, count(*) as n from {NEWEST_SEARCH} s
        join inside.failure_patterns using (pattern_search_id) group by all
    ) f using (dataset_version_id)"""


def _read(row: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: json.loads(row[name]) if row[name] else [] for name in _JSON}
    files = told["files"] if isinstance(told["files"], list) else []
    return {**row, **told, "size": sum(int(each.get("size") or 0) for each in files)}


def prediction_sets(read: Reader, version_id: str) -> list[dict[str, Any]]:
    """Return the newest prediction sets on a dataset version: their columns, and `title` of what predicted."""
    query = f"""
        select *, {_PREDICTED_BY} as title from prediction_sets p where dataset_version_id = ?
        order by created_at desc, prediction_set_id limit {MOST_SAID}"""
    return read.rows(query, [version_id])


_PREDICTED_BY = """coalesce(
    (select namespace || '/' || model || ' v' || version from model_versions mv
     where mv.model_version_id = p.model_version_id), p.name, left(p.prediction_set_id, 8))"""


def notes_of(read: Reader, dataset_id: str, version_id: str | None) -> list[dict[str, Any]]:
    """Return the newest notes on a dataset, or on one of its versions."""
    kind, own_id = ("dataset_version", version_id) if version_id else ("dataset", dataset_id)
    query = f"""
        select text, author, created_at from notes where owner_kind = '{kind}' and owner_id = ?
        order by created_at desc, note_id limit {MOST_SAID}"""
    return read.rows(query, [own_id])
