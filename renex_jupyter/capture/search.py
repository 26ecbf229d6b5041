"""Where a text stands in the project's files: asked before somebody says that it is gone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from renex_jupyter.capture.walk import READ, Entry
from renex_jupyter.records.paths import from_text
from renex_jupyter.store.blobs import CHUNK

SHOWN = 20  # lines of one file
Hit = tuple[str, list[int], str]  # path, numbers of lines, SHA-256 of the file


def search(root: str, entries: Iterable[Entry], texts: Sequence[bytes], go_on: Callable[[], None]) -> list[Hit]:
    """Return the files among some entries in which one of the texts stands."""
    found: list[Hit] = []
    for path, _, kind, sha256, _, _ in entries:
        go_on()
        if kind != "file" or sha256 is None:
            continue
        try:
            with os.fdopen(os.open(Path(root, from_text(path)), READ), "rb") as file:
                lines = lines_with(file, texts)
        except OSError:  # gone, or exchanged for something else since the walk
            continue
        if lines:
            found.append((path, lines, sha256))
    return found


def lines_with(file: BinaryIO, texts: Sequence[bytes]) -> list[int]:
    """Return the numbers, from 1, of the first lines in which one of the texts begins."""
    overlap = max(map(len, texts)) - 1
    found: set[int] = set()
    before, passed = b"", 1  # the number of the line in which `before` begins
    while len(found) < SHOWN and (chunk := file.read(CHUNK)):
        window = before + chunk
        found |= {passed + window.count(b"\n", 0, at) for at in _places(window, texts)}
        before = window[-overlap:] if overlap else b""
        passed += window.count(b"\n", 0, len(window) - len(before))
    return sorted(found)[:SHOWN]


def _places(window: bytes, texts: Sequence[bytes]) -> list[int]:
    """Return the first places at which one of the texts stands."""
    places: list[int] = []
    for text in texts:
        at = window.find(text)
        while at >= 0 and len(places) < SHOWN * len(texts):
            places.append(at)
            at = window.find(text, at + 1)
    return places
