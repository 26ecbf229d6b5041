"""What a container prints: Docker's frames of stdout and stderr, made into one stream that a descriptor gives."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import Any

CHUNK = 65_536  # bytes
HEADER = 8  # bytes before each frame: which stream, three zeros, length (big-endian)
KEPT = 500  # last bytes, in which the container's init says why it could not begin


class Output:
    """A thread that reads frames from the attached socket and writes their contents into a pipe.

    Whoever reads slowly slows the container down, as a terminal does.
    """

    def __init__(self, connection: Any) -> None:
        self.read_from, self._write_to = os.pipe()
        self.at_end = threading.Event()
        self.moved = 0.0  # when something was handed over last, by the monotonic clock
        self.last = b""
        self._connection = connection
        self._thread = threading.Thread(target=self._run, name="renex-output", daemon=True)
        each: Any
        for each in (connection, getattr(connection, "_sock", None)):
            if hasattr(each, "settimeout"):
                each.settimeout(None)  # a container may be silent for hours

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Let go of the pipe and the connection; a reader that hangs in it is left behind with its own end."""
        with suppress(OSError):
            os.close(self.read_from)  # a write into it fails then, and ends the thread
        with suppress(Exception):
            self._connection.close()
        if not self._thread.is_alive() and not self.at_end.is_set():
            os.close(self._write_to)

    def _run(self) -> None:
        with suppress(OSError, ValueError):  # the daemon is away, or nobody reads any more
            self._copy()
        self.at_end.set()
        os.close(self._write_to)

    def _copy(self) -> None:
        read = getattr(self._connection, "recv", None) or self._connection.read
        pending, frame_left = b"", 0
        while chunk := read(CHUNK):
            pending += chunk
            parts = []
            while pending and (frame_left or len(pending) >= HEADER):
                if not frame_left:
                    frame_left = int.from_bytes(pending[4:HEADER], "big")
                    pending = pending[HEADER:]
                part, pending = pending[:frame_left], pending[frame_left:]
                frame_left -= len(part)
                parts.append(part)
            self._hand_over(b"".join(parts))

    def _hand_over(self, data: bytes) -> None:
        self.last = (self.last + data[-KEPT:])[-KEPT:]
        view = memoryview(data)
        while view:
            view = view[os.write(self._write_to, view) :]
            self.moved = time.monotonic()
