"""Ask a running run to stop, wherever on this machine its process is."""

from __future__ import annotations

import os
import platform
import signal
from pathlib import Path

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.runs import Run
from renex_jupyter.store import liveness
from renex_jupyter.tasks.process import read_outcome


def interrupt(run: Run, folder: Path) -> None:
    """Send SIGINT to the process of a run: a supervisor stops its action then, a kernel the cell that it executes.

    It returns at once. That the run has stopped is told by its status; a supervisor that is asked a second time kills.
    Where the action has ended nothing is sent: the process is whoever is just recording that, perhaps a kernel in a cell.

    Parameters
    ----------
    folder : of the run, see `Layout.runs`.

    Raises
    ------
    RenexError : as `refusal` says; `permission` when the process belongs to somebody else.
    """
    reason = refusal(run)
    if reason is not None:
        raise reason
    assert run.pid is not None  # else it was refused
    if read_outcome(folder) is not None:
        return
    try:
        os.kill(run.pid, signal.SIGINT)
    except ProcessLookupError as error:  # it ended this very moment
        raise _gone(run) from error
    except PermissionError as error:
        fact = (
            f"{_named(run)} belongs to {run.user_name or 'another user'}: process {run.pid} takes no signal of yours."
        )
        raise RenexError("permission", fact, "Ask its owner to stop it.") from error


def refusal(run: Run) -> RenexError | None:
    """Return why a run cannot be stopped from here, None when it can.

    Returns
    -------
    RenexError : `conflict` for a run that is over; `invalid_argument` for one on another machine, or whose process nobody
        noted; `not_found` when its process is gone, which pid, start time and boot tell together.
    """
    if run.status == "lost":
        return _gone(run)
    if run.status != "running":
        return RenexError("conflict", f"{_named(run)} is over: {run.status}.", "Only a running run can be stopped.")
    if run.host is not None and run.host != platform.node():
        host = display.printable(run.host)
        hint = f"Stop it there: renex stop {short(run.run_id)}"
        return invalid_argument(f"{_named(run)} runs on {host}, this machine is {platform.node()}.", hint)
    if run.pid is None or run.pid < 1 or run.pid_started is None or run.boot_id is None:
        return invalid_argument(f"{_named(run)} did not note its process.", "Stop it where it was started.")
    if liveness.is_gone(run.pid, run.pid_started, run.boot_id, run.host):
        return _gone(run)
    if os.name == "nt":
        return invalid_argument(
            "Windows lets no process interrupt another.", "Interrupt its kernel, or close its window."
        )
    return None


def _named(run: Run) -> str:
    return f"run '{display.printable(run.name)}' {short(run.run_id)}"


def _gone(run: Run) -> RenexError:
    fact = f"{_named(run)} is lost: its process is gone."
    return RenexError("not_found", fact, "Nothing is left to stop. Its points and output so far are kept.")
