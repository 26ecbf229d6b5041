"""Questions about the files that a run made."""

from __future__ import annotations

from typing import Any

from renex_jupyter.store.reader import Reader

_ENTRY = '[{"path":"VARCHAR","kind":"VARCHAR","sha256":"VARCHAR","size":"BIGINT","mode":"BIGINT"}]'
_CHANGED_FILES = f"""
    with run as (select before_snapshot_id, after_snapshot_id from inside.runs where run_id = $run_id),
    named as (
        select snapshot_id, unnest(from_json(parts, '["VARCHAR"]')) as part_id from inside.snapshots
        where snapshot_id in (select unnest([before_snapshot_id, after_snapshot_id]) from run)),
    b as (select part_id from named where snapshot_id = (select before_snapshot_id from run)),
    a as (select part_id from named where snapshot_id = (select after_snapshot_id from run)),
    old as (
        select unnest(from_json(entries, '{_ENTRY}')) as e from inside.file_parts
        where part_id in (from b) and part_id not in (from a)),
    new as (
        select unnest(from_json(entries, '{_ENTRY}')) as e from inside.file_parts
        where part_id in (from a) and part_id not in (from b))
    select coalesce(new.e.path, old.e.path) as path,
           case when old.e is null then 'created' when new.e is null then 'deleted' else 'changed' end as change,
           new.e.size as size
    from old full join new on old.e.path = new.e.path
    where (select count(after_snapshot_id) from run) = 1 and (select count(before_snapshot_id) from run) = 1
        and (old.e.sha256, old.e.kind, old.e.size, old.e.mode)
            is distinct from (new.e.sha256, new.e.kind, new.e.size, new.e.mode)
    order by path"""


def changed_files(read: Reader, run_id: str) -> list[dict[str, Any]]:
    """Return what differs in the project's files between the states before and after a run; the notebook is left out.

    Only the parts of both file trees that differ are read.

    Returns
    -------
    dicts: path, change (created, changed, deleted), size [bytes] after the run, ordered by path.
    """
    return read.rows(_CHANGED_FILES, {"run_id": run_id})
