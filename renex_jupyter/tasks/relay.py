"""What an action logs in a store of its own, written on the run of its order while it goes on.

So a recorded cell can open its run as it did the first time, and a container needs no more than a folder. Metric points,
params, tags and events of that run are passed on, with the order's run in place of its own; nothing else is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.store import locks
from renex_jupyter.store.format import POINTS
from renex_jupyter.store.layout import Layout
from renex_jupyter.tasks import order
from renex_jupyter.tasks.foreign_journals import foreign_journals
from renex_jupyter.tasks.recorder import Recorder
from renex_jupyter.tasks.relayed import RelayedChange, change_of, number_of, point_of

LATEST = 253_402_300_799_999_999  # microseconds since the epoch: the end of the year 9999
LAST_LOOKS = 60.0  # seconds that reading on may take after the end, while something goes on to write

Told = TypeVar("Told")
Taken = TypeVar("Taken")


class Relay:
    """Follows the journals of a store."""

    def __init__(self, told: order.Relay, recorder: Recorder) -> None:
        self._recorder = recorder
        self.bad = 0  # records that are none
        self._layout = Layout(Path(told.store))
        self._nth = told.nth
        self._meant = recorder.run_id if told.nth is None else None  # the run there that is passed on
        self._opened: list[tuple[int, int, str]] = []  # when, the how manieth change, run
        self._ends: dict[str, int] = {}  # how far each file was read
        self._lock = self._keep_from_folding()

    def look(self) -> bool:
        """Pass on what was written since the last look, or a part of it; say whether there was any."""
        if self._lock is None:
            self._lock = self._keep_from_folding()
        points, changes = list[bytes](), list[bytes]()
        with foreign_journals(self._layout.root) as journals:
            if journals is None:
                return False
            # A run is recorded before its points are: what is read of the changes after the points knows the run of each.
            before = dict(self._ends)
            for name in sorted(journals.names(), key=lambda each: not each.endswith(POINTS)):
                if self._meant is None and name.endswith(POINTS):
                    continue  # its points are read once it is known
                lines, self._ends[name] = journals.read(name, self._ends.get(name, 0))
                (points if name.endswith(POINTS) else changes).extend(lines)
        self._take_changes(changes)
        self._take_points(points)
        return self._ends != before

    def finish(self) -> None:
        """Pass on what is left, and let go of the store."""
        until = time.monotonic() + LAST_LOOKS
        while self.look() and time.monotonic() < until:
            self._recorder.flush()
        if self._lock is not None:
            os.close(self._lock)

    def _keep_from_folding(self) -> int | None:
        """Hold the lock that a fold needs: it would take journals away before they were read."""
        with suppress(OSError):
            self._layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
            lock = os.open(self._layout.fold_lock, flags, 0o600)
            if locks.take(lock):
                return lock
            os.close(lock)  # somebody folds just now: the next look tries again
        return None

    def _take_changes(self, lines: list[bytes]) -> None:
        changes = [each for line in lines if (each := self._understood(change_of, line)) is not None]
        new = [(each.at, each.number, each.id) for each in changes if (each.kind, each.action) == ("runs", "create")]
        self._opened = sorted([*self._opened, *new])
        if self._meant is None and self._nth is not None and len(self._opened) > self._nth:
            self._meant = self._opened[self._nth][2]
        for each in sorted(changes, key=lambda change: (change.at, change.number)):
            if each.action != "delete":  # a purge of that store is none of ours
                self._understood(self._log, each)

    def _log(self, change: RelayedChange) -> None:
        row = change.row
        if change.kind == "params" and row.get("run_id") == self._meant:
            self._recorder.param(row.get("key"), row.get("value"), number_of(row.get("value_number")))
        elif change.kind == "tags" and (row.get("owner_kind"), row.get("owner_id")) == ("run", self._meant):
            self._recorder.tag(row.get("key"), row.get("value"))
        elif change.kind == "events" and (row.get("owner_kind"), row.get("owner_id")) == ("run", self._meant):
            at = row.get("wallclock")
            if type(at) is not int or abs(at) > LATEST:
                raise invalid_argument("an event has no time.")
            told = {name: row.get(name) for name in ("source", "metadata", "phase", "span_id")}
            self._recorder.event(row.get("name"), wallclock=at / 1_000_000, **told)

    def _take_points(self, lines: list[bytes]) -> None:
        for line in lines:
            point = self._understood(point_of, line)
            if point is not None and point.owner == ("run", self._meant):
                self._understood(lambda each: self._recorder.kept_point(each.key, each.kept, each.step, each.at), point)

    def _understood(self, step: Callable[[Told], Taken], told: Told) -> Taken | None:
        """Do something with what the action left; what is no record is counted."""
        try:
            return step(told)
        except RenexError:
            self.bad += 1
            return None
