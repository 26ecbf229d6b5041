"""The lock of those who read what is recorded, decide, and write: words that only one object has, numbers, names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from renex_jupyter.store import locks
from renex_jupyter.store.layout import os_errors
from renex_jupyter.store.store import Store

LOCK = "words.lock"
WAIT = 60.0  # seconds: of many processes that start at once on a slow machine, each has its turn


@contextmanager
def alone(store: Store, *, what: str = "the snapshots") -> Iterator[None]:
    """Let nobody else in the block who changes what must be unique: labels, aliases, names, numbers of versions.

    Nothing that takes long belongs in it. It is not reentrant.

    Parameters
    ----------
    what : as a message names what cannot be changed.

    Raises
    ------
    RenexError : `locked` when somebody else does so for longer than `WAIT` seconds; `permission`, `read_only`.
    """
    with os_errors(f"{what} cannot be changed"), locks.hold(store.layout.root / LOCK, timeout=WAIT):
        yield
