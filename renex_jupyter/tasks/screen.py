"""The pipes of a supervisor: what an action prints comes in through one, and goes on to whoever watches through the other.

Each has a thread that may wait, so that the supervisor never does; what lies between them is bounded, so that an action
waits for a slow screen as it would for a terminal.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from contextlib import suppress

CHUNK = 65_536  # bytes
WAITING = 64  # chunks that lie before a slow screen
SILENT = b"\nrenex: no more output is shown until the end; the run keeps the first and the last of it.\n"


class Source:
    """What an action prints, in the order in which it comes."""

    def __init__(self, descriptor: int) -> None:
        self.at_end = False
        self._descriptor = descriptor
        self._chunks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()  # a handler of a signal may put into it
        self._room = threading.Semaphore(WAITING)
        threading.Thread(target=self._read, name="renex-source", daemon=True).start()

    @property
    def waits(self) -> bool:
        """Whether something is there already."""
        return not self._chunks.empty()

    def get(self, timeout: float) -> bytes:
        """Return the next piece; nothing when none came in time, or somebody called `wake`."""
        try:
            chunk = self._chunks.get(timeout=timeout)
        except queue.Empty:
            return b""
        if chunk is None:
            return b""
        self._room.release()
        self.at_end = self.at_end or not chunk
        return chunk

    def wake(self) -> None:
        """Have `get` return."""
        self._chunks.put(None)

    def _read(self) -> None:
        while True:
            self._room.acquire()
            try:
                chunk = os.read(self._descriptor, CHUNK)
            except OSError:  # it was closed
                chunk = b""
            self._chunks.put(chunk)
            if not chunk:
                return


class Screen:
    """Whoever watches; it may look away for ever, or be gone."""

    def __init__(self, descriptor: int, limit: int) -> None:
        """Begin; after `limit` bytes it falls silent."""
        self._descriptor = descriptor
        self._left = limit
        self.silent = 0  # bytes that were not shown
        self.gone = False
        self._chunks: queue.Queue[bytes] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._write, name="renex-screen", daemon=True)
        self._thread.start()

    def show(self, chunk: bytes, timeout: float) -> bool:
        """Take a piece; False when it is full, for the caller to come again with the same one."""
        if self.gone:
            return True
        shown = chunk[: self._left]
        falls_silent = len(shown) < len(chunk) and not self.silent
        if shown or falls_silent:
            try:
                self._chunks.put(shown + SILENT if falls_silent else shown, timeout=timeout)
            except queue.Full:
                return False
        self._left -= len(shown)
        self.silent += len(chunk) - len(shown)
        return True

    def say(self, text: str) -> None:
        """Show something of ours, if there is room for it."""
        with suppress(queue.Full):
            if not self.gone:
                self._chunks.put(text.encode("utf-8", "replace"), timeout=0.1)

    def finish(self, timeout: float) -> bool:
        """Write what is left within a time; say whether all of it is written."""
        with suppress(queue.Full):
            self._chunks.put(b"", timeout=timeout)
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _write(self) -> None:
        while chunk := self._chunks.get():
            rest = memoryview(chunk)
            while rest and not self.gone:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except OSError:
                    self.gone = True


def drain(descriptor: int) -> None:
    """Leave a process behind that reads, and throws away, what is still printed: else whoever prints would be killed."""
    if not hasattr(os, "fork") or os.fork():
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for each in (0, 1, 2):
        os.dup2(nothing, each)
    with suppress(OSError):
        while os.read(descriptor, CHUNK):
            pass
    os._exit(0)
