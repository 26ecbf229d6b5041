"""What nobody needs any more: left-overs of killed processes, and files that a newer generation supersedes."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from renex_jupyter.store import archive, generation, journal, lines, locks, losses, parquet
from renex_jupyter.store.layout import Layout, json_object
from renex_jupyter.store.scratch import sweep_scratch_folders

GRACE = 60.0  # seconds for which a temporary file stays of somebody who may be about to give it its name
OPENING = 1.0  # seconds for which a published file stays that a client may be about to open


def temporary_files(layout: Layout) -> None:
    """Remove what a fold that was killed left behind (its lock is ours now: nobody is writing it)."""
    sweep_scratch_folders()
    for folder in (layout.generations, layout.segments, layout.archive, layout.superseded, layout.damaged):
        for path in folder.glob(".*.tmp*"):
            remove(path)
    for path in layout.root.glob(".history.*.tmp*"):
        remove(path)
    for path in (*layout.root.glob(".*.tmp"), *layout.journal.glob(".*.tmp")):  # of those who do not hold the lock
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > GRACE and not locks.is_held(path):
                remove(path)
    known = layout.generation_in_force()
    for path in layout.generations.glob("*.duckdb*"):
        if path.suffix == ".wal" or path.name > (known or ""):  # built, but never switched to
            remove(path)


def superseded(layout: Layout) -> bool:
    """Remove what the generation in force supersedes, except what a client may still read; say if something is left.

    The order is the reverse of writing: a journal goes when its lines are in the archive and in force.
    """
    known = layout.generation_in_force()
    if known is None:
        return False
    with generation.connect(layout.generations / known, read_only=True) as connection:
        books = generation.books(connection)
        names = [entry.name for entry in journal.files_in(layout.journal)]
        folded = generation.folded_among(connection, names)
        whole = generation.folded_among(connection, names, whole=True)
    for name in sorted(folded):
        if locks.is_held(layout.journal / name):  # no book of ours says so of one that somebody writes
            continue
        if name not in whole and _is_damaged(layout.journal / name):
            losses.set_aside(layout, layout.journal / name)
        else:
            remove(layout.journal / name)
    for path in archive.packs_in(layout):
        if path.name not in books.packs:
            if losses.is_noted(layout, path.name):  # whoever made the index anew was killed before
                losses.set_aside(layout, path)
            else:
                remove(path)
    needed = books.segments.keys() | _segments_of_clients(layout)
    for path in parquet.files_in(layout.segments, ""):
        if path.name not in needed:
            remove(path)
    for path in sorted(path for path in layout.generations.glob("*.duckdb") if path.name < known)[:-1]:
        remove(path)
    return layout.superseded.is_dir() and any(layout.superseded.iterdir())


def _is_damaged(journal_file: Path) -> bool:
    """Ask the file itself: the books may have been made again from the archive, and this is the last look at it."""
    try:
        if lines.count_if_whole(journal_file) is not None:
            return False
        part = lines.read_part(journal_file)
    except FileNotFoundError:
        return False
    return bool(part.bad or part.torn or part.missing)


def _segments_of_clients(layout: Layout) -> set[str]:
    """Return the segments that published files name which a client may have open, and forget the other files."""
    needed = set(_listed(layout.published))
    for path in layout.superseded.glob("*") if layout.superseded.is_dir() else ():
        if path.suffix == ".json":
            continue
        sidecar = path.with_suffix(".json")
        if time.time() - path.stat().st_ctime < OPENING or locks.is_open_by_a_client(path):
            needed.update(_listed(sidecar))
        else:
            remove(path)
            remove(sidecar)
    return needed


def _listed(published: Path) -> list[str]:
    segments = json_object(published).get("segments")
    return [str(name) for name in segments] if isinstance(segments, list) else []


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    with suppress(PermissionError):  # Windows keeps what is open
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
