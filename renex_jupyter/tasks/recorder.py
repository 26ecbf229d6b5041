"""Writes points, params, tags and events on the run of an order, from another process than the one that opened it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.records import events
from renex_jupyter.records.arrays import keep
from renex_jupyter.records.changes import Change, fields, to_json
from renex_jupyter.records.keys import checked
from renex_jupyter.records.owners import Owner
from renex_jupyter.records.params import keep_param, too_many
from renex_jupyter.records.values import Kept, checked_text
from renex_jupyter.store.format import number_line, point_head, value_line
from renex_jupyter.store.store import Store
from renex_jupyter.tasks.order import Order

MOST_PARAMS = 10_000  # of one run
MOST_CHANGES = 100_000  # in memory while the store cannot be written
MANY = 4 * 2**20  # bytes of points that are not kept in memory for longer than they have to
MOST_WAITING = 256 * 2**20  # bytes of points in memory while the store cannot be written
LAST_STEP = 2**63 - 1
YEARS = (-62_135_596_800.0, 253_402_300_799.0)  # seconds since the epoch that a point in time can have
EXACT = 2**53  # whole numbers up to here are exact as DOUBLE


class Recorder:
    """Collects what is logged until `flush` writes it, with one write."""

    def __init__(self, order: Order) -> None:
        settings().fold_in_background = False  # whoever records the end does it
        self.store = Store(Path(order.store))
        self.run_id, self.namespace = order.run_id, order.namespace
        self.lost = 0  # points
        self._redactor = order.redactor
        self._redact: Callable[[Any, str], Any] | None = None
        self._tops: dict[str, int] = {}  # the highest step of each key
        self._params: set[str] = set()
        self._had: dict[tuple[str, str], Any] = {}  # by table and key: what was taken last
        self._lines: list[bytes] = []
        self._size = 0
        self._changes: list[Change] = []

    def point(self, key: Any, value: Any, step: Any = None, wallclock: Any = None) -> None:
        """Take a value of a metric; its step is one more than the highest of the key so far, if none is given.

        Raises
        ------
        RenexError : for anything that is none.
        """
        top = self._tops.get(checked("metric", key), -1)
        number = min(top + 1, LAST_STEP) if step is None else _step(step)
        at = time.time_ns() // 1000 if wallclock is None else _microseconds(wallclock)
        head = point_head("run", self.run_id, key)
        if type(value) is float or (type(value) is int and -EXACT <= value <= EXACT):
            line = number_line(head, number, at, value)
        else:
            line = value_line(head, number, at, keep(f"metric '{key}'", value))
        self._tops[key] = max(top, number)
        self._take(line)

    def kept_point(self, key: Any, kept: Kept, step: Any, at: int) -> None:
        """Take a value that was made ready for the table before, at microseconds since the epoch.

        Raises
        ------
        RenexError : for a key, a step or a time that is none.
        """
        head, number = point_head("run", self.run_id, checked("metric", key)), _step(step)
        _microseconds(at / 1_000_000 if abs(at) < LAST_STEP else None)
        self._take(value_line(head, number, at, kept))
        self._tops[key] = max(self._tops.get(key, -1), number)

    def param(self, key: Any, value: Any, number: float | None = None) -> None:
        """Take a param.

        Parameters
        ----------
        number : nearest to a value that only text says, such as one of a Decimal.

        Raises
        ------
        RenexError : for anything that is none, and for the 10,001st.
        """
        if checked("param", key) not in self._params and len(self._params) >= MOST_PARAMS:
            raise too_many("the run", MOST_PARAMS)
        said, nearest = keep_param(f"param '{key}'", value)
        kept = self._without_secrets(said, key)
        self._params.add(key)
        row = {
            "run_id": self.run_id,
            "key": key,
            "value": kept,
            "value_text": kept if isinstance(kept, str) else to_json(kept),
            "value_number": (nearest if nearest is not None or not isinstance(said, str) else number)
            if kept == said
            else None,
        }
        self._change("params", key, row)

    def tag(self, key: Any, value: Any) -> None:
        """Take a tag.

        Raises
        ------
        RenexError : for anything that is none.
        """
        text = checked_text(f"tag '{checked('tag', key)}'", str(self._without_secrets(value, key)))
        self._change("tags", key, {"owner_kind": "run", "owner_id": self.run_id, "key": key, "value": text})

    def event(
        self,
        name: Any,
        source: Any = None,
        metadata: Any = None,
        wallclock: Any = None,
        phase: Any = None,
        span_id: Any = None,
    ) -> None:
        """Take an event; the time that its line tells is kept, and now is only taken for one that tells none.

        Raises
        ------
        RenexError : for anything that is none.
        """
        if len(self._changes) >= MOST_CHANGES:
            raise RenexError("too_large", f"{MOST_CHANGES:,} records wait to be written.", "Free some space.")
        if metadata is not None and not isinstance(metadata, dict):
            raise invalid_argument(
                "the metadata of an event are no object.", 'Write {"event": "x", "metadata": {"step": 3}}.'
            )
        said = {
            key: self._without_secrets(keep_param(f"'{key}'", value)[0], key) for key, value in (metadata or {}).items()
        }
        told = events.event(
            Owner("run", self.run_id, self.namespace, "the run"),
            self._without_secrets(name, ""),
            source=self._without_secrets(source, ""),
            metadata=said,
            wallclock=wallclock,
            phase=phase,
            span_id=span_id,
        )
        self._changes.append(Change("events", told.event_id, "create", fields(told), namespace=self.namespace))

    def _take(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)

    def _change(self, kind: str, key: str, row: dict[str, Any]) -> None:
        was = self._had.get((kind, key))
        self._had[kind, key] = row["value"]
        before = None if was is None else {"value": was}
        self._changes.append(Change(kind, f"{self.run_id}/{key}", "update", row, before, self.namespace))

    def flush(self) -> str | None:
        """Write what was taken; return why it cannot be written. It is tried again then, next time."""
        try:
            if self._changes:
                self.store.write(*self._changes)
                self._changes = []
            if self._lines:
                self.store.journal.append_points(b"".join(self._lines))
                self._lines, self._size = [], 0
        except (RenexError, OSError) as error:
            self._forget_the_oldest()
            with suppress(RenexError, OSError):
                self.store.forget_if_gone()
            return error.line if isinstance(error, RenexError) else str(error)
        return None

    def flush_if_many(self) -> None:
        """Write what was taken if it takes much memory."""
        if self._size > MANY:
            self.flush()

    def finish(self) -> str | None:
        """Write what is left, for good; return why it cannot be written, and so is lost."""
        failed = self.flush()
        self.lost += len(self._lines)
        if self.store.exists and failed is None:
            with suppress(RenexError, OSError):
                self.store.journal.seal()
        return failed

    def _forget_the_oldest(self) -> None:
        while self._size > MOST_WAITING:
            part = self._lines[:10_000]
            del self._lines[:10_000]
            self._size -= sum(map(len, part))
            self.lost += len(part)

    def _without_secrets(self, value: Any, key: str) -> Any:
        if self._redact is None and self._redactor:
            module, _, name = self._redactor.partition(":")
            self._redact = getattr(import_module(module), name)
        return self._redact(value, key) if self._redact is not None else value


def _step(step: Any) -> int:
    whole = int(step) if isinstance(step, float) and step.is_integer() else step
    if isinstance(whole, bool) or not isinstance(whole, int) or not -LAST_STEP <= whole <= LAST_STEP:
        raise invalid_argument(f"{step!r} is no step.", "A step is a whole number.")
    return whole


def _microseconds(wallclock: Any) -> int:
    if isinstance(wallclock, bool) or not isinstance(wallclock, (int, float)) or not YEARS[0] < wallclock < YEARS[1]:
        raise invalid_argument(f"{wallclock!r} is no wallclock.", "Give seconds since the epoch.")
    return int(wallclock * 1_000_000)
