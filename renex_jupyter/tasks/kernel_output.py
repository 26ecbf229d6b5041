"""What a task in this process prints: it goes where it always goes, and is kept with the run as well.

The `write` of the stream objects themselves is wrapped, so that threads, `!command` in a notebook and a logging handler
that has held the stream for long are heard too. What is printed waits in memory until `refresh`, so that printing costs
hardly more than before. Forked children are not heard: their streams are their own.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from renex_jupyter.tasks.output import Kept, Renderer

MOST_WAITING = 2**20  # characters
Listener = Callable[[str], None]


class KernelOutput:
    """The output of one run from now until `end`.

    Parameters
    ----------
    folder : of the run; made when something is printed.
    limit : bytes of text that are kept.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.size = 0  # bytes that were printed
        self.fault: OSError | None = None  # why nothing more is kept
        self._folder, self._limit = folder, limit
        self._waiting: deque[str] = deque()
        self._characters = 0  # about as many of them wait
        self._turn = threading.Lock()  # who has it writes what waits
        self._renderer = Renderer(self._take)
        self._kept: Kept | None = None
        streams = (sys.stdout, sys.stderr)
        self._taps = [_tap(each) for each in streams if hasattr(each, "write") and hasattr(each, "__dict__")]
        for tap in self._taps:
            tap.add(self.add)

    def add(self, text: str) -> None:
        """Take what is printed; called in whatever thread prints it."""
        self._waiting.append(text)
        self._characters += len(text)
        if self._characters > MOST_WAITING:
            self.refresh()

    def refresh(self) -> None:
        """Write what waits into the run's folder, unless somebody else is about to; never raises an error of ours."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            self._write()
            if self._kept is not None and self.fault is None:
                self._kept.refresh(self._renderer.line)
        except OSError as error:
            self.fault = error
        finally:
            self._turn.release()

    def end(self) -> None:
        """Let the streams be as they were, and write the rest."""
        for tap in self._taps:
            tap.remove(self.add)
        with self._turn:
            try:
                self._write()
                self._renderer.end()
            except OSError as error:
                self.fault = error
            with suppress(OSError):
                if self._kept is not None:
                    self._kept.close()

    def _write(self) -> None:
        self._characters = 0
        pieces = []
        while self._waiting:
            pieces.append(self._waiting.popleft())
        if not pieces:
            return
        data = "".join(pieces).encode("utf-8", "replace")
        self.size += len(data)
        if self.fault is None:
            self._renderer.feed(data)

    def _take(self, text: str) -> None:
        if self._kept is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._kept = Kept(self._folder, self._limit)
        self._kept.add(text)


class _Tap:
    """The `write` of one stream, and who listens to it; the innermost of several tasks takes nothing from the others."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self._own = vars(stream).get("write")  # somebody else has wrapped it before us
        self._listeners: tuple[Listener, ...] = ()
        written = stream.write

        def write(text: str, *rest: Any) -> Any:
            answer = written(text, *rest)
            for listener in self._listeners:
                listener(text)
            return answer

        self._write = write

    def add(self, listener: Listener) -> None:
        """Tell a listener from now on."""
        with _lock:
            self._listeners = (*self._listeners, listener)
            _taps[id(self.stream)] = self
            if vars(self.stream).get("write") is not self._write:
                self.stream.write = self._write

    def remove(self, listener: Listener) -> None:
        """Tell it no more; after the last one the stream is as it was, if nobody has wrapped it once more meanwhile."""
        with _lock:
            self._listeners = tuple(each for each in self._listeners if each != listener)
            if self._listeners:
                return
            _taps.pop(id(self.stream), None)
            if vars(self.stream).get("write") is self._write:
                if self._own is None:
                    del self.stream.write
                else:
                    self.stream.write = self._own

    def fall_silent(self) -> None:
        """Tell nobody any more: a forked child's output is not that of the parent's run."""
        self._listeners = ()


_lock = threading.RLock()
_taps: dict[int, _Tap] = {}  # by the id of the stream, which they hold


def _tap(stream: Any) -> _Tap:
    """Return the tap of a stream, the same one for all runs that are open."""
    with _lock:
        return _taps.get(id(stream)) or _Tap(stream)


def _forget_in_child() -> None:
    global _lock  # noqa: PLW0603  another thread of the parent may have held it
    _lock = threading.RLock()
    for tap in _taps.values():
        tap.fall_silent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
