"""What a word of the user means: a run or a snapshot."""

from __future__ import annotations

from renex_jupyter import ids
from renex_jupyter.errors import ambiguous, not_found
from renex_jupyter.query.runs import run_ids
from renex_jupyter.query.snapshots import snapshot_ids
from renex_jupyter.store.reader import Reader

RUN, SNAPSHOT = "run", "snapshot"


def find_object(read: Reader, wanted: str) -> tuple[str, str]:
    """Return kind and id of what a label, a run's name, an id or a unique prefix means.

    A label goes before a name, a name before an id; of several with that name the newest is meant.

    Raises
    ------
    RenexError : `not_found` with the nearest name, `ambiguous` with the ids that fit.
    """
    for kind, query in (
        (SNAPSHOT, "select snapshot_id as id from snapshots where label = ? order by created_at desc limit 1"),
        (RUN, "select run_id as id from runs where name = ? order by started_at desc limit 1"),
    ):
        rows = read.rows(query, [wanted])
        if rows:
            return kind, str(rows[0]["id"])
    known = {**dict.fromkeys(snapshot_ids(read), SNAPSHOT), **dict.fromkeys(run_ids(read), RUN)}
    if not ids.PREFIX_PATTERN.fullmatch(wanted.lower()):
        raise not_found("run or snapshot", wanted, _names(read))
    found = sorted(each for each in known if each.startswith(wanted.lower()))
    if len(found) > 1:
        raise ambiguous("id", wanted, [f"{known[each]} {ids.short(each)}" for each in found])
    if not found:
        raise not_found("run or snapshot", wanted, _names(read))
    return known[found[0]], found[0]


def _names(read: Reader) -> list[str]:
    """Return every label and every name of a run."""
    query = (
        "select label as name from snapshots where label is not null union select name from runs where name is not null"
    )
    return [row["name"] for row in read.rows(query)]
