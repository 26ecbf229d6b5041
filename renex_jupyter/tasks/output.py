"""What an action prints, as a screen would show it in the end, and as much of it as is kept.

Escape sequences are left out, of a progress bar only the last state stays, and what is no text does no harm. Memory is
bounded whatever comes: one endless line, a gigabyte, an escape sequence without an end.
"""

from __future__ import annotations

import codecs
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LOG, TAIL = "output.log", "output.tail"
LONGEST_LINE = 16_384  # characters of a line that can still change; of a longer one only the last `STILL_OPEN` can
STILL_OPEN = 4_096
LONGEST_ESCAPE = 4_096
ERROR_LINES, ERROR_CHARS = 20, 4_000
LEFT_OUT = re.compile(rb"\xe2\x80\xa6 (\d+) bytes left out \xe2\x80\xa6\n")

_SILENT = bytes(each for each in range(32) if each not in b"\a\b\t\n\r\x1b") + b"\x7f"
_SPECIAL = re.compile("[\a\b\r\x1b]")
_C1 = re.compile("[\x80-\x9f]")
_ESCAPE = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])"
_TOKEN = re.compile(rf"\r+|\x08+|\n|{_ESCAPE}|[^\x07\x08\n\r\x1b]+")
_PARTIAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?\Z")
_ERASE_REST, _ERASE_LINE, _FIRST_COLUMN = ("\x1b[K", "\x1b[0K"), "\x1b[2K", ("\x1b[G", "\x1b[1G")


