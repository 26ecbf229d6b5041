"""What became of one run in the store that a replay logged into, as its journal tells it.

Only the journal is read: whoever wrote that store is not trusted, and no database of it is opened.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from renex_jupyter.records.snapshots import FileEntry, FilePart
from renex_jupyter.store.format import POINTS
from renex_jupyter.tasks.foreign_journals import foreign_journals


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a state."""

    files_id: str
    parts: tuple[FilePart, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A run of a replay."""

    name: str
    status: str
    error: str | None
    before: Tree | None  # None: it is not there, or not whole
    after: Tree | None


def replayed_run(store: Path, nth: int) -> Replayed | None:
    """Return what the store says of the run that was the nth, from 0, to be opened; None where it was not, or cannot be read."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        return _told(_changes(store), nth)
    return None


def _changes(store: Path) -> list[dict[str, Any]]:
    with foreign_journals(store) as journals:
        names = [each for each in journals.names() if not each.endswith(POINTS)] if journals is not None else []
        lines = [line for name in names for line in journals.all_of(name)] if journals is not None else []
    return sorted(map(json.loads, lines), key=lambda each: (each["at"], each["n"]))


def _told(changes: list[dict[str, Any]], nth: int) -> Replayed | None:
    opened = [each["i"] for each in changes if (each["t"], each["a"]) == ("runs", "create")]
    if len(opened) <= nth:
        return None
    run: dict[str, Any] = {}
    for each in changes:
        if (each["t"], each["i"]) == ("runs", opened[nth]):
            run |= each["d"]
    before, after = (_tree(changes, run.get(name)) for name in ("before_snapshot_id", "after_snapshot_id"))
    return Replayed(str(run["name"]), str(run["status"]), run.get("error"), before, after)


def _tree(changes: list[dict[str, Any]], snapshot_id: str | None) -> Tree | None:
    state = next((each["d"] for each in changes if snapshot_id and each["i"] == snapshot_id), None)
    if state is None or not state.get("files_id"):
        return None
    wanted = state.get("parts") or []
    parts = {each["i"]: each["d"]["entries"] for each in changes if each["t"] == "file_parts" and each["i"] in wanted}
    if not set(wanted) <= parts.keys():
        return None
    found = (FilePart(each, tuple(FileEntry(**entry) for entry in parts[each])) for each in wanted)
    return Tree(str(state["files_id"]), tuple(found))
