"""What an action logs in a store of its own, written on the run of its order while it goes on.

So a recorded cell can open its run as it did the first time, and a container needs no more than a folder. Metric points,
params and tags of that run are passed on, with the order's run in place of its own; nothing else is.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from renex_jupyter.errors import RenexError
from renex_jupyter.store import locks
from renex_jupyter.store.format import POINTS, seal_line
from renex_jupyter.store.layout import Layout
from renex_jupyter.tasks import order
from renex_jupyter.tasks.foreign_journals import foreign_journals
from renex_jupyter.tasks.recorder import Recorder


class Relay:
    """Follows the journals of a store."""

    def __init__(self, told: order.Relay, recorder: Recorder) -> None:
        self._recorder = recorder
        self._layout = Layout(Path(told.store))
        self._nth = told.nth
        self._meant = recorder.run_id if told.nth is None else None  # the run there that is passed on
        self._opened: list[tuple[int, int, str]] = []  # when, the how manieth change, run
        self._ends: dict[str, int] = {}  # how far each file was read
        self._lock = self._keep_from_folding()

    def look(self) -> None:
        """Pass on what was written since the last look."""
        points, changes = list[bytes](), list[bytes]()
        with foreign_journals(self._layout.root) as journals:
            if journals is None:
                return
            # A run is recorded before its points are: what is read of the changes after the points knows the run of each.
            for name in sorted(journals.names(), key=lambda each: not each.endswith(POINTS)):
                lines, self._ends[name] = journals.read(name, self._ends.get(name, 0))
                (points if name.endswith(POINTS) else changes).extend(lines)
        self._take_changes([json.loads(line) for line in changes])
        self._take_points(points)

    def finish(self) -> None:
        """Pass on what is left, and let go of the store."""
        self.look()
        if self._lock is not None:
            os.close(self._lock)

    def _keep_from_folding(self) -> int | None:
        """Hold the lock that a fold needs: it would take journals away before they were read."""
        with suppress(OSError):
            self._layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
            lock = os.open(self._layout.fold_lock, flags, 0o600)
            locks.take(lock)
            return lock
        return None

    def _take_changes(self, changes: list[dict[str, Any]]) -> None:
        new = [(each["at"], each["n"], each["i"]) for each in changes if each["t"] == "runs" and each["a"] == "create"]
        self._opened = sorted([*self._opened, *new])
        if self._meant is None and self._nth is not None and len(self._opened) > self._nth:
            self._meant = self._opened[self._nth][2]
        for each in sorted(changes, key=lambda change: (change["at"], change["n"])):
            row = each["d"]
            if each["t"] == "params" and row.get("run_id") == self._meant:
                self._recorder.change("params", row["key"], {**row, "run_id": self._recorder.run_id}, each["a"])
            elif each["t"] == "tags" and (row.get("owner_kind"), row.get("owner_id")) == ("run", self._meant):
                self._recorder.change("tags", row["key"], {**row, "owner_id": self._recorder.run_id}, each["a"])

    def _take_points(self, lines: list[bytes]) -> None:
        if self._meant is None:
            return
        theirs, ours = (f'{{"o":"run","i":"{each}",'.encode() for each in (self._meant, self._recorder.run_id))
        for line in lines:
            if line.startswith(theirs):
                with suppress(RenexError, UnicodeDecodeError):
                    self._recorder.line(seal_line((ours + line[len(theirs) : -16] + b"}").decode()))
