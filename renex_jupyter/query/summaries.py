"""Questions whose answer is a line or two: what a snapshot holds, what a run's metrics came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from renex_jupyter.store.reader import Reader


def metric_summaries(read: Reader, run_id: str) -> list[dict[str, Any]]:
    """Return the columns of `latest_metrics` for one run, ordered by key."""
    query = """
        select key, value, step, min_value, max_value, points from latest_metrics
        where owner_kind = 'run' and owner_id = ? order by key"""
    return read.rows(query, [run_id])


def snapshot_summaries(read: Reader, snapshot_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return what snapshots hold, in numbers.

    Returns
    -------
    dicts: snapshot_id, message, label, created_at, partial, cells [count], files [count], packages [count].
    """
    # In JSON no other quote than that of a field stands before the colon. To unpack the entries takes ten times as long.
    query = """
        with counted as (
            select part_id, (length(entries::varchar) - length(replace(entries::varchar, '"sha256":"', ''))) // 10 as contents
            from inside.file_parts
            where part_id in (
                select unnest(from_json(parts, '["VARCHAR"]')) from inside.snapshots
                where snapshot_id in (select unnest($ids::varchar[]))))
        select snapshot_id, message, label, created_at, coalesce(partial, false) as partial,
               coalesce((select json_array_length(cells) from inside.codes c where c.code_id = s.code_id), 0) as cells,
               coalesce((select sum(contents) from counted f
                         where f.part_id in (select unnest(from_json(s.parts, '["VARCHAR"]')))), 0)::bigint
                   + (notebook_sha256 is not null)::bigint as files,
               coalesce((select json_array_length(packages) from inside.environments e
                         where e.environment_id = s.environment_id), 0) as packages
        from inside.snapshots s
        where snapshot_id in (select unnest($ids::varchar[]))
        order by created_at"""
    return read.rows(query, {"ids": list(snapshot_ids)})


def last_verdict(read: Reader, run_id: str) -> dict[str, Any] | None:
    """Return what was found when a run was last done again: verdict, reason, rerun_run_id; None when it never was."""
    query = """
        select verdict, reason, rerun_run_id from verifications where run_id = ? order by created_at desc limit 1"""
    return next(iter(read.rows(query, [run_id])), None)


def python_of(read: Reader, environment_id: str | None) -> str:
    """Return the Python version of an environment, or nothing where it is not known."""
    if not environment_id:
        return ""
    rows = read.rows("select python from inside.environments where environment_id = ?", [environment_id])
    return (rows[0]["python"] or "") if rows else ""
