"""The run that goes on: one that is still open here, or that did not come to its end. Only one process takes it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from renex_jupyter.ids import short
from renex_jupyter.query import runs as query
from renex_jupyter.session.active_run import ActiveRun
from renex_jupyter.session.current import Session
from renex_jupyter.store import locks
from renex_jupyter.store.layout import os_errors
from renex_jupyter.store.store import Store

LOCK = "resume.lock"
WAIT = 10.0  # seconds


@contextmanager
def alone(store: Store) -> Iterator[None]:
    """Let nobody else look for a run to go on with, until ours is recorded as running again.

    Raises
    ------
    RenexError : `locked` when somebody else does so for longer than `WAIT` seconds; `permission`, `read_only`.
    """
    with os_errors("no run can be gone on with"), locks.hold(store.layout.root / LOCK, timeout=WAIT):
        yield


def left_open(session: Session, name: str) -> ActiveRun | None:
    """Return the run of this name that an earlier cell of this thread left open."""
    left = session.around
    if left is None or left.held or left.thread != threading.get_ident() or left.pid != os.getpid():
        return None
    return left if left.name == name else None


def unfinished(session: Session, name: str) -> str | None:
    """Return the id of the newest run of a name where ours would be opened, if it did not come to its end; and say so.

    A task around us is no parent here: it is another run each time that its cell is executed.
    """
    around = session.around
    parent = around.run_id if around is not None and around.run.kind == "block" else None
    read = session.store.reader
    run_id = query.unfinished_run(read, session.namespace, session.experiment, name, parent)
    if run_id is not None:
        status = query.get_run(read, run_id).status
        print(f"renex: run '{name}' ({short(run_id)}), which is {status}, goes on.")
    return run_id
