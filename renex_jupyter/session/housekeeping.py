"""Keeping snapshots in order: list them, show one, change its words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from renex_jupyter.errors import invalid_argument
from renex_jupyter.query import snapshots as query
from renex_jupyter.records.changes import Change
from renex_jupyter.records.snapshots import Snapshot
from renex_jupyter.session.current import current
from renex_jupyter.session.snapshots import check_words

if TYPE_CHECKING:
    import pandas as pd


def get_snapshot(snapshot_id: str) -> Snapshot:
    """Return a snapshot by id, unique prefix or label.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`.
    """
    read = current().store.reader
    return query.get_snapshot(read, query.find_snapshot(read, snapshot_id))


def list_snapshots(*, hidden: bool = False, limit: int = 1000) -> pd.DataFrame:
    """Return snapshots as a DataFrame, the newest first; `hidden` adds those that runs made by themselves."""
    return query.list_snapshots(current().store.reader, hidden=hidden, limit=limit)


def update_snapshot(snapshot_id: str, *, message: str | None = None, label: str | None = None) -> Snapshot:
    """Change the words of a snapshot; its state and its id stay. An empty string takes a word away."""
    if message is None and label is None:
        raise invalid_argument("nothing to change.", "Give message= or label=.")
    check_words(message, label)
    before = get_snapshot(snapshot_id)
    given = {"message": message, "label": label}
    after: dict[str, Any] = {name: value or None for name, value in given.items() if value is not None}
    was = {name: getattr(before, name) for name in after}
    current().store.write(Change("snapshots", before.snapshot_id, "update", after, was, namespace=before.namespace))
    return dataclasses.replace(before, **after)
