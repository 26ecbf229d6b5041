"""Following a store: what is recorded in it, by whatever process, each change once."""

from __future__ import annotations

from collections.abc import Collection

from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.query.changes import AT_ONCE, Read, changes_after, position_now
from renex_jupyter.records import cursors
from renex_jupyter.records.cursors import START, Position
from renex_jupyter.records.events import ChangeEvent, Place
from renex_jupyter.store import layout
from renex_jupyter.store.store import Store

POLL = 0.2  # seconds between two looks at the folder of the journals
PASSING = frozenset({"locked", "not_found"})  # codes of what a later look may find otherwise
SINCE_HINT = "Give the cursor of a change, 0 for every change there ever was, or None for those from now on."


class Following:
    """A position in a store that moves on with each look.

    Parameters
    ----------
    since : a cursor, or a change that has one; 0: from the beginning; None: from now on.
    namespace, kinds, actions : which changes are told; the others are passed over.
    """

    def __init__(
        self,
        store: Store,
        since: object = None,
        *,
        namespace: str | None = None,
        kinds: Collection[str] | None = None,
        actions: Collection[str] | None = None,
    ) -> None:
        self.store = store
        self.namespace, self.kinds, self.actions = namespace, kinds, actions
        self.more = False  # the last look did not take all there is
        self._seen_at: object = None  # the marker of the store, when all that it held had been seen
        self.position = _start(store, since)

    @property
    def cursor(self) -> str:
        """The cursor after all that the last look returned."""
        return cursors.to_text(self.position, store_id(self.store))

    def look(self) -> list[ChangeEvent]:
        """Return what was recorded since the last look, or the first part of it; costs little when nothing was.

        Raises
        ------
        RenexError : `permission` and its like: the store cannot be read.
        """
        if not self.store.exists:
            return []
        try:
            marker = self.store.reader.marker(points=False)
            if marker == self._seen_at:
                self.more = False
                return []
            found = self._read()
        except RenexError as error:  # it is deleted, or changes faster than it can be read: the next look sees
            if error.code not in PASSING:
                raise
            return []
        self.more = len(found) >= AT_ONCE
        self._seen_at = None if self.more else marker
        return self._told(found)

    def _read(self) -> list[Read]:
        return changes_after(
            self.store.reader, self.position, namespace=self.namespace, kinds=self.kinds, actions=self.actions
        )

    def _told(self, found: list[Read]) -> list[ChangeEvent]:
        before, read = self.position, tuple((each.writer, each.seq) for each in found)
        known = store_id(self.store)
        self.position = before.after(read)
        return [
            ChangeEvent(
                change_id=f"{each.writer}.{each.seq}",
                writer=each.writer,
                seq=each.seq,
                **each.row,
                place=Place(before, read, index, known),
            )
            for index, each in enumerate(found)
            if each.wanted
        ]


def store_id(store: Store) -> str:
    """Return the id of a store that exists."""
    return str(layout.describe(store.layout)["store_id"]) if store.exists else ""


def _start(store: Store, since: object) -> Position:
    """Return the position that a user names.

    Raises
    ------
    RenexError : `invalid_argument`, `foreign_store`.
    """
    if since is None:
        return position_now(store.reader) if store.exists else START
    if isinstance(since, bool) or (since != 0 and not isinstance(since, (str, ChangeEvent))):
        raise invalid_argument(f"since={shown(since)} is no position.", SINCE_HINT)
    if isinstance(since, ChangeEvent):
        return cursors.from_text(since.cursor, store_id(store) or None)
    if since in (0, "0"):
        return START
    return cursors.from_text(since, store_id(store) or None)
