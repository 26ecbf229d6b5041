"""What a word of the user means: a run or a snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from renex_jupyter import ids
from renex_jupyter.errors import RenexError, ambiguous, invalid_argument, not_found, text_argument
from renex_jupyter.records import display
from renex_jupyter.store.reader import Reader

RUN, SNAPSHOT = "run", "snapshot"
_ATTRIBUTES = {SNAPSHOT: "snapshot_id", RUN: "run_id"}  # a snapshot has both: it was taken in a run
_NEAREST_OF = 1000  # of so many of the newest a mistyped word may be meant

_OBJECTS = """
    (select * from (
        select 'snapshot' as kind, snapshot_id as id, label as name, created_at as since, false as again from snapshots
        union all select 'run', run_id, name, started_at, rerun_of is not null from runs
    ) where list_contains($kinds::varchar[], kind))"""


def find_object(read: Reader, wanted: object, kinds: Sequence[str] = (SNAPSHOT, RUN)) -> tuple[str, str]:
    """Return kind and id of what a label, a run's name, an id or a unique prefix means, or what has a `run_id`.

    A label goes before a name, a name before an id; of several with that name the newest is meant, and a rerun only where
    there is nothing else. An id may be written in upper case and with the dashes of a UUID.

    Raises
    ------
    RenexError : `not_found` with the nearest name, `ambiguous` with the ids that fit, `invalid_argument` for what is no
        word.
    """
    found = namesakes(read, wanted, kinds)[:1] if _id_of(wanted, kinds) is None else []
    wanted = checked_word(wanted, kinds)
    prefix = ids.prefix(wanted)
    if not found and prefix:
        fitting = f"select kind, id from {_OBJECTS} where starts_with(id, $prefix) order by id"
        found = read.rows(fitting, {"kinds": list(kinds), "prefix": prefix})
    if len(found) > 1:
        raise ambiguous("id", wanted, [f"{each['kind']} {ids.short(each['id'])}" for each in found])
    if not found:
        raise _unknown(read, wanted, kinds)
    return found[0]["kind"], found[0]["id"]


def checked_word(wanted: object, kinds: Sequence[str] = (SNAPSHOT, RUN)) -> str:
    """Return the word that means an object: a text, or the id of a UUID or of what `start_run` and its like returned.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    kind = " or ".join(sorted(kinds))
    hint = f"Give the name or the id of a {kind}, or what rx.start_run() returned."
    word = _id_of(wanted, kinds) or text_argument(wanted, f"the word for a {kind}", hint)
    if not word.strip():
        raise invalid_argument(f"an empty text means no {kind}.", hint)
    return word


def _id_of(wanted: object, kinds: Sequence[str]) -> str | None:
    """Return the id that an object has; None for a word, and for anything else."""
    if isinstance(wanted, UUID):
        return wanted.hex
    found = (getattr(wanted, name, None) for kind, name in _ATTRIBUTES.items() if kind in kinds)
    return next((each for each in found if isinstance(each, str) and each), None)


def namesakes(read: Reader, wanted: object, kinds: Sequence[str] = (SNAPSHOT, RUN)) -> list[dict[str, Any]]:
    """Return kind, id and since of all that bear a label or a name; `find_object` takes the first of them."""
    named = f"select kind, id, since from {_OBJECTS} where name = $wanted order by kind desc, again, since desc"
    return read.rows(named, {"kinds": list(kinds), "wanted": checked_word(wanted, kinds)})


def find_only(read: Reader, wanted: object, kinds: Sequence[str] = (SNAPSHOT, RUN)) -> tuple[str, str]:
    """Return kind and id as `find_object` does, for what cannot be undone: a name must be that of one object only.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`.
    """
    same = namesakes(read, wanted, kinds)
    if len(same) > 1 and _id_of(wanted, kinds) is None:
        fitting = [f"{each['kind']} {ids.short(each['id'])} of {display.moment(each['since'])}" for each in same]
        raise ambiguous("name", str(wanted), fitting, hint="Give the id of the one that is meant.")
    return find_object(read, wanted, kinds)


def _unknown(read: Reader, wanted: str, kinds: Sequence[str]) -> RenexError:
    query = f"select coalesce(name, id[:{ids.SHORT}]) as name from {_OBJECTS} order by since desc limit {_NEAREST_OF}"
    known = [row["name"] for row in read.rows(query, {"kinds": list(kinds)})]
    listing = "%renex ls" if RUN in kinds else "%renex ls snapshots"
    return not_found(" or ".join(sorted(kinds)), wanted, known, listing=listing)
