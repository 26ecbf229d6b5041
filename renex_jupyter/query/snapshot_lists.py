"""Which snapshots there are, by what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from renex_jupyter.records.changes import to_microseconds
from renex_jupyter.store.reader import Reader

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a snapshot must be to be listed; None: anything."""

    message: str | None = None  # a part of it, in upper or lower case
    label: str | None = None
    notebook: str | None = None  # its path in the project, or the end of it
    namespace: str | None = None
    run_id: str | None = None  # taken in this run, or before or after it
    since: datetime | None = None
    until: datetime | None = None
    hidden: bool = False  # also those that runs made by themselves


_CONDITIONS = {
    "message": "contains(lower(message), lower($message))",
    "label": "label = $label",
    "notebook": "(notebook = $notebook or ends_with(notebook, '/' || $notebook))",
    "namespace": "namespace = $namespace",
    "run_id": """(run_id = $run_id or snapshot_id in (
        select unnest([before_snapshot_id, after_snapshot_id]) from runs where run_id = $run_id))""",
    "since": "created_at >= make_timestamptz($since)",
    "until": "created_at < make_timestamptz($until)",
}


def list_snapshots(read: Reader, wanted: Wanted, limit: int) -> pd.DataFrame:
    """Return the columns of `snapshots` of those that are wanted, the newest first."""
    given = {name: value for name in _CONDITIONS if (value := getattr(wanted, name)) is not None}
    clauses = [_CONDITIONS[name] for name in given] + ([] if wanted.hidden else ["not coalesce(hidden, false)"])
    query = f"select * from snapshots where {' and '.join(clauses) or 'true'} order by created_at desc limit $limit"
    return read.frame(query, {**{name: _plain(value) for name, value in given.items()}, "limit": limit})


def holders_of(read: Reader, label: str) -> list[str]:
    """Return the ids of the snapshots that bear a label, the newest first."""
    rows = read.rows("select snapshot_id from snapshots where label = ? order by created_at desc", [label])
    return [row["snapshot_id"] for row in rows]


def run_of_state(read: Reader, snapshot_id: str) -> dict[str, Any] | None:
    """Return run_id, name and side ("before", "after") of the run whose state a snapshot is."""
    query = """
        select run_id, name, case when before_snapshot_id = $id then 'before' else 'after' end as side
        from runs where $id in (before_snapshot_id, after_snapshot_id) limit 1"""
    rows: Sequence[dict[str, Any]] = read.rows(query, {"id": snapshot_id})
    return rows[0] if rows else None


def _plain(value: Any) -> Any:
    return to_microseconds(value) if isinstance(value, datetime) else value
