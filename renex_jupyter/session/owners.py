"""What `on=` means, remembered: a training asks it for every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from renex_jupyter.query.owners import find_owner, named
from renex_jupyter.records.owners import Owner
from renex_jupyter.session.current import Session

MOST = 10_000  # words and records that are remembered


@dataclass(frozen=True, slots=True)
class Known:
    """What words and records mean, as long as no object of the store changes."""

    root: Any
    marker: tuple[Any, ...]
    owners: dict[tuple[str, ...], Owner]


_known: Known | None = None


def known_owner(session: Session, on: object) -> Owner:
    """Return the object that a record, or a word, means, as `find_owner` does; looked up again when any object changed.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    global _known  # noqa: PLW0603  one per process: threads that meet here look up once more
    read, name = session.store.reader, named(on)
    if name is None:
        return find_owner(read, on, session.namespace)
    marker = read.marker(points=False) if session.store.exists else ()  # taken before the look
    known = _known
    if known is None or (known.root, known.marker) != (read.layout.root, marker) or len(known.owners) >= MOST:
        known = _known = Known(read.layout.root, marker, {})
    key = (*name, session.namespace)
    found = known.owners.get(key)
    if found is None:
        found = known.owners[key] = find_owner(read, on, session.namespace)
    return found
