"""Logging from any language: JSON lines that an action appends to `$RENEX_JOURNAL`.

{"key": "loss", "value": 0.3, "step": 1}      a metric; "step" and "wallclock" (seconds since the epoch) may be left out
{"param": "lr", "value": 0.1}
{"tag": "who", "value": "ada"}
{"event": "epoch_start", "source": "trainer"}   "source", "metadata", "wallclock", "phase" and "span_id" may be left out
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from renex_jupyter.errors import RenexError
from renex_jupyter.tasks.recorder import Recorder

PIECE = 2**20  # bytes of one read
AT_ONCE = 4 * PIECE  # of one look
LONGEST_LINE = 2 * 2**20  # bytes
OF_EVENTS = ("source", "metadata", "wallclock", "phase", "span_id")
_FLAGS = os.O_RDONLY
for _name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # a container could put anything there
    _FLAGS |= getattr(os, _name, 0)


class Outside:
    """Follows the file; a line that is not understood is counted, the first one told."""

    def __init__(self, path: Path, recorder: Recorder, note: Callable[[str], None]) -> None:
        self._path, self._recorder, self._note = path, recorder, note
        self._position = 0
        self._open = b""  # the line that is not ended
        self._too_long = False  # it is thrown away until its end
        self._lines = self.bad = 0

    def look(self) -> None:
        """Take what was appended since the last look, or a part of it."""
        taken = 0
        while taken < AT_ONCE and (data := self._read()):
            self._feed(data)
            taken += len(data)

    def finish(self) -> None:
        """Take all that is left, also a last line without a line end; what somebody appends from now on is too late."""
        left = self._left()
        while left > 0 and (data := self._read()):
            self._feed(data[:left])
            left -= len(data)
            self._recorder.flush_if_many()
        if self._open.strip():
            self._feed(b"\n")
        if self.bad > 1:
            self._note(f"{self.bad:,} lines of $RENEX_JOURNAL were not understood.")

    def _left(self) -> int:
        with suppress(OSError):
            size = self._path.stat().st_size
            return size - self._position if size >= self._position else size
        return 0

    def _read(self) -> bytes:
        with suppress(OSError):
            if self._path.stat().st_size == self._position:
                return b""
            descriptor = os.open(self._path, _FLAGS)
            try:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    return b""
                if found.st_size < self._position:  # somebody began it anew
                    self._position, self._open = 0, b""
                os.lseek(descriptor, self._position, os.SEEK_SET)
                data = os.read(descriptor, PIECE)
            finally:
                os.close(descriptor)
            self._position += len(data)
            return data
        return b""

    def _feed(self, data: bytes) -> None:
        *lines, rest = (self._open + data).split(b"\n")
        if lines and self._too_long:
            self._refuse(lines.pop(0), "it is too long")
            self._too_long = False
        for line in lines:
            self._take(line)
        self._too_long = self._too_long or len(rest) > LONGEST_LINE
        self._open = rest[:100] if self._too_long else rest

    def _take(self, line: bytes) -> None:
        self._lines += 1
        if not line.strip():
            return
        try:
            told = json.loads(line)
            if not isinstance(told, dict):
                self._refuse(line, "it is no object")
                return
            self._log(told)
        except (ValueError, RecursionError):
            self._refuse(line, "it is no JSON")
        except RenexError as error:
            self._refuse(line, error.message)

    def _log(self, told: dict[str, Any]) -> None:
        names = told.keys()
        if names >= {"key", "value"} and names <= {"key", "value", "step", "wallclock"}:
            self._recorder.point(told["key"], told["value"], told.get("step"), told.get("wallclock"))
        elif names == {"param", "value"}:
            self._recorder.param(told["param"], told["value"])
        elif names == {"tag", "value"}:
            self._recorder.tag(told["tag"], told["value"])
        elif "event" in names and names <= {"event", *OF_EVENTS}:
            self._recorder.event(told["event"], **{name: told[name] for name in OF_EVENTS if name in told})
        else:
            hint = (
                'Write {"key": "loss", "value": 0.3}, {"param": "lr", "value": 0.1}, {"tag": "who", "value": "ada"} or '
                '{"event": "epoch_start"}.'
            )
            raise RenexError("invalid_argument", f"it is neither a metric nor a param, a tag or an event. {hint}")

    def _refuse(self, line: bytes, why: str) -> None:
        self.bad += 1
        if self.bad == 1:
            shown = line[:100].decode("utf-8", "replace")
            self._note(f"line {self._lines:,} of $RENEX_JOURNAL is not understood, {why}: {shown}")
