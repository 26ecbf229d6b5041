"""Where a text stands in the project's files: asked before somebody says that it is gone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import islice
from typing import BinaryIO

from renex_jupyter.capture.parts import Entry
from renex_jupyter.capture.reading import open_file
from renex_jupyter.records.paths import from_text
from renex_jupyter.store.blobs import CHUNK
from renex_jupyter.store.sought import Sought

SHOWN = 20  # lines of one file
PLACES = 1000  # looked at in one part of a file, of which many may be in one line
Hit = tuple[str, list[int], str | None]  # path, numbers of lines, SHA-256 of a file with such lines


def search(root: str, entries: Iterable[Entry], sought: Sought, go_on: Callable[[], None]) -> list[Hit]:
    """Return the entries in which a text stands; those that have it in their name only without lines."""
    found: list[Hit] = []
    for path, _, kind, sha256, *_ in entries:
        go_on()
        place = from_text(path)
        lines = _lines_in(root, place, sought) if kind == "file" and sha256 is not None else []
        if lines or next(sought.places(os.fsencode(place)), None) is not None:
            found.append((path, lines, sha256 if lines else None))
    return found


def _lines_in(root: str, path: str, sought: Sought) -> list[int]:
    try:
        with os.fdopen(open_file(root, path), "rb") as file:
            return lines_with(file, sought)
    except OSError:  # gone, or exchanged for something else since the walk
        return []


def lines_with(file: BinaryIO, sought: Sought) -> list[int]:
    """Return the numbers, from 1, of the first lines in which a text begins."""
    overlap = sought.overlap
    found: set[int] = set()
    before, passed = b"", 1  # the number of the line in which `before` begins
    while len(found) < SHOWN and (chunk := file.read(CHUNK)):
        window = before + chunk
        found |= _lines_of(window, sought, passed)
        before = window[-overlap:] if overlap else b""
        passed += window.count(b"\n", 0, len(window) - len(before))
    return sorted(found)[:SHOWN]


def _lines_of(window: bytes, sought: Sought, first: int) -> set[int]:
    """Return the numbers of lines in a window whose first line has a number."""
    found: set[int] = set()
    for at in islice(sought.places(window), PLACES):
        found.add(first + window.count(b"\n", 0, at))
        if len(found) >= SHOWN:
            break
    return found
