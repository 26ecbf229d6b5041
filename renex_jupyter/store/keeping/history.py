"""Every line that a store holds: those of the archive and those that still stand in the journals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb

from renex_jupyter.errors import RenexError
from renex_jupyter.store import archive, generation, journal, lines, parquet
from renex_jupyter.store.layout import Layout
from renex_jupyter.store.loading import Fresh


def every_line(connection: duckdb.DuckDBPyConnection, layout: Layout, folder: Path) -> tuple[str, str]:
    """Return all changes and all points as relations with the columns of the packs, each line once.

    Whoever asks *must* hold `fold.lock` as long as the relations are read: a fold would remove their files.

    Parameters
    ----------
    folder : for copies of the journals, which their writers go on writing; it must outlive the relations.

    Raises
    ------
    RenexError : `corrupt` when a pack is damaged, or a journal holds what is no record.
    """
    packs, waiting, sift = _files(layout)
    for path in packs:
        if not parquet.is_whole(path):
            hint = "renex rebuild sets it aside, and goes on with what is left. Is there a backup of it?"
            raise RenexError("corrupt", f"{path} is damaged.", hint)
    copies = [_copied(path, folder) for path in waiting]
    Fresh(connection, folder).read([path for path in copies if path.stat().st_size])
    changes, points = archive.changes_in(packs), archive.points_in(packs)
    return sift(f"({changes}) union all by name from scratch.changes"), sift(
        f"({points}) union all by name from scratch.points"
    )


def _files(layout: Layout) -> tuple[list[Path], list[Path], Callable[[str], str]]:
    """Return the packs and the journals in which every line lies, and what makes each line of the packs appear once."""
    waiting = [Path(entry.path) for entry in journal.files_in(layout.journal)]
    names = [path.name for path in waiting]
    known = generation.usable(layout)
    if known:
        with generation.connect(layout.generations / known, read_only=True) as index:
            packs = [layout.archive / name for name in generation.books(index).packs]
            folded = generation.folded_among(index, names)
        return packs, [path for path in waiting if path.name not in folded], str
    return archive.packs_in(layout), waiting, archive.once  # a journal may lie in a pack and here


def _copied(path: Path, folder: Path) -> Path:
    """Return a copy of the whole lines that stand in a journal file now; its name tells the writer."""
    copy = folder / path.name
    copy.write_bytes(b"".join(line + b"\n" for line in lines.placed(path)))
    return copy
