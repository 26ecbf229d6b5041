"""Rebuilding: segments and generation are made again, and what is damaged on one side is mended from the other."""

from __future__ import annotations

import time

from renex_jupyter.records.keeping import Rebuilt
from renex_jupyter.store import generation
from renex_jupyter.store.fold import Remade, finish, folding, remake
from renex_jupyter.store.layout import Layout
from renex_jupyter.store.losses import Loss, losses_of


def rebuild(layout: Layout) -> Rebuilt:
    """Make the index anew; the one in force stays until the new one is whole.

    Raises
    ------
    RenexError : `locked` while another process folds, `disk_full` and its like; nothing is changed then.
    """
    began = time.monotonic()
    with folding(layout):
        before = {loss.path.name for loss in losses_of(layout)}
        made = remake(layout)
        finish(layout, changed=True)
        lost = [loss for loss in losses_of(layout) if loss.matters and loss.path.name not in before]
        return _counted(layout, made, lost, time.monotonic() - began)


def _counted(layout: Layout, made: Remade, lost: list[Loss], seconds: float) -> Rebuilt:
    with generation.connect(layout.generations / made.generation, read_only=True) as connection:
        books = generation.books(connection)
        row = connection.execute(
            "select (select count(*) from inside.folded), (select count(*) from inside.changes)"
        ).fetchone()
    journals, changes = row or (0, 0)
    points = sum(books.segments.values())
    counts = [None if loss.records is None else loss.records - loss.back for loss in lost]
    return Rebuilt(
        journals,
        changes,
        points,
        len(books.segments),
        seconds,
        made.salvaged,
        made.lost,
        lost=sum(count or 0 for count in counts),
        lost_files=counts.count(None),
    )
