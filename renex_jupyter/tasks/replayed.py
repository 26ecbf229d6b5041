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
class Replayed:
    """A run of a replay."""

    name: str
    status: str
    error: str | None
    files_id: str | None  # of the state after it; None: there is none
    parts: tuple[FilePart, ...] = ()  # of that state


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
    state: dict[str, Any] = next((each["d"] for each in changes if each["i"] == run.get("after_snapshot_id")), {})
    wanted = state.get("parts") or []
    parts = {each["i"]: each["d"]["entries"] for each in changes if each["t"] == "file_parts" and each["i"] in wanted}
    if not set(wanted) <= parts.keys():
        state = {}
    found = (
        tuple(FilePart(each, tuple(FileEntry(**entry) for entry in parts[each])) for each in wanted) if state else ()
    )
    return Replayed(str(run["name"]), str(run["status"]), run.get("error"), state.get("files_id"), found)
