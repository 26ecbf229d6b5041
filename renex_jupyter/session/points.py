"""The metric points of a run, or of another object, on their way into the journal: in order, each once, never in the way."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument, shown, text_argument, warn
from renex_jupyter.records.arrays import keep
from renex_jupyter.records.keys import LONGEST_KEY, checked
from renex_jupyter.records.values import Kept
from renex_jupyter.session.current import never_in_the_way
from renex_jupyter.store.format import number_line, point_head, value_line
from renex_jupyter.store.interrupts import interrupts_held_back
from renex_jupyter.store.store import Store

MOST_WAITING = 1_000_000  # points in memory while the store cannot be written
MOST_WAITING_BYTES = 256 * 2**20  # of their lines
RETRY_AFTER = 1.0  # seconds
PART = 10_000  # points of one write when they can be written again
LAST_STEP = 2**63 - 1
EXACT = 2**53  # whole numbers up to here are exact as DOUBLE


class Series:
    """What is remembered of one metric of an object."""

    __slots__ = ("head", "key", "last", "top")

    def __init__(self, kind: str, owner_id: str, key: str, top: int = -1) -> None:
        self.key = key
        self.head = point_head(kind, owner_id, key)
        self.top = top  # the highest step so far
        self.last: float | str | None = None  # the value there; None: nothing yet, or an array


class Points:
    """Takes the points of one run, or of another object. Threads may log at once; a forked child goes on with a lock of
    its own.
    """

    def __init__(
        self,
        store: Store,
        owner_id: str,
        name: str,
        steps: Mapping[str, int] | None = None,
        mend: Callable[[], None] | None = None,
        on_lost: Callable[[int], None] | None = None,
        kind: str = "run",
        title: str = "",
    ) -> None:
        self.store = store
        self.kind = kind
        self.owner_id = owner_id
        self.name = name
        self._title = title  # of what is no open run
        self._mend = mend  # called before points that wait are tried again: the run itself may have to be recorded anew
        self._on_lost = on_lost  # called at the end with how many points are lost
        self._series = {key: Series(kind, owner_id, key, top) for key, top in (steps or {}).items()}
        self._told: set[tuple[str, str]] = set()  # key and reason of what was refused
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()  # a handler of a signal may log in the middle of logging
        self._waiting: deque[bytes] = deque()  # a parent's points are the parent's to write
        self._waiting_bytes = self._dropped = 0
        self._failed: RenexError | None = None  # why the store cannot be written, or could not be for a while
        self._next_try = 0.0
        self._emptying = False  # what waits is being written: whoever logs meanwhile is a handler of a signal

    @property
    def of(self) -> str:
        """What a message says whose points these are."""
        return self._title or f"run '{self.name}'"

    def go_on_from(self, steps: Mapping[str, int]) -> None:
        """Take note of the highest steps that others have recorded, by key: a step that is not given goes on from there."""
        if os.getpid() != self._pid:
            self._begin()
        with self._lock:
            for key, step in steps.items():
                series = self._series.get(key) or self._new(key)
                series.top = max(series.top, step)

    def log(self, values: Iterable[tuple[str, Any]], step: int | None, at: int) -> None:
        """Keep one value of each key with one write.

        Parameters
        ----------
        step : None: one more than the highest of the key.
        at : microseconds since the epoch.

        Raises
        ------
        RenexError : `invalid_argument` for a key that is none; nothing is kept then. Anything else is told, not raised.
        """
        if os.getpid() != self._pid:
            self._begin()
        with self._lock:
            series = self._series
            found = [(series.get(key) or self._new(key), value) for key, value in values]
            lines = []
            for each, value in found:
                number = min(each.top + 1, LAST_STEP) if step is None else step
                if type(value) is float or (type(value) is int and -EXACT <= value <= EXACT):
                    last: float | str | None = float(value)
                    lines.append(number_line(each.head, number, at, float(value)))
                else:
                    kept = self._kept(each.key, value)
                    if kept is None:
                        continue
                    last = kept.text_value if kept.value is None else kept.value
                    lines.append(value_line(each.head, number, at, kept))
                if number >= each.top:
                    each.top, each.last = number, last
            if lines:
                self._write(lines)

    def last_values(self) -> dict[str, float | str]:
        """Return the value at the highest step of each key that this process logged; arrays are left out."""
        return {each.key: each.last for each in list(self._series.values()) if each.last is not None}

    def write_what_waits(self) -> None:
        """Write the points of this process that wait.

        Raises
        ------
        RenexError : the store still does not take them; they go on waiting.
        """
        if os.getpid() != self._pid:
            self._begin()
        with self._lock:
            if self._waiting:
                self._write_waiting()
            if self._waiting and self._failed is not None:
                raise self._failed

    def finish(self) -> None:
        """Try a last time to write what waits, and say what became of it."""
        if os.getpid() != self._pid:
            self._begin()
        with self._lock:
            if self._failed is None or self._emptying:  # a handler that ends the run leaves them to the write it is in
                return
            self._write_waiting()
            lost = self._dropped + len(self._waiting)
            if lost:
                warn(f"{lost:,} points of {self.of} are lost: {self._failed.line}")
                if self._on_lost is not None:
                    self._on_lost(lost)
            else:
                print(f"renex: all points of {self.of} that had to wait are written.")
            self._begin()

    def _new(self, key: str) -> Series:
        return self._series.setdefault(checked("metric", key), Series(self.kind, self.owner_id, key))

    def _kept(self, key: str, value: Any) -> Kept | None:
        """Return the columns of a value; one that is refused is told, once per key and reason."""
        try:
            return keep(f"metric '{key}'", value)
        except RenexError as error:
            reason = (key, f"{error.code} {type(value).__name__}")
            if reason not in self._told:
                self._told.add(reason)
                warn(f"{error.message} It is not logged in {self.of}. {error.hint}")
            return None

    def _write(self, lines: list[bytes]) -> None:
        if self._waiting:
            self._wait(lines)
            if not self._emptying and time.monotonic() >= self._next_try:
                self._write_waiting()
            return
        try:
            filled = self.store.journal.append_points(b"".join(lines))
        except (RenexError, OSError) as error:
            self._has_failed(error)
            self._wait(lines)
        else:
            if filled:
                with never_in_the_way("the index"):
                    self.store.fold_in_background()

    def _write_waiting(self) -> None:
        """Write what waits, in order, as far as the store takes it."""
        self._emptying = True
        try:
            if self._mend is not None:
                self._mend()
            while self._waiting:
                part = list(islice(self._waiting, PART))
                with interrupts_held_back():
                    self.store.journal.append_points(b"".join(part))
                    for size in map(len, part):
                        self._waiting.popleft()
                        self._waiting_bytes -= size
        except (RenexError, OSError) as error:
            self._has_failed(error)
        finally:
            self._emptying = False

    def _wait(self, lines: list[bytes]) -> None:
        """Keep lines in memory, instead of the oldest where they are too many."""
        self._waiting.extend(lines)
        size = sum(map(len, lines))
        self._waiting_bytes += size
        if self._emptying:  # the oldest are on their way
            return
        while len(self._waiting) > MOST_WAITING or self._waiting_bytes > MOST_WAITING_BYTES:
            self._waiting_bytes -= len(self._waiting.popleft())
            self._dropped += 1

    def _has_failed(self, error: Exception) -> None:
        self._next_try = time.monotonic() + RETRY_AFTER
        first = self._failed is None
        self._failed = error if isinstance(error, RenexError) else RenexError("permission", f"{error}.")
        if first:
            warn(
                f"metrics of {self.of} cannot be written, they wait in memory (up to {MOST_WAITING:,} points) "
                f"and are tried again: {self._failed.line}"
            )


def checked_name(what: str, name: Any, example: str) -> str:
    """Return the name of a run, an experiment or a namespace, if it can be one: it is also told to child processes.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    hint = f"Use a text of 1 to {LONGEST_KEY} characters, such as {example}."
    text_argument(name, f"the name of the {what}", hint)
    wrong = {
        "is blank": not name.strip(),
        "holds a NUL": "\0" in name,
        f"has {len(name):,} characters": len(name) > LONGEST_KEY,
    }
    for why, holds in wrong.items():
        if holds:
            raise invalid_argument(f"the name {shown(name)} of the {what} {why}.", hint)
    return str(name)
