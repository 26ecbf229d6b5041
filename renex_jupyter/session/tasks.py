"""Tasks: run an action as a run, with the state before and after it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from renex_jupyter.capture.secrets import redact_argv
from renex_jupyter.config import settings
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.query import runs as query
from renex_jupyter.records.runs import Run
from renex_jupyter.session.active_run import ActiveRun, close, close_after
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.points import checked, checked_name
from renex_jupyter.session.runs import finish_what_was_left, open_run
from renex_jupyter.tasks import kernel
from renex_jupyter.tasks.process import run_process, split_command


def run_cell(name: str, source: str, params: Mapping[str, Any]) -> tuple[Run, BaseException | None]:
    """Run a cell's body in the kernel as a run; the exception of the body is returned, for the magic to raise.

    Raises
    ------
    SyntaxError, RenexError : before anything is recorded.
    """
    session = current()
    kernel.check_cell(session.shell, source)
    active = _open(session, name, "cell", source, params)
    session.names.update(params)
    try:
        with kernel.shown_busy(session.shell):
            error = kernel.run_cell(session.shell, source)
    except BaseException as interrupt:  # one that came between the body and us
        close_after(active, interrupt)
        raise
    close_after(active, error)
    return _recorded(session, active), error


def run_task(
    command_or_callable: str | Sequence[str] | Callable[[], Any],
    *,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    echo: Callable[[str], None] | None = None,
) -> Run:
    """Run a command in a process of its own, or call a function here, as a run.

    Parameters
    ----------
    command_or_callable : argv as a list; a string (split as a shell splits, but no shell runs); or a function, called
        without arguments. A command finds its run through the environment: `rx.log_metric` inside it just works.
    params : kept as params of the run.
    cwd : folder to run in; None: the project's folder for a command.
    echo : gets the output of a command while it comes; None: it is printed.

    Returns
    -------
    The run. A command that fails gives status `failed` with its exit code.

    Raises
    ------
    RenexError : `not_found` when there is no such command, `invalid_argument`. An exception of a function is raised
        again after the run is closed, and so is the KeyboardInterrupt that stopped a command.
    """
    if callable(command_or_callable):
        return _call(command_or_callable, name, params)
    argv = (
        split_command(command_or_callable)
        if isinstance(command_or_callable, str)
        else [str(a) for a in command_or_callable]
    )
    if not argv:
        raise invalid_argument("the command is empty.", "Example: %task train -- python train.py --lr 0.1")
    session = current()
    source = shlex.join(redact_argv(argv))
    title = Path(argv[0]).name if name is None else name
    active = _open(session, title, "command", source, params, executor="process")
    try:
        outcome = run_process(
            argv,
            cwd=Path(cwd) if cwd is not None else session.project,
            env={**os.environ, "PATH": _path()},
            echo=echo or _print,
            interrupt_grace=settings().interrupt_grace,
        )
    except BaseException as fault:
        close_after(active, fault)
        raise
    close(active, outcome.status, error=outcome.error, exit_code=outcome.exit_code)
    if outcome.status == "stopped":
        raise KeyboardInterrupt
    return _recorded(session, active)


def _call(function: Callable[[], Any], name: str | None, params: Mapping[str, Any] | None) -> Run:
    session = current()
    title = str(getattr(function, "__name__", "function")) if name is None else name
    active = _open(session, title, "function", getattr(function, "__qualname__", repr(function)), params)
    with active:
        function()
    return _recorded(session, active)


def _open(
    session: Session, name: str, kind: str, source: str, params: Mapping[str, Any] | None, *, executor: str = "kernel"
) -> ActiveRun:
    """Open the run of a task, after finishing what an earlier cell left open."""
    checked_name("task", name, "'train'")
    if params is not None and not isinstance(params, Mapping):
        raise invalid_argument(f"params are no {type(params).__name__}: {shown(params)}.", "Use params={'lr': 0.1}.")
    for key in params or {}:
        checked("param", key)
    finish_what_was_left(session)
    active = open_run(session, name, kind=kind, source=source, executor=executor, params=params or {})
    active.held = True
    return active


def _recorded(session: Session, active: ActiveRun) -> Run:
    return query.get_run(session.store.reader, active.run_id)


def _path() -> str:
    """Return the PATH, with this interpreter's folder first: `python` in a command means this environment's."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
