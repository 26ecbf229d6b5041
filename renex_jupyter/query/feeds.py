"""Questions for the feed: what happened outside, and what happened to the objects here, in one order, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter.query.runs import runs_that_go_on
from renex_jupyter.records.events import START
from renex_jupyter.records.models import ACTIVE, RETIRED
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.tables import among

EVENT, CHANGE = "event", "change"  # what an entry is
EVERYTHING = "*"  # as a kind of changes: also those that the feed leaves out unasked
# Changes that come with others, in numbers, and say little by themselves.
LEFT_OUT = ("params", "tasks", "environments", "hardware", "evaluations", "events", "links", "failure_patterns",
            "pattern_measures")  # fmt: skip
# A decision that retires or restores a version is an entry of its own, with the reason; that it was made after a look at
# drift is written to it at once.
_BY_DECISION = f"""
    (object_kind = 'decisions' and action = 'update' or object_kind = 'model_versions' and action = 'update'
     and coalesce(json_extract_string(after, '$.status') in ('{RETIRED}', '{ACTIVE}'), false)
     and object_id in (select model_version_id from inside.decisions))"""

# An event that takes time is one entry, of the moment of its finish; before that, of its start.
_HAPPENINGS = """
    (select event_id as id, owner_kind, owner_id, run_id, name, source, wallclock as began, ended, phase, span_id,
            coalesce(ended, wallclock) as moment, metadata, finish_id
     from (
        select *, case when next_phase = 'finish' then next_at end as ended,
               case when next_phase = 'finish' then next_id end as finish_id
        from (
            select *, lead(phase) over f as next_phase, lead(wallclock) over f as next_at, lead(event_id) over f as next_id,
                   lag(phase) over f as phase_before
            from events where phase is not null
            window f as (partition by owner_kind, owner_id, source, name, span_id order by wallclock, logged_at, event_id)
        ) where phase = 'start' or phase_before is distinct from 'start'
        union all by name
        select * from events where phase is null
     ))"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for."""

    what: str = ""  # EVENT, CHANGE; empty: both
    kind: str = ""  # of a change the table of its object, of an event its source
    search: str = ""  # words that must all be in it


def count_feed(read: Reader, wanted: Wanted) -> int:
    """Return how many entries are asked for."""
    params: dict[str, Any] = {}
    counts = [f"(select count(*) from {relation})" for relation in _relations(wanted, params).values()]
    return int(read.rows(f"select {' + '.join(counts)} as n", params)[0]["n"])


def list_feed(read: Reader, wanted: Wanted, *, limit: int = 50, offset: int = 0) -> list[dict[str, Any]]:
    """Return one page of entries, the newest first.

    Returns
    -------
    dicts of `what` (EVENT or CHANGE), `id`, `moment` [UTC] and, of an event, owner_kind, owner_id, run_id, name, source,
    phase, `began`, `ended` [UTC, None for what takes no time or has no finish], `goes_on` (whether a finish may still
    come: not when the run is over) and `metadata` {}; of a change actor, action, object_kind, object_id, namespace,
    `before` and `after` ({} or None).
    """
    params: dict[str, Any] = {"limit": limit, "offset": offset}
    parts = [
        f"select '{what}' as what, id, moment from {relation}" for what, relation in _relations(wanted, params).items()
    ]
    # The order is found without the texts, which are then read of one page only.
    query = f"select * from ({' union all '.join(parts)}) order by moment desc, id desc limit $limit offset $offset"
    page = read.rows(query, params)
    found = {
        EVENT: _events(read, [row["id"] for row in page if row["what"] == EVENT]),
        CHANGE: _changes(read, [row["id"] for row in page if row["what"] == CHANGE]),
    }
    return [{**row, **found[row["what"]].get(row["id"], {})} for row in page if row["id"] in found[row["what"]]]


def get_entry(read: Reader, what: str, entry_id: str) -> dict[str, Any] | None:
    """Return what `list_feed` says of one entry, or None when there is none of this id."""
    found = (_events if what == EVENT else _changes)(read, [entry_id]).get(entry_id)
    return {"what": what, **found} if found else None


def change_kinds(read: Reader) -> list[str]:
    """Return the kinds of objects that have changes, by name."""
    return [row["kind"] for row in read.rows("select distinct object_kind as kind from change_events order by kind")]


