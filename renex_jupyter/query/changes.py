"""Changes after a position: each once, per writer in its order, across writers by time as far as that keeps it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter.errors import invalid_argument, not_found
from renex_jupyter.records.cursors import Position
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.tables import schema

INTERNAL = ("codes", "file_parts", "cell_executions", "sessions")  # kinds that the view `change_events` leaves out
AT_ONCE = 2000  # changes of one question

# What was seen is told by writer and range. The time that orders a change is the latest of its writer until then.
_UNSEEN = """
    select c.writer, c.seq, at_us, max(at_us) over (partition by c.writer order by c.seq) as due
    from inside.changes c
    where not exists (
        select 1 from (select unnest($writers::varchar[]) as writer, unnest($firsts::bigint[]) as first,
                              unnest($lasts::bigint[]) as last) s
        where s.writer = c.writer and c.seq between s.first and s.last)"""


@dataclass(frozen=True, slots=True)
class Read:
    """One change as it was read."""

    writer: str
    seq: int
    wanted: bool  # the filters let it through; one that they do not is only counted as seen
    row: dict[str, Any]  # columns of the view `change_events` beside these


def changes_after(
    read: Reader,
    position: Position,
    *,
    namespace: str | None = None,
    kinds: Collection[str] | None = None,
    actions: Collection[str] | None = None,
    limit: int = AT_ONCE,
) -> list[Read]:
    """Return the changes that a position has not seen, the first `limit` of them, those that are not wanted among them.

    Parameters
    ----------
    namespace, kinds, actions : which changes are wanted: of objects in a namespace, of these tables, of these actions.
    """
    writers, firsts, lasts = [list(column) for column in zip(*position.ranges(), strict=True)] or ([], [], [])
    tests = {
        "not list_contains($internal::varchar[], kind)": True,
        "namespace = $namespace": namespace is not None,
        "list_contains($kinds::varchar[], kind)": kinds is not None,
        "list_contains($actions::varchar[], action)": actions is not None,
    }
    wanted = " and ".join(test for test, asked in tests.items() if asked)
    query = f"""
        with fresh as (select * from ({_UNSEEN}) order by due, writer, seq limit $limit)
        select f.writer, f.seq, make_timestamptz(f.at_us) as "at", actor, action, kind, id, namespace,
               coalesce({wanted}, false) as wanted,
               case when wanted then before end as before, case when wanted then after end as after
        from fresh f join inside.changes c on c.writer = f.writer and c.seq = f.seq
        order by due, f.writer, f.seq"""
    params = {
        "writers": writers,
        "firsts": firsts,
        "lasts": lasts,
        "internal": list(INTERNAL),
        "limit": limit,
        **({"namespace": namespace} if namespace is not None else {}),
        **({"kinds": list(kinds)} if kinds is not None else {}),
        **({"actions": list(actions)} if actions is not None else {}),
    }
    rows = read.rows(query, params)
    known = _known_before(read, [row for row in rows if row["wanted"] and _is_to_be_completed(row)])
    return [Read(row["writer"], row["seq"], row["wanted"], _told(row, known)) for row in rows]


def position_now(read: Reader) -> Position:
    """Return the position after everything that is recorded."""
    query = """
        select writer, min(seq) as first, max(seq) as last
        from (select writer, seq, seq - row_number() over (partition by writer order by seq) as island
              from (select distinct writer, seq from inside.changes))
        group by writer, island order by writer, first"""
    found: dict[str, list[tuple[int, int]]] = {}
    for row in read.rows(query):
        found.setdefault(row["writer"], []).append((row["first"], row["last"]))
    return Position({writer: tuple(ranges) for writer, ranges in found.items()})


def checked_kinds(kinds: Sequence[str]) -> list[str]:
    """Return names of tables whose changes can be watched; a singular, such as "run", is meant as well.

    Raises
    ------
    RenexError : `not_found`, `invalid_argument` for a table that holds only parts of others.
    """
    known = [kind for kind in schema().tables if kind not in INTERNAL]
    found = []
    for kind in kinds:
        name = next((each for each in (kind, f"{kind}s") if each in known), None)
        if name is None and kind in INTERNAL:
            hint = "They belong to snapshots and sessions; watch 'snapshots' or 'runs'."
            raise invalid_argument(f"changes of '{kind}' are not told: it holds parts of other objects.", hint)
        if name is None:
            raise not_found("kind of object", kind, known, listing="rx.sql('show tables')")
        found.append(name)
    return found


def _known_before(read: Reader, rows: Sequence[dict[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the fields as they were before changes whose writers did not know, by writer and number.

    They are asked of the earlier changes of the same objects; of a deletion they are all fields that these set.
    """
    asked = {(row["writer"], row["seq"]): row for row in rows if row["action"] != "create"}
    if not asked:
        return {}
    query = """
        select writer, seq, action, kind, id, after from inside.changes
        where (kind, id) in (select unnest($kinds::varchar[]), unnest($ids::varchar[])) order by at_us, writer, seq"""
    objects = {(row["kind"], row["id"]) for row in asked.values()}
    params = {"kinds": [kind for kind, _ in objects], "ids": [each for _, each in objects]}
    fields: dict[tuple[str, str], dict[str, Any]] = {each: {} for each in objects}
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for row in read.rows(query, params):
        was, after = fields[row["kind"], row["id"]], _object(row["after"]) or {}
        place = row["writer"], row["seq"]
        if place in asked:
            found[place] = (
                dict(was) if row["action"] == "delete" else {name: was[name] for name in after if name in was}
            )
        was.update(after)
    return found


def _is_to_be_completed(row: dict[str, Any]) -> bool:
    """Whether a change does not say all that was before: a deletion may say the name only. Of snapshots that is enough."""
    return row["before"] is None or (row["action"] == "delete" and row["kind"] != "snapshots")


def _told(row: dict[str, Any], known: Mapping[tuple[str, int], dict[str, Any]]) -> dict[str, Any]:
    return {
        "at": row["at"],
        "actor": row["actor"],
        "action": row["action"],
        "object_kind": row["kind"],
        "object_id": row["id"],
        "namespace": row["namespace"],
        "before": {**known.get((row["writer"], row["seq"]), {}), **(_object(row["before"]) or {})} or None,
        "after": _object(row["after"]),
    }


def _object(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)
