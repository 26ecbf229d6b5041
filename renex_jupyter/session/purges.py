"""What was purged does not come back from the memory of a process that lives on.

No store keeps a purged secret, nor anything by which one could try out guesses at it, so another process cannot be told
what to forget. It is told when a secret was purged, and then asks the store, which has been rewritten, for what it has
written itself before. What the store never had by then cannot be judged, and is not written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from renex_jupyter.errors import RenexError
from renex_jupyter.records import display
from renex_jupyter.records.changes import Change
from renex_jupyter.records.snapshots import CellExecution
from renex_jupyter.store.store import Store

UNKNOWN = "[not kept: a secret was purged from the store before this cell was written to it]"
TEXTS = frozenset({"source", "outputs", "metadata", "attachments"})  # of a cell
WORDS = frozenset({"output_type"})  # whose values are not the user's
UNTOUCHED = frozenset({"invalid_argument", "locked"})  # errors of a purge that took nothing out; any other one may have
Blot = Callable[[str], str]


class Purges:
    """Keeps the executed cells of one session free of what was purged, by this process or another."""

    def __init__(self) -> None:
        self.blots: list[Blot] = []  # each takes a secret out that this process has purged
        self._seen: datetime | None = None
        self._told: dict[int, tuple[str, str | None]] = {}  # source and error of executions as the store has them now

    @contextmanager
    def purging(self, store: Store, blot: Blot) -> Iterator[None]:
        """Take note of a secret that this process purges in the block, also when that is cut off: our own cell says it."""
        self.blots.append(blot)
        try:
            yield
        except RenexError as error:
            if error.code in UNTOUCHED:
                self.blots.remove(blot)
            raise
        self._seen = last_secret(store)

    def without_it(self, store: Store, executions: Iterable[CellExecution]) -> tuple[CellExecution, ...]:
        """Return the executions as they may be written."""
        found = tuple(executions)
        last = last_secret(store)
        if found and last != self._seen and last is not None:
            self._ask(store, found, last)
            self._seen = last
        return tuple(map(self._blotted, found))

    def _ask(self, store: Store, executions: tuple[CellExecution, ...], last: datetime) -> None:
        rows = store.reader.rows(
            "select seq, source, error from inside.cell_executions where session_id = ?", [executions[0].session_id]
        )
        kept = {row["seq"]: (row["source"], row["error"]) for row in rows}
        for each in executions:
            if each.seq in kept:
                self._told[each.seq] = kept[each.seq]
            elif each.started_at is None or each.started_at <= last:
                self._told[each.seq] = (UNKNOWN, None)

    def _blotted(self, execution: CellExecution) -> CellExecution:
        source, error = self._told.get(execution.seq, (execution.source, execution.error))
        for blot in self.blots:
            source, error = blot(source), None if error is None else blot(error)
        return dataclasses.replace(execution, source=source, error=error)


def last_secret(store: Store) -> datetime | None:
    """Return when a secret was last purged from a store; the file is empty when only something else was."""
    try:
        return datetime.fromtimestamp(int(store.layout.purged.read_text()) / 1e6, UTC)
    except (OSError, ValueError):
        return None


def contents_gone(store: Store) -> frozenset[str]:
    """Return the SHA-256 of the contents that were purged: a snapshot does not keep them again unasked."""
    if not store.layout.purged_at():
        return frozenset()
    from renex_jupyter.store.keeping import references  # it loads duckdb

    return frozenset(references.purged(store.reader))


def gone(store: Store, named: Iterable[str | None]) -> dict[str, str]:
    """Return those of some contents that are not there because they were purged, and when that was, in words."""
    if not store.layout.purged_at():
        return {}
    query = """
        select id, max(at_us)::bigint as at from inside.changes
        where kind = 'blobs' and action = 'delete' and list_contains($named::varchar[], id) group by id"""
    rows = store.reader.rows(query, {"named": [each for each in named if each]})
    return {row["id"]: f"purged on {_day(row['at'])}" for row in rows if not store.blobs.is_there(row["id"])}


def _day(microseconds: int) -> str:
    return display.moment(datetime.fromtimestamp(microseconds / 1e6, UTC))[:10]


def note_again(store: Store, named: Iterable[str | None]) -> None:
    """Note contents as purged once more that went while a snapshot that names them was taken: they are not missing."""
    from renex_jupyter.store.keeping.doomed import PURGED  # it loads duckdb

    notes = [Change("blobs", sha256, "delete", {"reason": PURGED}) for sha256 in sorted(gone(store, named))]
    if notes:
        store.write(*notes)


def values_left(store: Store, run_id: str, since: datetime, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last values of a run; after a purge of a secret, texts as the store has them now, and only known keys."""
    last = last_secret(store)
    if last is None or last < since or not values:
        return dict(values)
    rows = store.reader.rows(
        "select key, arg_max(text_value, (step, wallclock)) as said from metrics where run_id = ? group by key",
        [run_id],
    )
    kept = {row["key"]: row["said"] for row in rows}
    return {key: kept[key] if isinstance(value, str) else value for key, value in values.items() if key in kept}


def without(document: dict[str, Any], blots: Iterable[Blot]) -> dict[str, Any]:
    """Return a notebook with no purged secret in the texts of its cells, outputs and metadata."""
    for blot in blots:
        document = _without(document, blot)
    return document


def _without(document: Mapping[str, Any], blot: Blot) -> dict[str, Any]:
    cells = [
        {name: _told(each, blot) if name in TEXTS else each for name, each in cell.items()}
        for cell in document["cells"]
    ]
    return {**document, "cells": cells, "metadata": _told(document.get("metadata"), blot)}


def _told(value: Any, blot: Blot) -> Any:
    if isinstance(value, str):
        return blot(value)
    if isinstance(value, list):
        told = [_told(each, blot) for each in value]
        whole = "".join(told) if all(isinstance(each, str) for each in told) else ""  # the lines of one text, maybe
        return told if blot(whole) == whole else blot(whole).splitlines(keepends=True)
    if isinstance(value, Mapping):
        return {name: each if name in WORDS else _told(each, blot) for name, each in value.items()}
    return value
