"""The journals of a store that an action wrote, or writes just now, and that nobody has reason to trust.

A container that puts a link in the place of its store would else have the project's own records taken for its own: below
the folder that holds the store, no link is gone through.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from renex_jupyter.errors import RenexError
from renex_jupyter.store.format import CHANGES, GONE, LONGEST_LINE
from renex_jupyter.store.layout import Layout
from renex_jupyter.store.lines import part_of
from renex_jupyter.tasks.folders import Branch, Folder, opened

AT_ONCE = 2 * LONGEST_LINE  # bytes


class ForeignJournals:
    """The journals of a store, held open for reading."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of the files."""
        return [each for each in self._folder.names() if each.endswith(CHANGES) and each[0] != "."]

    def read(self, name: str, start: int = 0) -> tuple[list[bytes], int]:
        """Return the whole lines of a file from a position on, as many as are read at once, and the position to read on from.

        There are none in what is a link, or damaged.
        """
        with suppress(OSError, ValueError), os.fdopen(self._folder.read(name), "rb") as file:
            file.seek(start)
            data = file.read(AT_ONCE)
            if len(data) == AT_ONCE and b"\n" not in data:  # no line of ours is as long
                return [], start + len(data)
            part = part_of(data, start)
            return [line for line in part.lines if not line.startswith(GONE)], part.end
        return [], start

    def all_of(self, name: str) -> Iterator[bytes]:
        """Give all whole lines of a file that nobody writes any more."""
        start, end = -1, 0
        while end != start:
            start = end
            lines, end = self.read(name, start)
            yield from lines


@contextmanager
def foreign_journals(store: Path) -> Iterator[ForeignJournals | None]:
    """Hold the journals of a store open; None where there are none, or a link is on the way to them.

    Parameters
    ----------
    store : its folder; the one that this is in is trusted.
    """
    below = Layout(store).journal.relative_to(store.parent).parts
    with ExitStack() as stack:
        folder = None
        with suppress(OSError, RenexError):
            top = stack.enter_context(opened(store.parent))
            folder = stack.enter_context(Branch(top, make=False)).find(below)
        yield None if folder is None else ForeignJournals(folder)
