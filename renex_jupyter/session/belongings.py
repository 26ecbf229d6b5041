"""What belongs to an object and goes when it is deleted: its params, tags, notes, artifacts, checkpoints and events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from renex_jupyter.records.changes import Change
from renex_jupyter.store.reader import Reader

# Kind -> its key, whether a row belongs to what is deleted, and what the change says it was.
_OWNED = "(owner_kind, owner_id) in (select (kind, id) from gone)"
_OF_RUN = "run_id in (select id from gone where kind = 'run')"
_BELONGING = {
    "params": ("param_id", _OF_RUN, "key"),
    "tags": ("tag_id", f"value is not null and {_OWNED}", "key, value"),
    "notes": ("note_id", _OWNED, "kind"),
    "events": ("event_id", _OWNED, "name"),
    "artifacts": ("artifact_id", _OWNED, "name, sha256"),
    "checkpoints": ("checkpoint_id", _OF_RUN, "step"),
    "evaluations": ("evaluation_id", _OWNED, "dataset"),
    "verifications": ("verification_id", _OF_RUN, "verdict"),
    "links": (
        "link_id",
        "(from_kind, from_id) in (select (kind, id) from gone) or (to_kind, to_id) in (select (kind, id) from gone)",
        "relation",
    ),
}
_OWNERS = {"artifacts": "artifact", "checkpoints": "checkpoint", "evaluations": "evaluation"}  # these own others again


def deletions(read: Reader, objects: Sequence[tuple[str, str]], namespace: str) -> list[Change]:
    """Return the changes that delete what belongs to some objects (kind, id), and what belongs to that.

    What a model version holds is its own, and stays.
    """
    gone, found = list(objects), {kind: dict[str, dict[str, Any]]() for kind in _BELONGING}
    while True:
        pairs = {"kinds": [kind for kind, _ in gone], "ids": [each for _, each in gone]}
        fresh = []
        for kind, (key, condition, words) in _BELONGING.items():
            query = f"""
                with gone as (select unnest($kinds::varchar[]) as kind, unnest($ids::varchar[]) as id)
                select {key} as its_id, {words} from inside.{kind} where {condition} order by its_id"""
            new = {row.pop("its_id"): row for row in read.rows(query, pairs)}
            fresh += [(_OWNERS[kind], each) for each in new if kind in _OWNERS and each not in found[kind]]
            found[kind] |= new
        if not fresh:
            break
        gone = fresh
    return [
        Change(kind, each, "delete", {}, was, namespace)
        for kind, rows in found.items()
        for each, was in sorted(rows.items())
    ]


def counted(changes: Iterable[Change]) -> dict[str, int]:
    """Return how many objects of each kind some changes delete."""
    return dict(Counter(each.kind for each in changes))
