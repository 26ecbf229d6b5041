"""What stands in a journal: its whole lines, from any position on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from renex_jupyter.store.format import END, GONE, LONGEST_LINE, line_is_whole, seal_line

_DAMAGED = seal_line((GONE + b"1}").decode()).rstrip(b"\n")


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of a journal file that follow a position."""

    lines: list[bytes]  # whole, without their line ends
    end: int  # bytes: where to read on; a last line that is still being written lies behind it
    bad: int  # lines that are damaged
    torn: bool  # the last line is cut off
    blank: int = 0  # damaged lines that a purge has emptied
    ended: bool = False  # an end line is there
    missing: int = 0  # lines that the end line counts and that are not there


def read_part(path: Path, start: int = 0) -> Part:
    """Return the whole lines of a file from a position on; damaged ones are counted, a torn last one stays for later.

    A line whose CRC fits is whole even without its line end: nothing of it is missing.
    """
    with path.open("rb") as file:
        file.seek(start)
        return part_of(file.read(), start)


def part_of(data: bytes, start: int = 0) -> Part:
    """Return the whole lines of what stands in a file from a position on, as `read_part`."""
    pieces = data.split(b"\n")
    last = pieces.pop()
    if last and line_is_whole(last):
        pieces.append(last)
        last = b""
    lines = _whole(pieces)
    blank = 0 if len(lines) == len(pieces) else sum(1 for line in pieces if not line.strip(b" "))
    bad = len(pieces) - len(lines) - blank
    end = lines.pop() if lines and lines[-1].startswith(END) else None
    missing = json.loads(end)["end"] - len(lines) - bad - blank if end and not start else 0
    return Part(lines, start + len(data) - len(last), bad, bool(last), blank, end is not None, max(0, missing))


def placed(path: Path) -> list[bytes]:
    """Return the lines of a file that nobody writes any more, each in its place: a damaged one leaves a note there.

    By its place a line is known on every machine; damage before it must not give it the name of another one.
    """
    pieces = path.read_bytes().split(b"\n")
    if not line_is_whole(pieces[-1]):  # torn, or nothing
        pieces.pop()
    lines = [line if line_is_whole(line) and len(line) <= LONGEST_LINE else _DAMAGED for line in pieces]
    return lines[:-1] if lines and lines[-1].startswith(END) else lines


def expected(path: Path) -> int:
    """Return how many records stood in a file, the damaged and the missing ones among them."""
    part = read_part(path)
    return sum(not line.startswith(GONE) for line in part.lines) + part.bad + part.missing


def count_if_whole(path: Path) -> int | None:
    """Return how many lines a file has, when its end line says that it is whole; None when each must be looked at."""
    data = path.read_bytes()
    start = data.rfind(b"\n", 0, -1) + 1
    end = data[start:]
    if not end.startswith(END) or not line_is_whole(end):
        return None
    told = json.loads(end)
    return int(told["end"]) if told["all"] == f"{crc32(memoryview(data)[:start]):08x}" else None


def _whole(pieces: list[bytes]) -> list[bytes]:
    """Return the lines whose CRC fits; the same test as `line_is_whole`, in one loop."""
    good = []
    for line in pieces:
        try:
            if line[-16:-10] == b',"c":"' and int(line[-10:-2], 16) == crc32(line[:-16]) and len(line) <= LONGEST_LINE:
                good.append(line)
        except ValueError:  # not hexadecimal
            pass
    return good
