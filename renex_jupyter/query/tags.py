"""Questions about the tags of anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renex_jupyter.store.reader import Reader

if TYPE_CHECKING:
    import pandas as pd


def tags_of(read: Reader, owner_id: str) -> dict[str, str]:
    """Return the tags of one object, by key."""
    rows = read.rows("select key, value from tags where owner_id = ? order by key", [owner_id])
    return {row["key"]: row["value"] for row in rows}


def list_tags(read: Reader, owner_id: str) -> pd.DataFrame:
    """Return key and value of the tags of one object, by key."""
    return read.frame("select key, value from tags where owner_id = ? order by key", [owner_id])


def with_tags(read: Reader, frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return a frame of objects of a kind, its first column their ids, with a column `tags.KEY` for each key that any has."""
    query = (
        "select owner_id, key, value from tags where owner_kind = $kind and list_contains($ids::varchar[], owner_id)"
    )
    rows = read.rows(query, {"kind": kind, "ids": frame.iloc[:, 0].tolist()})
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["key"], {})[row["owner_id"]] = row["value"]
    wide = frame.copy()
    for key in sorted(found):
        wide[f"tags.{key}"] = [found[key].get(each) for each in frame.iloc[:, 0]]
    return wide
