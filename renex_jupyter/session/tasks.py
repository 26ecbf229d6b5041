"""Tasks: run an action as a run, with the state before and after it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Number
from pathlib import Path
from typing import Any

from renex_jupyter.capture.secrets import redact_argv
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.keys import checked
from renex_jupyter.records.paths import to_text
from renex_jupyter.records.runs import Run
from renex_jupyter.session.active_run import ActiveRun
from renex_jupyter.session.commands import recorded, run_order
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.environment_builds import environment_for_run
from renex_jupyter.session.limits import limits_of
from renex_jupyter.session.points import checked_name
from renex_jupyter.session.runs import finish_what_was_left, open_run
from renex_jupyter.tasks.process import split_command

Word = str | bytes | float | os.PathLike[str] | os.PathLike[bytes]
WORDS = "A command is a list of texts, numbers and paths, the program first; or one text."


def run_task(
    command_or_callable: str | Sequence[Word] | Callable[[], Any],
    *,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    echo: Callable[[str], None] | None = None,
    executor: str | None = None,
    image: str | None = None,
    environment: str | None = None,
    timeout: float | str | None = None,
    memory: int | str | None = None,
    gpus: int | str | None = None,
    detach: bool = False,
    parse_stdout: bool = False,
) -> Run:
    """Run a command in a process of its own or in a container, or call a function here, as a run.

    Parameters
    ----------
    command_or_callable : argv as a list of texts, numbers and paths; a string (split as a shell splits, but no shell
        runs); or a function, called without arguments. A command finds its run through the environment:
        `rx.log_metric` inside it just works, and so do JSON lines that a program in any language appends to the file
        `$RENEX_JOURNAL`.
    params : kept as params of the run.
    cwd : folder to run in; None: the project's folder for a command.
    echo : gets the output of a command while it comes; None: it is printed.
    executor : "process" or "container"; None: a container where an image is given.
    image : Docker image of the container.
    environment : a kept environment, by its name or id, to run the command in, built if need be; None: the one of this
        process, or that of the image. With an image it is built on that one.
    timeout : seconds, after which the command is stopped and has failed.
    memory : bytes, or a text such as "4g", of the command and its children together; above it they are killed.
    gpus : how many GPUs it sees, which (`"0,2"`), or "all".
    detach : return at once, while the run goes on without this process; see `attach` and `stop`.
    parse_stdout : keep printed lines such as `loss: 0.3` as metrics.

    Returns
    -------
    The run. A command that fails gives status `failed` with its exit code; one that `stop` ended gives `stopped`.

    Raises
    ------
    RenexError : `not_found` when there is no such command, `invalid_argument`. An exception of a function is raised
        again after the run is closed, and so is the KeyboardInterrupt that stopped a command.
    """
    limits = limits_of(timeout, memory, gpus)
    chosen = _executor(executor, image)
    if callable(command_or_callable):
        if limits.given or detach or parse_stdout or environment is not None or executor or image is not None:
            raise invalid_argument(
                "a function runs in this process, where it can be neither limited nor detached.", "Give a command."
            )
        return _call(command_or_callable, name, params)
    argv = _argv(command_or_callable)
    session = current()
    folder = session.project if cwd is None else Path(cwd).absolute()
    title = to_text(Path(argv[0]).name) if name is None else name
    check_new(session, title, params)
    action: dict[str, Any] = {
        "argv": [to_text(each) for each in redact_argv(argv)],
        "cwd": to_text(session.relative(folder) or "."),
        "params": sorted(params or {}),
    }
    placed: dict[str, Any] = {}
    if chosen == "container":
        from renex_jupyter.session import containers  # Docker is needed for this only

        where = containers.find_place(session, image, environment, limits, echo, all_packages=True)
        placed = {"prepare": containers.prepare_in(session, where), "finish": containers.finish_in(session, echo)}
        placed["environment_id"] = where.environment_id
        action |= where.action
    elif environment is not None:
        place = environment_for_run(session, environment, all_packages=True, echo=echo)
        placed = {"prepare": place.prepare, "environment_id": place.environment_id}
        action["environment"] = place.environment_id
    return run_order(
        session,
        name=title,
        kind="command",
        source=shlex.join(action["argv"]),
        argv=argv,
        cwd=folder,
        params=params,
        executor=chosen,
        action=action,
        limits=limits,
        parse_stdout=parse_stdout,
        echo=echo,
        detach=detach,
        **placed,
    )


def _argv(command: object) -> list[str]:
    if isinstance(command, (bytes, bytearray)) or not isinstance(command, Iterable):
        raise invalid_argument(f"{shown(command)} is {type(command).__name__}, no command.", WORDS)
    argv = [_word(each) for each in (split_command(command) if isinstance(command, str) else command)]
    if not argv:
        raise invalid_argument("the command is empty.", "Example: %task train -- python train.py --lr 0.1")
    return argv


def _word(given: object) -> str:
    """Return one word of a command, as `os.fsencode` takes it."""
    if not isinstance(given, (str, Number, bytes, os.PathLike)):
        raise invalid_argument(f"{shown(given)} is {type(given).__name__}, no word of a command.", WORDS)
    word = str(given) if isinstance(given, (str, Number)) else os.fsdecode(given)
    try:
        os.fsencode(word)
    except UnicodeEncodeError as error:
        hint = "It holds half of a surrogate pair."
        raise invalid_argument(f"{shown(word)} cannot be written as UTF-8.", hint) from error
    return word


def _executor(executor: str | None, image: str | None) -> str:
    """Return where a command runs.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    if executor not in (None, "process", "container"):
        raise invalid_argument(f"executor {shown(executor)} is none.", 'Use "process" or "container".')
    if executor == "process" and image is not None:
        raise invalid_argument("an image is given, which a process does not run in.", 'Use executor="container".')
    return executor or ("process" if image is None else "container")


def _call(function: Callable[[], Any], name: str | None, params: Mapping[str, Any] | None) -> Run:
    session = current()
    title = str(getattr(function, "__name__", "function")) if name is None else name
    active = _open(session, title, "function", getattr(function, "__qualname__", repr(function)), params)
    with active:
        function()
    return recorded(active)


def check_new(session: Session, name: str, params: Mapping[str, Any] | None) -> None:
    """Check what a task is to be called and told, then finish what an earlier cell left open.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    checked_name("task", name, "'train'")
    if params is not None and not isinstance(params, Mapping):
        raise invalid_argument(f"params are no {type(params).__name__}: {shown(params)}.", "Use params={'lr': 0.1}.")
    for key in params or {}:
        checked("param", key)
    finish_what_was_left(session)


def _open(session: Session, name: str, kind: str, source: str, params: Mapping[str, Any] | None) -> ActiveRun:
    """Open the run of a task that runs in this process."""
    check_new(session, name, params)
    active = open_run(session, name, kind=kind, source=source, params=params or {})
    active.held = True
    return active
