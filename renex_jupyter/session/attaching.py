"""A run that goes on elsewhere: watch it, stop it, read what it printed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.ids import short
from renex_jupyter.query import run_files as query
from renex_jupyter.records.runs import Run
from renex_jupyter.session import purges
from renex_jupyter.session.active_run import ActiveRun, close
from renex_jupyter.session.commands import show
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.found_runs import get_run
from renex_jupyter.session.kept_output import output_in
from renex_jupyter.session.watching import WITH_OUTPUT
from renex_jupyter.tasks import stopping
from renex_jupyter.tasks.watching import watch

if TYPE_CHECKING:
    import pandas as pd

TICK = 0.1  # seconds between two looks at a run that is about to end
CLOSING = 120.0  # seconds that the end of a stopped run may take to be recorded: a state of the project is taken
OUTSIDE = ("process", "container")  # executors of what runs outside of a kernel


def stop(run_id: str | Run | ActiveRun) -> Run:
    """Stop a running run of this machine, politely: interrupted first, then asked to end, then killed.

    Its command gets SIGINT, a kernel the interrupt that its Stop button gives.

    Parameters
    ----------
    run_id : id, unique prefix or name (the newest of that name).

    Returns
    -------
    The run as it ended, with the state after it.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`; `conflict` for a run that is over; `invalid_argument` for one of another
        machine; `permission` for somebody else's; `timeout` when it does not end, such as a kernel that does nothing.
    """
    run, session = get_run(run_id), current()
    if run.executor not in OUTSIDE and _stopped_here(session, run):
        return get_run(run.run_id)
    stopping.interrupt(run, session.store.layout.runs / run.run_id)
    until = time.monotonic() + 2 * settings().interrupt_grace + CLOSING
    while time.monotonic() < until:
        found = get_run(run.run_id)
        if found.status != "running":
            return found
        time.sleep(TICK)
    hint = "A kernel that executes nothing cannot be interrupted: end the run there with rx.end_run()."
    raise RenexError("timeout", f"{_named(run)} was asked to stop and has not ended.", hint)


def attach(run_id: str | Run | ActiveRun, echo: Callable[[str], None] | None = None) -> Run:
    """Show what a run prints, from its beginning, until it ends; an interrupt leaves it running.

    Parameters
    ----------
    run_id : id, unique prefix or name (the newest of that name).
    echo : gets the output; None: it is printed.

    Returns
    -------
    The run, as it ended. Of one that is over already the kept output is shown.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`; `invalid_argument` for a block of a cell, or a run on another machine.
    KeyboardInterrupt : says that the run goes on.
    """
    run, say = get_run(run_id), echo or show
    _check_prints(run)
    if run.status != "running":
        say(run_output(run))
        return run
    refused = stopping.refusal(run)
    if refused is not None and refused.code == "invalid_argument":
        raise refused
    folder = current().store.layout.runs / run.run_id
    try:
        is_over, rest = lambda: get_run(run.run_id).status != "running", lambda: run_output(_ended(run))
        watch(folder, say, is_over=is_over, rest=rest)
        return _ended(run)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"{_named(run)} goes on. To see it again: %renex attach {short(run.run_id)}; "
            f"to end it: %renex stop {short(run.run_id)}"
        ) from None


def run_output(run_id: str | Run | ActiveRun) -> str:
    """Return what a task printed, as a screen would show it: so far, or all that was kept of it.

    Of very much the middle is left out, which a line says. Secrets of known formats are taken out.

    Raises
    ------
    RenexError : `not_found`, also for output that was purged; `ambiguous`; `invalid_argument` for a block of a cell.
    """
    run, store = get_run(run_id), current().store
    _check_prints(run)
    if run.output_sha256 is None:
        return output_in(store.layout.runs / run.run_id)
    gone = purges.gone(store, [run.output_sha256]).get(run.output_sha256)
    if gone is not None:
        raise RenexError("not_found", f"the output of {_named(run)} was {gone}.", "It is gone for good.")
    return store.blobs.get(run.output_sha256).decode(errors="replace")


def run_files(run_id: str | Run | ActiveRun) -> pd.DataFrame:
    """Return the files that differ between the states before and after a run, the notebook left out.

    Returns
    -------
    Columns: path, change (created, changed, deleted), size [bytes] after the run.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`.
    """
    import pandas as pd

    rows = query.changed_files(current().store.reader, get_run(run_id).run_id)
    return pd.DataFrame(rows, columns=["path", "change", "size"])


def _stopped_here(session: Session, run: Run) -> bool:
    """End a run that an earlier cell of this kernel left open; one that a cell is just in ends by the interrupt."""
    active = next((each for each in session.runs if each.run_id == run.run_id and not each.joined), None)
    if active is None or active.held or active.pid != os.getpid():
        return False
    close(active, "stopped")
    return True


def _ended(run: Run) -> Run:
    """Return a run whose action has ended, as soon as its end is recorded."""
    until = time.monotonic() + CLOSING
    found = get_run(run.run_id)
    while found.status == "running" and time.monotonic() < until:
        time.sleep(TICK)
        found = get_run(run.run_id)
    return found


def _check_prints(run: Run) -> None:
    if run.executor not in OUTSIDE and run.kind not in WITH_OUTPUT:
        hint = "What a cell prints is kept with its notebook, in the state after the run."
        raise invalid_argument(f"{_named(run)} is a block of a cell or of a script, which prints for itself.", hint)


def _named(run: Run) -> str:
    return f"run '{run.name}' {short(run.run_id)}"
