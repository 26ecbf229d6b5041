"""How a recorded run can be done again: its command, or the cells or the script that it was a part of."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from renex_jupyter.capture.secrets import REDACTED
from renex_jupyter.config import REPLAY_VARIABLE
from renex_jupyter.errors import RenexError
from renex_jupyter.ids import short
from renex_jupyter.query import runs as run_query
from renex_jupyter.query import verifications
from renex_jupyter.records.paths import from_text, to_text
from renex_jupyter.records.runs import Run
from renex_jupyter.records.snapshots import CellExecution
from renex_jupyter.session.current import Session
from renex_jupyter.tasks.process import split_command

# What stands where a secret was: in the place of one, or in an address. Asterisks elsewhere are the user's.
HIDDEN = re.compile(
    rf"{REDACTED[0]}redacted(?::[^{REDACTED[-1]}]*)?{REDACTED[-1]}|://(?:[^\s:@/\"']*:)?\*\*\*@|[?&][^=&\s?]+=\*\*\*"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run is done again."""

    argv: tuple[str, ...]  # of a command, as it is kept: see `records.paths`
    cwd: str  # relative to the checkout, as it is kept
    cells: tuple[CellExecution, ...] = ()  # of a notebook, instead
    nth: int | None = None  # which of the runs that the cells or a script open is meant; None: the command is the run
    action: Mapping[str, Any] = field(default_factory=dict)  # of the recorded run

    @property
    def command(self) -> tuple[str, ...]:
        """The words that are run: a word need not be UTF-8."""
        return tuple(map(from_text, self.argv))

    @property
    def folder(self) -> str:
        """Where it is run, relative to the checkout."""
        return from_text(self.cwd)

    @property
    def source(self) -> str:
        """What the task is known by."""
        return shlex.join(self.argv) if self.argv else self.cells[-1].source


def plan_for(session: Session, recorded: Run) -> Plan:
    """Return how a run can be done again.

    Raises
    ------
    RenexError : `conflict`, `not_found`, with the reason why it cannot.
    """
    if os.environ.get(REPLAY_VARIABLE):
        raise RenexError("conflict", "a rerun starts no other one.", "Run it in a cell of its own.")
    if recorded.status == "running":
        hint = f"Wait for its end, or stop it: %renex stop {short(recorded.run_id)}"
        raise RenexError("conflict", f"run '{recorded.name}' is still running.", hint)
    if recorded.before_snapshot_id is None:
        hint = "The state could not be captured when it started."
        raise RenexError("not_found", f"run '{recorded.name}' has no state before it.", hint)
    if recorded.kind == "command":
        return _command(session, recorded)
    return _replay(session, origin(session, recorded))


def origin(session: Session, recorded: Run) -> Run:
    """Return the run whose cells were run by hand: a rerun has none of its own.

    Raises
    ------
    RenexError : `not_found` where it is not in the store any more.
    """
    while recorded.rerun_of and recorded.kind != "command":
        recorded = run_query.get_run(session.store.reader, recorded.rerun_of)
    return recorded


def taken_for_another(session: Session, recorded: Run, second: Run) -> tuple[str, bool]:
    """Return what tells that a rerun may be another run than the one that was meant.

    Returns
    -------
    The id of the run of that session and name whose params it has, or "", and whether such runs were open side by side.
    """
    if recorded.kind == "command":
        return "", False
    with suppress(RenexError):  # it was purged
        recorded = origin(session, recorded)
    read = session.store.reader
    twin = verifications.twin_of(read, recorded, second)
    return twin, verifications.were_side_by_side(read, recorded)


def _command(session: Session, recorded: Run) -> Plan:
    action = dict(recorded.action or {})
    argv = action.get("argv") or split_command(_source(session, recorded))
    _refuse_hidden(recorded, " ".join(argv))
    cwd = str(action.get("cwd") or ".")
    if PurePosixPath(from_text(cwd)).is_absolute():
        raise RenexError(
            "conflict",
            f"run '{recorded.name}' worked in {cwd}, outside of the project.",
            "A snapshot has the project's files only, so it cannot be done again from one.",
        )
    return Plan(tuple(argv), cwd, action=action)


def _source(session: Session, recorded: Run) -> str:
    """Return the command line of a run of before it was recorded by itself."""
    query = """
        select source from inside.tasks where name = ? and kind = 'command' and created_at <= ?
        order by created_at desc"""
    rows = session.store.reader.rows(query, [recorded.task, recorded.started_at])
    if len({row["source"] for row in rows}) != 1:
        hint = "It was recorded before commands were. Run it once more with %task."
        raise RenexError("not_found", f"the command of run '{recorded.name}' is not known.", hint)
    return str(rows[0]["source"])


def _replay(session: Session, recorded: Run) -> Plan:
    read = session.store.reader
    cells = verifications.replayed_cells(read, recorded)
    told = verifications.session_of(read, recorded.session_id)
    if cells:
        _refuse_hidden(recorded, "\n".join(each.source for each in cells))
        cwd = str(PurePosixPath(recorded.notebook).parent) if recorded.notebook else "."
        nth = verifications.place_in_session(read, recorded)
        return Plan(
            (), "." if PurePosixPath(cwd).is_absolute() else to_text(cwd), tuple(cells), nth, recorded.action or {}
        )
    if told.get("command"):
        command = json.loads(told["command"])
        _refuse_hidden(recorded, " ".join(command["argv"]))
        nth = verifications.place_in_session(read, recorded)
        return Plan(tuple(command["argv"]), command["cwd"], nth=nth)
    if recorded.notebook or recorded.kind in ("cell", "function"):
        raise RenexError(
            "conflict",
            f"the cell of run '{recorded.name}' is not recorded as having ended.",
            "Ask from another cell than that of the run itself; a cell whose kernel died cannot be done again."
            if recorded.notebook or recorded.kind == "cell"
            else "Run the script as a task: renex task NAME -- python SCRIPT",
        )
    hint = "Runs of notebooks, and of commands (%task NAME -- python SCRIPT), can be done again."
    raise RenexError("conflict", f"how run '{recorded.name}' was started is not known.", hint)


def _refuse_hidden(recorded: Run, text: str) -> None:
    if HIDDEN.search(text):
        raise RenexError(
            "conflict",
            f"run '{recorded.name}' had a secret on its command line or in a cell, which was not kept.",
            "Hand secrets over in environment variables: they are passed on to a rerun.",
        )
