"""Questions about what came from what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from renex_jupyter.query.titles import titles
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.tables import among

Thing = tuple[str, str]  # kind and id
ENDS = {"up": ("from", "to"), "down": ("to", "from")}


def edges(read: Reader, start: Thing, direction: str, depth: int | None) -> list[dict[str, Any]]:
    """Return the edges from one object as far as they lead, the nearest first; each once, also in a circle.

    Parameters
    ----------
    direction : up, to what it came from, or down, to what came of it.
    depth : most edges from the object; None: as far as they lead.

    Returns
    -------
    from_kind, from_id, relation, to_kind, to_id, and depth (from 1; below 0 for those downward).
    """
    near, far = ENDS[direction]
    sign = 1 if direction == "up" else -1
    seen, told, front, found, at = {start}, set[tuple[Any, ...]](), [start], list[dict[str, Any]](), 0
    while front and (depth is None or at < depth):
        at += 1
        reached = []
        for row in _beside(read, front, near):
            edge = tuple(row[name] for name in ("from_kind", "from_id", "relation", "to_kind", "to_id"))
            if edge in told:
                continue
            told.add(edge)
            found.append({**row, "depth": sign * at})
            other = (row[f"{far}_kind"], row[f"{far}_id"])
            if other not in seen:
                seen.add(other)
                reached.append(other)
        front = reached
    return found


def named(read: Reader, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return edges with what their ends are called."""
    names = titles(read, {(row[f"{end}_kind"], row[f"{end}_id"]) for row in found for end in ("from", "to")})
    return [
        {**row, **{f"{end}_name": names.get((row[f"{end}_kind"], row[f"{end}_id"])) for end in ("from", "to")}}
        for row in found
    ]


def _beside(read: Reader, front: list[Thing], near: str) -> Iterator[dict[str, Any]]:
    """Yield the edges that begin, or end, at some objects."""
    kinds: dict[str, list[str]] = {}
    for kind, object_id in front:
        kinds.setdefault(kind, []).append(object_id)
    for kind, ids in kinds.items():
        yield from read.rows(
            f"""select from_kind, from_id, relation, to_kind, to_id from lineage
                where {near}_kind = $kind and {among(f"{near}_id", ids)}
                order by relation, from_kind, from_id, to_kind, to_id""",
            {"kind": kind},
        )
