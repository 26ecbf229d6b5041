"""Questions about events: a list, spans of time, and where the time of a run went."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from renex_jupyter.records.owners import Owner
from renex_jupyter.store.reader import Reader

if TYPE_CHECKING:
    import pandas as pd


def list_events(
    read: Reader,
    owner: Owner | None,
    *,
    name: str | None = None,
    source: str | None = None,
    since: datetime | None = None,
    limit: int = 1000,
) -> pd.DataFrame:
    """Return events, newest first; of an owner, a name, a source, since a moment, where these are given."""
    tests = {
        "owner_kind = $kind and owner_id = $id": {"kind": owner.kind, "id": owner.id} if owner else None,
        "name = $name": None if name is None else {"name": name},
        "source = $source": None if source is None else {"source": source},
        "wallclock >= $since": None if since is None else {"since": since},
    }
    asked = {test: params for test, params in tests.items() if params is not None}
    query = f"""
        select event_id, owner_kind, owner_id, run_id, name, source, phase, wallclock, metadata, span_id
        from events where {" and ".join(asked) or "true"}
        order by wallclock desc, logged_at desc, event_id limit $limit"""
    merged = {key: value for params in asked.values() for key, value in params.items()}
    return read.frame(query, merged | {"limit": limit})


def time_by_name(read: Reader, owner: Owner) -> pd.DataFrame:
    """Return what took the time of an owner, by name and source.

    Returns
    -------
    DataFrame (n, 8): name, source, spans [count, those that ended], open [count, without an end], total_s [s], mean_s [s],
        max_s [s], share [1, of the duration of a run so far; null for what is no run], the longest total first.
    """
    query = """
        with took as (
            select coalesce(duration_s, epoch_us(coalesce(ended_at, last, now()) - started_at) / 1e6) as seconds
            from inside.runs r, (select max(wallclock) as last from events where owner_kind = $kind and owner_id = $id
                                 and (select status from inside.runs where run_id = $id) <> 'running')
            where $kind = 'run' and r.run_id = $id)
        select name, source, count(duration_s) as spans, count(*) - count(duration_s) as open,
               coalesce(sum(duration_s), 0) as total_s, avg(duration_s) as mean_s, max(duration_s) as max_s,
               coalesce(sum(duration_s), 0) / nullif((select seconds from took), 0) as share
        from event_spans where owner_kind = $kind and owner_id = $id
        group by name, source order by total_s desc, name, source nulls first"""
    return read.frame(query, {"kind": owner.kind, "id": owner.id})


def spans_of(read: Reader, owner: Owner) -> list[dict[str, Any]]:
    """Return the spans of an owner by their start: name, source, started_at, ended_at, duration_s, metadata [JSON text]."""
    query = """
        select name, source, started_at, ended_at, duration_s, metadata from event_spans
        where owner_kind = $kind and owner_id = $id order by started_at, name"""
    return read.rows(query, {"kind": owner.kind, "id": owner.id})


def instants_of(read: Reader, owner: Owner) -> list[dict[str, Any]]:
    """Return the events of an owner that take no time: name, source, wallclock, metadata [JSON text]."""
    query = """
        select name, source, wallclock, metadata from events
        where phase is null and owner_kind = $kind and owner_id = $id order by wallclock, name"""
    return read.rows(query, {"kind": owner.kind, "id": owner.id})


def newest_run(read: Reader) -> str | None:
    """Return the id of the run that was started last, of those that have spans if any has."""
    query = """
        select run_id from inside.runs
        order by run_id in (select run_id from inside.events where phase is not null) desc, started_at desc, run_id limit 1"""
    rows = read.rows(query)
    return rows[0]["run_id"] if rows else None


def frame_of_time(read: Reader, owner: Owner) -> tuple[datetime | None, datetime | None]:
    """Return when a run began and ended, None where it has not; of what is no run, None for both."""
    rows = read.rows(
        "select started_at, ended_at from inside.runs where $kind = 'run' and run_id = $id",
        {"kind": owner.kind, "id": owner.id},
    )
    return (rows[0]["started_at"], rows[0]["ended_at"]) if rows else (None, None)
