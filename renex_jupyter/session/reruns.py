"""Do a recorded run again: from the state before it, in its environment, as a new run."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from renex_jupyter.capture.secrets import REDACTED
from renex_jupyter.config import NOTEBOOK_VARIABLE, STORE_VARIABLE
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.ids import short
from renex_jupyter.query import runs as run_query
from renex_jupyter.query import snapshots as query
from renex_jupyter.query import verifications
from renex_jupyter.query.objects import RUN, checked_word
from renex_jupyter.records.runs import Run
from renex_jupyter.records.snapshots import CellExecution, Snapshot
from renex_jupyter.session import family, work
from renex_jupyter.session.commands import Prepare, run_order, show
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.limits import limits_of
from renex_jupyter.session.places import Place, place_for
from renex_jupyter.session.runs import mark_vanished
from renex_jupyter.tasks import handover
from renex_jupyter.tasks.order import Order, Relay
from renex_jupyter.tasks.process import split_command

REPLAY_VARIABLE = "RENEX_REPLAY"  # set in a replay: the id of the run that is done again
CELLS, SCRATCH = "cells", "store"  # folders in that of a run
INSTALLS = re.compile(
    r"^(\s*)([%!]\s*(?:\S*python\S*\s+-m\s+)?(?:uv\s+)?(?:pip3?|conda|mamba)\s+(?:install|add)\b.*)$", re.M
)
NESTED = re.compile(r"\b(?:rerun|verify)\s*\(|%renex\s+(?:rerun|verify)\b")
HIDDEN = re.compile(rf"\*\*\*|{REDACTED[0]}redacted\b")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run is done again."""

    argv: tuple[str, ...]  # of a command
    cwd: str  # relative to the checkout
    cells: tuple[CellExecution, ...] = ()  # of a notebook, instead
    nth: int | None = None  # which of the runs that the cells or a script open is meant; None: the command is the run
    action: Mapping[str, Any] = field(default_factory=dict)  # of the recorded run


def rerun(
    run_id: object,
    *,
    executor: str | None = None,
    environment: str | None = None,
    image: str | None = None,
    echo: Callable[[str], None] | None = None,
    timeout: float | None = None,
) -> Run:
    """Do a run again, from the state before it, as a new run whose `rerun_of` it is.

    The state before it is checked out into a folder of its own; the project is neither read nor changed. A command, or a
    script, is run there once more. Of a notebook the cells are run that its kernel had run, in the order in which it
    did, up to the one in which the run ended; lines that install packages are left out. What all of that writes is in
    the state after the new run, and goes nowhere else.

    Parameters
    ----------
    run_id : id, unique prefix or name of a run, or the run itself.
    executor : "process", "container", or None: where it was recorded.
    environment : name or id of an environment; "current": what is installed here; None: the recorded one, which is
        built where other packages are installed here.
    image : of a container, instead of an environment.
    echo : gets what it prints; None: it is printed.
    timeout : seconds.

    Returns
    -------
    The new run. It failed where the action failed, as the recorded one may have.

    Raises
    ------
    RenexError : `not_found` for the run or its state; `conflict` where it cannot be done again, with the reason;
        `environment_unavailable`, `docker_unavailable`.
    """
    checked_word(run_id, (RUN,))
    session = current()
    mark_vanished(session)
    read = session.store.reader
    recorded = run_query.get_run(read, run_query.find_run(read, run_id))
    return do_again(session, recorded, executor, environment, image, echo, timeout)


def do_again(
    session: Session,
    recorded: Run,
    executor: str | None,
    environment: str | None,
    image: str | None,
    echo: Callable[[str], None] | None,
    timeout: float | None,
) -> Run:
    """Do a run again, see `rerun`."""
    executor = _executor(recorded, executor, environment, image)
    plan = plan_for(session, recorded)
    before = query.get_snapshot(session.store.reader, recorded.before_snapshot_id or "")
    missing = work.missing_files(session, before, of_command=recorded.kind == "command")
    say = echo or show
    if missing:
        say(f"{work.told_missing(missing, before)}\n")
    if executor == "container":
        return _in_container(session, recorded, plan, before, environment, image, say, timeout)
    place = place_for(session, recorded.environment_id, environment, say)
    for note in place.notes:
        say(f"renex: {note}\n")
    return _run(
        session,
        recorded,
        plan,
        before,
        place.environment_id,
        _prepare_here(session, before, recorded, plan, place),
        say,
        timeout,
    )


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
    return _replay(session, recorded)


def _command(session: Session, recorded: Run) -> Plan:
    action = dict(recorded.action or {})
    argv = action.get("argv") or split_command(_source(session, recorded))
    _refuse_hidden(recorded, " ".join(argv))
    cwd = str(action.get("cwd") or ".")
    if PurePosixPath(cwd).is_absolute():
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
        return Plan((), "." if PurePosixPath(cwd).is_absolute() else cwd, tuple(cells), nth, recorded.action or {})
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