class Renderer:
    """Makes of raw bytes the text that a screen would show; `take` gets what cannot change any more."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self.line = ""  # the last one, which is not ended
        self._take = take
        self._done: list[str] = []  # what cannot change any more, of the piece at hand
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""  # the beginning of an escape sequence
        self._back = 0  # columns from the end of the line to the cursor
        self._anew = False  # the cursor was sent to the beginning of the line: what comes takes its place

    def feed(self, data: bytes) -> None:
        """Take the next piece of output."""
        self._feed(self._decoder.decode(data.translate(None, _SILENT)))
        self._hand_over()

    def end(self) -> None:
        """Take the last line as it is."""
        self._feed(self._decoder.decode(b"", final=True))
        self._held = ""
        self._commit(self.line)
        self.line, self._back, self._anew = "", 0, False
        self._hand_over()

    def _feed(self, text: str) -> None:
        if not text.isascii():
            text = _C1.sub("", text)
        if self._held or self._anew or self._back or _SPECIAL.search(text):
            text = self._whole((self._held + text).replace("\r\n", "\n"))
            if self._anew or self._back or _SPECIAL.search(text):
                self._draw(text)
                return
        done, end, rest = text.rpartition("\n")
        if end:
            self._commit(self.line + done + end)
            self.line = rest
        else:
            self.line += rest
        self._cut()

    def _draw(self, text: str) -> None:
        """Follow the cursor."""
        for found in _TOKEN.finditer(text):
            token = found[0]
            first = token[0]
            if first == "\n":
                self._commit(self.line + "\n")
                self.line, self._back, self._anew = "", 0, False
            elif first == "\r" or token in _FIRST_COLUMN:
                self._back, self._anew = len(self.line), True
            elif first == "\b":
                self._back, self._anew = min(self._back + len(token), len(self.line)), False
            elif first == "\x1b":
                self._erase(token)
            else:
                self._put(token)

    def _put(self, text: str) -> None:
        if self._anew:
            self.line = text
        elif self._back:
            column = len(self.line) - self._back
            self.line = self.line[:column] + text + self.line[column + len(text) :]
        else:
            self.line += text
        self._back, self._anew = 0 if self._anew else max(0, self._back - len(text)), False
        self._cut()

    def _erase(self, escape: str) -> None:
        if escape == _ERASE_LINE:
            self.line, self._back = "", 0
        elif escape in _ERASE_REST and self._back:
            self.line, self._back = self.line[: len(self.line) - self._back], 0

    def _cut(self) -> None:
        if len(self.line) > LONGEST_LINE:
            self._commit(self.line[:-STILL_OPEN])
            self.line = self.line[-STILL_OPEN:]
            self._back = min(self._back, STILL_OPEN)

    def _commit(self, text: str) -> None:
        if text:
            self._done.append(text)

    def _hand_over(self) -> None:
        if self._done:
            self._take("".join(self._done))
            self._done = []

    def _whole(self, text: str) -> str:
        """Hold back an escape sequence that is cut off at the end of a piece."""
        self._held = ""
        last = text.rfind("\x1b")
        for start in (text.rfind("\x1b", 0, max(last, 0)), last):
            if start >= 0 and len(text) - start <= LONGEST_ESCAPE and _PARTIAL.match(text, start):
                self._held = text[start:]
                return text[:start]
        return text


class Kept:
    """The text in the folder of a run: the first half in `output.log`, live; the last half in `output.tail`, now and then."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Begin; `limit` are bytes of UTF-8."""
        self._file = (folder / LOG).open("wb", buffering=0)
        self._path = folder / TAIL
        self._half = max(limit // 2, 1)
        self._size = 0  # bytes of the log that stay
        self._open = b""  # what stands behind them: the line that is not ended
        self._end = bytearray()
        self._dropped = 0  # bytes before `_end`
        self._written: tuple[int, bytes] = (0, b"")
        self.trouble: str | None = None  # why something could not be written; what is last is tried again, in the tail

    def add(self, text: str) -> None:
        """Keep text that cannot change any more; what the log does not take goes to the tail."""
        data = text.encode("utf-8", "replace")
        head = data if not self._end and self._size + len(data) <= self._half else self._head(data)
        if head and not self._put(head):
            head = b""
        if head:
            self._size += len(head)
            self._open = b""
        if len(head) < len(data):
            self._end += memoryview(data)[len(head) :]
            if len(self._end) > 2 * self._half:
                excess = len(self._end) - self._half
                del self._end[:excess]
                self._dropped += excess

    def refresh(self, line: str) -> None:
        """Show the line that is not ended, at the end of what there is."""
        data = line.encode("utf-8", "replace")
        try:
            if self._end:
                self._write_end(data)
            elif data != self._open and self._put(data):
                self._open = data
        except OSError as error:
            self.trouble = str(error)

    def close(self) -> None:
        """Write what is not written yet, as far as it can be."""
        self.refresh("")
        with suppress(OSError):
            self._file.close()

    def _put(self, data: bytes) -> bool:
        """Write behind what stays in the log, in place of the open line; say whether the disk took all of it."""
        try:
            self._file.seek(self._size)
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
            if len(data) < len(self._open):
                self._file.truncate()
        except OSError as error:
            self.trouble, self._open = str(error), b""
            with suppress(OSError):
                self._file.truncate(self._size)
            return False
        return True

    def _head(self, data: bytes) -> bytes:
        """Return what still goes into the first half, which ends with a whole character."""
        if self._end or self._dropped:
            return b""
        size = self._half - self._size
        while size > 0 and data[size] & 0xC0 == 0x80:
            size -= 1
        return data[:size]

    def _write_end(self, line: bytes) -> None:
        state = (self._dropped + len(self._end), line)
        if state == self._written:
            return
        if self._open:
            self._file.truncate(self._size)
            self._open = b""
        start = max(0, len(self._end) - self._half)
        if start:
            newline = self._end.find(b"\n", start - 1, start + STILL_OPEN)
            start = newline + 1 if newline >= 0 else start
            while start < len(self._end) and self._end[start] & 0xC0 == 0x80:
                start += 1
        left_out = self._dropped + start
        note = f"… {left_out} bytes left out …\n".encode() if left_out else b""
        replace(self._path, note + bytes(self._end[start:]) + line)
        self._written = state


class Recent:
    """The end of what was printed, for whoever asks why an action failed."""

    def __init__(self) -> None:
        self._kept = ""

    def add(self, text: str) -> None:
        """Take the next piece of rendered text."""
        self._kept = (self._kept + text[-4 * ERROR_CHARS :])[-4 * ERROR_CHARS :]

    def lines(self) -> list[str]:
        """Return the last lines."""
        return self._kept.rstrip().split("\n")[-ERROR_LINES:]

    def error(self, code: int) -> str:
        """Return the last lines and the signal that ended the action, as the error of a run."""
        lines = self.lines()
        if code < 0:
            lines.append(f"ended by signal {-code}{signal_name(-code)}")
        elif not any(lines):
            lines = [f"exit code {code}, without output"]
        return "\n".join(lines[-ERROR_LINES:])[-ERROR_CHARS:].strip("\n")


def signal_name(number: int) -> str:
    """Return what a signal is called, in brackets; nothing for one without a name."""
    with suppress(ValueError):
        name = signal.Signals(number).name
        return f" ({name}; out of memory?)" if name == "SIGKILL" else f" ({name})"
    return ""


def replace(path: Path, data: bytes) -> None:
    """Write a file whole; it need not survive the loss of power, which no running action survives either."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):  # a part of it is of no use, and takes what room there is
            temporary.unlink()
        raise
