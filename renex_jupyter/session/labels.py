"""A label names one snapshot: whoever gets it takes it from the one that had it."""

from __future__ import annotations

from contextlib import suppress

from renex_jupyter.errors import RenexError, warn
from renex_jupyter.ids import short
from renex_jupyter.query.snapshot_lists import holders_of
from renex_jupyter.records.changes import Change
from renex_jupyter.session.alone import alone
from renex_jupyter.store.store import Store


def taken_from_others(store: Store, label: str, snapshot_id: str, namespace: str) -> list[Change]:
    """Return the changes that take a label from every other snapshot, and say so; the caller is `alone`."""
    others = [each for each in holders_of(store.reader, label) if each != snapshot_id]
    if others:
        warn(f"label '{label}' is now that of {short(snapshot_id)}; it was that of {', '.join(map(short, others))}.")
    return [Change("snapshots", each, "update", {"label": None}, {"label": label}, namespace) for each in others]


def settle_label(store: Store, label: str, snapshot_id: str, namespace: str) -> None:
    """Take a label from the older snapshots when a new one was kept with it.

    While somebody else holds the lock too long both keep it: the newest is meant by it then.
    """
    with suppress(RenexError), alone(store):
        holders = holders_of(store.reader, label)
        if holders[1:] and holders[0] == snapshot_id:  # else a newer one, or a change, was faster
            store.write(*taken_from_others(store, label, snapshot_id, namespace))
