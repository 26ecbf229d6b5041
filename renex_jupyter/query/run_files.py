"""Questions about the files that a run made."""

from __future__ import annotations

import json
from typing import Any

from renex_jupyter.store.reader import Reader

_PARTS = """
    select snapshot_id = before_snapshot_id as before, parts::varchar as parts
    from inside.snapshots s
    join (select before_snapshot_id, after_snapshot_id from inside.runs where run_id = ?) r
        on snapshot_id in (before_snapshot_id, after_snapshot_id)"""
_ENTRY = '[{"path":"VARCHAR","kind":"VARCHAR","sha256":"VARCHAR","size":"BIGINT","mode":"BIGINT"}]'
_ENTRIES = f"""
    select e from (
        select unnest(from_json(entries, '{_ENTRY}')) as e from inside.file_parts where list_contains(%s, part_id))
    where e.kind <> 'dir'"""  # an empty folder is kept for a checkout; it is none once it has a file
_CHANGED = f"""
    with old as ({_ENTRIES % "$old::varchar[]"}), new as ({_ENTRIES % "$new::varchar[]"})
    select coalesce(new.e.path, old.e.path) as path,
           case when old.e is null then 'created' when new.e is null then 'deleted' else 'changed' end as change,
           new.e.size as size
    from old full join new on old.e.path = new.e.path
    where (old.e.sha256, old.e.kind, old.e.size, old.e.mode)
        is distinct from (new.e.sha256, new.e.kind, new.e.size, new.e.mode)
    order by path"""


def changed_files(read: Reader, run_id: str) -> list[dict[str, Any]]:
    """Return what differs in the project's files between the states before and after a run, without notebook and folders.

    Only the parts of both file trees that differ are read.

    Returns
    -------
    dicts: path, change (created, changed, deleted), size [bytes] after the run, ordered by path. Nothing where one of both
    states is missing.
    """
    parts = {row["before"]: set(json.loads(row["parts"] or "[]")) for row in read.rows(_PARTS, [run_id])}
    if len(parts) < 2 or parts[True] == parts[False]:
        return []
    differing = {"old": sorted(parts[True] - parts[False]), "new": sorted(parts[False] - parts[True])}
    return read.rows(_CHANGED, differing)
