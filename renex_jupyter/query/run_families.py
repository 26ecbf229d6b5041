"""Questions about runs that are about to be deleted: their children, and the snapshots that are theirs alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from renex_jupyter.records.runs import Run
from renex_jupyter.store.reader import Reader

_FAMILY = """
    with recursive family as (
        select unnest($ids::varchar[]) as run_id
        union select r.run_id from inside.runs r join family f on r.parent_run_id = f.run_id)"""
# In words of a message; the first that holds is told.
_REASONS = """
    case when label is not null then 'it is labelled ' || label
         when message is not null then 'it has a message'
         when not coalesce(hidden, false) then 'it was taken by hand'
         when snapshot_id in (select unnest([before_snapshot_id, after_snapshot_id]) from others) then 'another run names it'
         when snapshot_id in (select snapshot_id from inside.model_versions where snapshot_id is not null)
             then 'a model version names it'
         when snapshot_id in (select owner_id from inside.notes where owner_kind = 'snapshot') then 'it has notes'
         when snapshot_id in (select owner_id from tags where owner_kind = 'snapshot') then 'it has tags' end"""


def family_of(read: Reader, run_ids: Sequence[str]) -> list[Run]:
    """Return some runs and all that are part of them, without what they logged; those that were asked for stand first."""
    rows = read.rows(
        f"""{_FAMILY} select * from inside.runs where run_id in (from family)
        order by list_contains($ids::varchar[], run_id) desc, started_at, run_id""",
        {"ids": list(run_ids)},
    )
    return [Run(**{**row, "action": row["action"] and json.loads(row["action"])}) for row in rows]


def snapshots_of(read: Reader, run_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return snapshot_id, namespace, message, label and reason of the snapshots that belong to some runs; a reason why it
    must stay, or null.
    """
    query = f"""
        with others as (select * from inside.runs where not list_contains($ids::varchar[], run_id))
        select snapshot_id, namespace, message, label, {_REASONS} as reason from inside.snapshots
        where list_contains($ids::varchar[], run_id) or snapshot_id in (
            select unnest([before_snapshot_id, after_snapshot_id]) from inside.runs
            where list_contains($ids::varchar[], run_id))
        order by created_at, snapshot_id"""
    return read.rows(query, {"ids": list(run_ids)})
