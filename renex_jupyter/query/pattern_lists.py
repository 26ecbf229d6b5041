"""Questions for the failure patterns of a dataset version: which searches there were, and what one of them found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from renex_jupyter.query.dataset_lists import NEWEST_SEARCH
from renex_jupyter.query.orders import direction
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.tables import among

MOST_SEARCHES = 50  # of one dataset version that can be chosen from
_ORDERS = ("position", "error_rate", "holdout_error_rate", "support")


def list_searches(read: Reader, version_id: str) -> list[dict[str, Any]]:
    """Return the newest search for each model version and error on a dataset version, the newest first.

    Returns
    -------
    dicts of the columns of `pattern_searches` with `params` {}, and `model` ("ns/name:3", None without one), `title` of
    what predicted, and `patterns` [count].
    """
    query = f"""
        select s.*, mv.namespace || '/' || mv.model || ':' || mv.version as model,
               coalesce(mv.namespace || '/' || mv.model || ' v' || mv.version, p.name, left(s.prediction_set_id, 8)) as title,
               coalesce(f.n, 0) as patterns
        from {NEWEST_SEARCH} s
        left join inside.prediction_sets p on p.prediction_set_id = s.prediction_set_id
        left join model_versions mv on mv.model_version_id = coalesce(s.model_version_id, p.model_version_id)
        left join (select pattern_search_id, count(*) as n from inside.failure_patterns group by all) f
            on f.pattern_search_id = s.pattern_search_id
        where s.dataset_version_id = ?
        order by s.created_at desc, s.pattern_search_id desc limit {MOST_SEARCHES}"""
    return [{**row, "params": _plain(row["params"])} for row in read.rows(query, [version_id])]


def list_patterns(
    read: Reader,
    search_id: str,
    *,
    order_by: str = "position",
    descending: bool = False,
    limit: int = 50,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Return one page of what a search found: see `get_pattern`.

    Raises
    ------
    RenexError : `invalid_argument` for an order other than position, error_rate, holdout_error_rate and support.
    """
    way = direction("patterns", order_by, _ORDERS, descending=descending)
    rows = read.rows(
        f"""select * from inside.failure_patterns where pattern_search_id = $search
        order by {order_by} {way} nulls last, position, failure_pattern_id limit $limit offset $offset""",
        {"search": search_id, "limit": limit, "offset": offset},
    )
    return [_read(row) for row in rows]


def count_patterns(read: Reader, search_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return search id -> status -> patterns that the search found; one that found none is left out."""
    rows = read.rows(
        f"""select pattern_search_id, coalesce(status, 'not tested') as status, count(*) as n from inside.failure_patterns
        where {among("pattern_search_id", sorted(set(search_ids)))} group by all order by status"""
    )
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["pattern_search_id"], {})[row["status"]] = int(row["n"])
    return found


def get_pattern(read: Reader, pattern_id: str) -> dict[str, Any] | None:
    """Return the columns of one failure pattern, with `predicate` and `contributions` as plain values, or None."""
    rows = read.rows("select * from inside.failure_patterns where failure_pattern_id = ?", [pattern_id])
    return _read(rows[0]) if rows else None


def _read(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, **{name: _plain(row[name]) for name in ("predicate", "contributions")}}


def _plain(kept: str | None) -> Any:
    return json.loads(kept) if kept else {}