def _executor(recorded: Run, executor: str | None, environment: str | None, image: str | None) -> str:
    if executor not in (None, "process", "container"):
        raise invalid_argument(f"there is no executor '{executor}'.", "Use 'process' or 'container'.")
    if executor == "process" and image is not None:
        raise invalid_argument("a process has no image.", "Give executor='container', or an environment.")
    if executor is not None:
        return executor
    return (
        "container"
        if image is not None or (recorded.executor == "container" and recorded.kind == "command")
        else "process"
    )


def _run(
    session: Session,
    recorded: Run,
    plan: Plan,
    before: Snapshot,
    environment_id: str,
    prepare: Prepare,
    echo: Callable[[str], None],
    timeout: float | None,
    executor: str = "process",
    image: str | None = None,
) -> Run:
    given = plan.action
    limits = limits_of(timeout if timeout is not None else given.get("timeout"), given.get("memory"), given.get("gpus"))
    told = {name: given[name] for name in ("params",) if name in given}
    action = {
        **told,
        **({"argv": list(plan.argv), "cwd": plan.cwd} if plan.argv else {}),
        **({"image": image} if image else {}),
    }
    with work.as_of(session, recorded):
        return run_order(
            session,
            name=recorded.name,
            kind=recorded.kind,
            source=shlex.join(plan.argv) if plan.argv else plan.cells[-1].source,
            argv=plan.argv or ("python",),
            cwd=Path(plan.cwd),
            params=_params(recorded, plan),
            executor=executor,
            action=action,
            limits=limits,
            parse_stdout=bool(given.get("parse_stdout")),
            rerun_of=recorded.run_id,
            before=before,
            environment_id=environment_id,
            prepare=prepare,
            echo=echo,
        )


def _params(recorded: Run, plan: Plan) -> Mapping[str, Any]:
    """Return the params that a command was given from outside; what it logs itself it logs again, as cells do."""
    if plan.nth is not None:
        return {}
    params: Mapping[str, Any] = plan.action.get("params", recorded.params)
    return params


def _prepare_here(session: Session, before: Snapshot, recorded: Run, plan: Plan, place: Place) -> Prepare:
    """Return what lays a rerun out in the folder of its run, for a process on this machine."""

    def prepare(order: Order, folder: Path, environment: dict[str, str]) -> Order:
        top = work.check_out(session, before, folder)
        environment.update(place.variables)
        order = replace(order, argv=_with_python(plan.argv, place), cwd=str(top / plan.cwd))
        if plan.nth is None:
            return order
        for name in family.NAMES:
            environment.pop(name, None)
        environment.update(replay_variables(recorded, str(folder / SCRATCH), str(top)))
        order = replace(order, relay=Relay(str(folder / SCRATCH), plan.nth))
        if plan.argv:
            return order
        lay_out_cells(folder, recorded, plan.cells)
        return replace(order, argv=tuple(handover.command(str(place.python), folder / CELLS)))

    return prepare


def lay_out_cells(folder: Path, recorded: Run, cells: Sequence[CellExecution]) -> None:
    """Write the cells of a replay into the folder of a run; what failed when it was recorded may fail again."""
    told = [
        handover.Cell(without_installs(each.source), expect_error=_may_fail(each) and each is not cells[-1])
        for each in cells
    ]
    handover.lay_out(folder / CELLS, told, name=recorded.notebook or recorded.name, shell=True, load_extension=True)


def replay_variables(recorded: Run, scratch: str, top: str) -> dict[str, str]:
    """Return the variables of a replay: a store of its own, and the notebook in the checkout, as the cells see them."""
    named = {NOTEBOOK_VARIABLE: f"{top}/{recorded.notebook}"} if recorded.notebook else {}
    return {STORE_VARIABLE: scratch, REPLAY_VARIABLE: recorded.run_id, **named}


def without_installs(source: str) -> str:
    """Return a cell without the lines that install packages: the environment is that of the run already."""
    return INSTALLS.sub(r"\1pass  # left out of the rerun: \2", source)


def _may_fail(cell: CellExecution) -> bool:
    return cell.status != "ok" or NESTED.search(cell.source) is not None


def _with_python(argv: Sequence[str], place: Place) -> tuple[str, ...]:
    """Return a command with the environment's interpreter: another one was meant by its absolute path."""
    if not argv:
        return ()
    program = PurePosixPath(argv[0])
    if program.is_absolute() and re.fullmatch(r"python(\d+(\.\d+)?)?", program.name):
        return (str(place.python), *argv[1:])
    return tuple(argv)


def _in_container(
    session: Session,
    recorded: Run,
    plan: Plan,
    before: Snapshot,
    environment: str | None,
    image: str | None,
    echo: Callable[[str], None],
    timeout: float | None,
) -> Run:
    raise RenexError("unsupported_value", "reruns in containers are not there yet.")
