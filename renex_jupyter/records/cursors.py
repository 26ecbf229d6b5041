"""A cursor: which changes of each writer were seen, as a text that can be kept and handed on.

A position is exact: of each writer the numbers of the changes that were seen. They are one range for a writer of this
store, and several for one whose changes came with imports, in any order, or were purged before they were seen.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from renex_jupyter.errors import RenexError, invalid_argument, shown

VERSION = "c1"
LARGEST = 64 * 2**20  # bytes of a cursor that is unpacked
_WRITER = re.compile(r"[\w-]{1,100}", re.ASCII)
_TEXT = re.compile(rf"{VERSION}\.([0-9a-f]{{0,32}})\.([\w-]*)\.([0-9a-f]{{8}})", re.ASCII)
_HINT = "Give the cursor of a change as it was told, 0 for every change, or None for those from now on."

Ranges = tuple[tuple[int, int], ...]  # first and last number, ascending, never adjacent


@dataclass(frozen=True, slots=True)
class Position:
    """What was seen of each writer."""

    seen: Mapping[str, Ranges]

    def after(self, changes: Iterable[tuple[str, int]]) -> Position:
        """Return the position after further changes, given as writer and number."""
        new: dict[str, list[int]] = {}
        for writer, number in changes:
            new.setdefault(writer, []).append(number)
        merged = {writer: _with(self.seen.get(writer, ()), numbers) for writer, numbers in new.items()}
        return Position({**self.seen, **merged})

    def ranges(self) -> Iterator[tuple[str, int, int]]:
        """Give writer, first and last number of everything that was seen."""
        for writer, ranges in self.seen.items():
            for first, last in ranges:
                yield writer, first, last


START = Position({})


def to_text(position: Position, store_id: str) -> str:
    """Return the cursor of a position in a store: version, store, what was seen, and a checksum of these."""
    lines = [
        " ".join([writer, *(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)])
        for writer, ranges in sorted(position.seen.items())
    ]
    packed = base64.urlsafe_b64encode(zlib.compress("\n".join(lines).encode(), 9)).decode().rstrip("=")
    told = f"{VERSION}.{store_id}.{packed}"
    return f"{told}.{zlib.crc32(told.encode()):08x}"


def from_text(text: object, store_id: str | None) -> Position:
    """Return the position that a cursor tells.

    Parameters
    ----------
    store_id : of the store that it must be of; None: whatever it is of, where there is no store yet.

    Raises
    ------
    RenexError : `invalid_argument` for what is no cursor, `foreign_store` for one of another store.
    """
    found = _TEXT.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or f"{zlib.crc32(found[0][:-9].encode()):08x}" != found[3]:
        raise invalid_argument(f"{shown(text)} is no cursor, or not a whole one.", _HINT)
    if store_id is not None and found[1] != store_id:
        what = f"the cursor {shown(text)} is of another store ({found[1][:8]}, this one is {store_id[:8]})."
        raise RenexError("foreign_store", what, "A position in one store means nothing in another one.")
    try:
        lines = _unpacked(found[2]).splitlines()
        return Position(dict(map(_writer, lines)))
    except (ValueError, zlib.error, binascii.Error) as error:
        raise invalid_argument(f"{shown(text)} is no cursor, or not a whole one.", _HINT) from error


def _unpacked(packed: str) -> str:
    data = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    unpacking = zlib.decompressobj()
    plain = unpacking.decompress(data, LARGEST)
    if not unpacking.eof:
        raise ValueError("it is cut off, or too large")
    return plain.decode()


def _writer(line: str) -> tuple[str, Ranges]:
    name, *parts = line.split(" ")
    if not _WRITER.fullmatch(name) or not parts:
        raise ValueError(f"{name!r} is no writer")
    ranges = []
    for part in parts:
        first, _, last = part.partition("-")
        ranges.append((int(first), int(last or first)))
    if any(first > last for first, last in ranges):
        raise ValueError("a range ends before it begins")
    return name, tuple(_merged(ranges))


def _with(known: Ranges, numbers: list[int]) -> Ranges:
    """Return ranges with further numbers; these mostly go on where the last range ends."""
    return tuple(_merged([*known, *((each, each) for each in numbers)]))


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return merged
