"""Rebuilding: segments and generation are made again, and what is damaged on one side is mended from the other."""

from __future__ import annotations

import time

from renex_jupyter.records.keeping import Rebuilt
from renex_jupyter.store import generation
from renex_jupyter.store.fold import Remade, finish, folding, remake
from renex_jupyter.store.layout import Layout
from renex_jupyter.store.losses import losses_of


def rebuild(layout: Layout) -> Rebuilt:
    """Make the index anew; the one in force stays until the new one is whole.

    Raises
    ------
    RenexError : `locked` while another process folds, `disk_full` and its like; nothing is changed then.
    """
    began = time.monotonic()
    with folding(layout):
        made = remake(layout)
        finish(layout, changed=True)
        return _counted(layout, made, time.monotonic() - began)


def _lost(layout: Layout, made: Remade) -> int:
    """Return how many records are lost with the packs that were damaged or missing just now."""
    return sum(
        (loss.records or 0) - loss.back for loss in losses_of(layout) if loss.path.name in made.lost and loss.matters
    )


def _counted(layout: Layout, made: Remade, seconds: float) -> Rebuilt:
    with generation.connect(layout.generations / made.generation, read_only=True) as connection:
        books = generation.books(connection)
        row = connection.execute(
            "select (select count(*) from inside.folded), (select count(*) from inside.changes)"
        ).fetchone()
    journals, changes = row or (0, 0)
    points = sum(books.segments.values())
    return Rebuilt(
        journals, changes, points, len(books.segments), seconds, made.salvaged, made.lost, _lost(layout, made)
    )