def event_sources(read: Reader) -> list[str]:
    """Return the sources of events, by name."""
    query = "select distinct source from events where source is not null order by source"
    return [row["source"] for row in read.rows(query)]


def _relations(wanted: Wanted, params: dict[str, Any]) -> dict[str, str]:
    """Return what -> relation with id and moment, of what is asked for; adds to the parameters of the question."""
    relations = {}
    if wanted.what in ("", EVENT):
        clauses = _words(wanted.search, params, _EVENT_TEXT)
        if wanted.what == EVENT and wanted.kind:
            params["source"] = wanted.kind
            clauses.append("source = $source")
        relations[EVENT] = f"(select id, moment from {_HAPPENINGS} where {' and '.join(clauses)})"
    if wanted.what in ("", CHANGE):
        clauses = _words(wanted.search, params, _CHANGE_TEXT, _NAMED)
        if wanted.what == CHANGE and wanted.kind not in ("", EVERYTHING):
            params["kind"] = wanted.kind
            clauses.append("object_kind = $kind")
        elif wanted.kind != EVERYTHING:
            clauses.append(f"not {among('object_kind', LEFT_OUT)} and not {_BY_DECISION}")
        columns = 'select change_id as id, "at" as moment from change_events'
        relations[CHANGE] = f"({columns} where {' and '.join(clauses)})"
    return relations


_EVENT_TEXT = "concat_ws(' ', name, source, owner_kind, owner_id, metadata::varchar)"
_CHANGE_TEXT = "concat_ws(' ', actor, action, object_kind, object_id, namespace, before::varchar, after::varchar)"
# What an object is called is said where it was made, and not by what happened to it later.
_NAMED = """
    or object_id in (select run_id from runs where contains(lower(name), lower({word})))
    or coalesce(json_extract_string(after, '$.model_id'), split_part(object_id, '/', 1)) in (
        select model_id from models where contains(lower(namespace || '/' || name), lower({word})))
    or coalesce(json_extract_string(after, '$.dataset_id'), object_id) in (
        select dataset_id from datasets where contains(lower(namespace || '/' || name), lower({word})))
    or json_extract_string(after, '$.dataset_version_id') in (
        select dataset_version_id from dataset_versions where contains(lower(namespace || '/' || dataset), lower({word})))"""


def _words(search: str, params: dict[str, Any], text: str, named: str = "") -> list[str]:
    clauses = ["true"]
    for place, word in enumerate(search.split()):
        params[f"word{place}"] = word
        clauses.append(f"(contains(lower({text}), lower($word{place})) {named.format(word=f'$word{place}')})")
    return clauses


def _events(read: Reader, event_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    if not event_ids:
        return {}
    query = f"""
        select h.* exclude (finish_id), f.metadata as finish_metadata
        from (select * from {_HAPPENINGS} where {among("id", event_ids)}) h
        left join (select event_id, metadata from events) f on f.event_id = h.finish_id"""
    rows = read.rows(query)
    unfinished = {row["id"]: row["run_id"] for row in rows if row["phase"] == START and row["ended"] is None}
    going = runs_that_go_on(read, sorted({each for each in unfinished.values() if each}))
    for row in rows:
        row["goes_on"] = row["id"] in unfinished and (not row["run_id"] or row["run_id"] in going)
        row["metadata"] = {**_loaded(row["metadata"]), **_loaded(row.pop("finish_metadata"))}
    return {row["id"]: row for row in rows}


def _changes(read: Reader, change_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    if not change_ids:
        return {}
    writers = sorted({each.rpartition(".")[0] for each in change_ids})  # of few changes, not of all, an id is made
    query = f"""
        select change_id as id, * exclude (change_id, "at"), "at" as moment from change_events
        where {among("writer", writers)} and {among("change_id", change_ids)}"""
    rows = read.rows(query)
    for row in rows:
        row["before"] = _loaded(row["before"]) if row["before"] else None
        row["after"] = _loaded(row["after"])
    return {row["id"]: row for row in rows}


def _loaded(said: str | None) -> dict[str, Any]:
    found = json.loads(said) if said else None
    return found if isinstance(found, dict) else {}
