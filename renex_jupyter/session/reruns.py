"""Do a recorded run again: from the state before it, in its environment, as a new run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from renex_jupyter.errors import invalid_argument
from renex_jupyter.query import runs as run_query
from renex_jupyter.query import snapshots as query
from renex_jupyter.query.objects import RUN, checked_word
from renex_jupyter.records.runs import Run
from renex_jupyter.records.snapshots import Snapshot
from renex_jupyter.session import family, own_paths, work
from renex_jupyter.session.commands import Prepare, run_order, show
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.environment_builds import EnvironmentForRun
from renex_jupyter.session.found_runs import mark_vanished
from renex_jupyter.session.limits import Limits, limits_of
from renex_jupyter.session.places import FRESH, in_checkout, place_for, python_of
from renex_jupyter.session.replays import CELLS, lay_out_cells, replay_variables
from renex_jupyter.session.rerun_plans import Plan, plan_for
from renex_jupyter.store.run_folders import SHARE, WORK
from renex_jupyter.tasks import handover
from renex_jupyter.tasks.order import Order, Relay

Echo = Callable[[str], None]
PYTHON_INSIDE = "python"


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a run is to be done again; None: where it was recorded."""

    executor: str | None = None  # process, container
    environment: str | None = None
    image: str | None = None
    timeout: float | None = None  # seconds


@dataclass(frozen=True, slots=True)
class Again:
    """A run that is about to be done again."""

    session: Session
    recorded: Run
    plan: Plan
    before: Snapshot
    limits: Limits
    echo: Echo


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
    environment : name or id of an environment; "current": what is installed here; "fresh": the recorded one, built in a
        virtual environment; None: the recorded one, which is this one where the same packages are installed here.
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
    return do_again(session, recorded, Choice(executor, environment, image, timeout), echo)


def do_again(session: Session, recorded: Run, choice: Choice, echo: Echo | None) -> Run:
    """Do a run again, see `rerun`."""
    executor = _executor(recorded, choice)
    plan = plan_for(session, recorded)
    before = query.get_snapshot(session.store.reader, recorded.before_snapshot_id or "")
    given, say = plan.action, echo or show
    timeout = choice.timeout if choice.timeout is not None else given.get("timeout")
    again = Again(session, recorded, plan, before, limits_of(timeout, given.get("memory"), given.get("gpus")), say)
    missing = work.missing_files(session, before, of_command=recorded.kind == "command")
    if missing:
        say(f"{work.told_missing(missing, before)}\n")
    return _in_container(again, choice) if executor == "container" else _here(again, choice)


def _executor(recorded: Run, choice: Choice) -> str:
    """Return where it runs: nothing that was recorded in a container runs on this machine unasked."""
    if choice.executor not in (None, "process", "container"):
        raise invalid_argument(f"there is no executor '{choice.executor}'.", "Use 'process' or 'container'.")
    if choice.executor == "process" and choice.image is not None:
        raise invalid_argument("a process has no image.", "Give executor='container', or an environment.")
    if choice.executor is not None:
        return choice.executor
    # A cell that says so starts its container itself.
    inside = recorded.executor == "container" and (recorded.kind == "command" or recorded.rerun_of is not None)
    return "container" if inside or choice.image is not None else "process"


def _here(again: Again, choice: Choice) -> Run:
    recorded_id, whole = again.recorded.environment_id, again.recorded.kind == "command"
    place = place_for(again.session, recorded_id, choice.environment, again.echo, all_packages=whole)
    for note in place.notes:
        again.echo(f"renex: {note}\n")
    return _run(again, place.environment_id, _prepare_here(again, place), "process", {})


def _in_container(again: Again, choice: Choice) -> Run:
    from renex_jupyter.session import containers  # docker is needed for this only

    image, environment = _image_and_environment(again.recorded, again.plan.action, choice)
    place = containers.find_place(
        again.session,
        image,
        environment,
        again.limits,
        again.echo,
        image_id=_recorded_in(again.recorded, again.plan.action).get("image_id") if choice.image is None else None,
        all_packages=again.recorded.kind == "command",
    )
    told = {name: value for name, value in (("image", image), ("environment", environment)) if value}
    told["image_id"] = place.image_id
    lay_out = containers.prepare_in(again.session, place)
    return _run(again, place.environment_id, _prepare_inside(again, lay_out), "container", told)


def _image_and_environment(recorded: Run, action: Mapping[str, Any], choice: Choice) -> tuple[str | None, str | None]:
    """Return of which image, or environment, a container is made; `action` is that of the run done by hand."""
    given = _recorded_in(recorded, action)
    if choice.environment == FRESH:  # an image is never what is installed here
        return choice.image, given.get("environment") or recorded.environment_id
    if choice.image is not None or choice.environment is not None:
        return choice.image, choice.environment
    if given.get("image") is not None or given.get("environment") is not None:
        return given.get("image"), given.get("environment")
    return None, recorded.environment_id


def _recorded_in(recorded: Run, action: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what tells in which container a run was."""
    return recorded.action or {} if recorded.executor == "container" else action


def _run(again: Again, environment_id: str | None, prepare: Prepare, executor: str, where: Mapping[str, Any]) -> Run:
    plan, recorded = again.plan, again.recorded
    words = {"argv": list(plan.argv), "cwd": plan.cwd} if plan.argv else {}
    params = _params(recorded, plan)
    action = {**where, **words, "params": sorted(params), **({} if plan.nth is None else {work.NTH: plan.nth})}
    return run_order(
        again.session,
        name=recorded.name,
        kind=recorded.kind,
        source=plan.source,
        argv=plan.argv or (PYTHON_INSIDE,),
        cwd=again.session.project / plan.cwd,
        params=params,
        executor=executor,
        action=action,
        limits=again.limits,
        parse_stdout=bool(plan.action.get("parse_stdout")),
        rerun_of=recorded,
        before=again.before,
        environment_id=environment_id,
        prepare=prepare,
        echo=again.echo,
    )


def _params(recorded: Run, plan: Plan) -> Mapping[str, Any]:
    """Return the params that a command was given from outside; what it logs itself it logs again, as cells do."""
    if plan.nth is not None:
        return {}
    given = plan.action.get("params", recorded.params)
    return {name: value for name, value in recorded.params.items() if name in given}


def _prepare_here(again: Again, place: EnvironmentForRun) -> Prepare:
    """Return what lays a rerun out in the folder of its run, for a process on this machine."""
    plan, recorded = again.plan, again.recorded

    def prepare(order: Order, folder: Path, environment: dict[str, str]) -> Order:
        top = work.check_out(again.session, again.before, folder)
        there, python = in_checkout(again.session, place, top), str(python_of(place))
        for name in there.unset:
            environment.pop(name, None)
        environment.update(there.variables)
        environment.update(own_paths.in_variables(environment, again.session.project, top))
        argv = own_paths.in_command(_with_python(plan.command, python), again.session.project, str(top), top)
        order = replace(order, argv=argv, cwd=str(_folder_there(again, top)))
        if plan.nth is None:
            return order
        for name in family.NAMES:
            environment.pop(name, None)
        environment.update(replay_variables(recorded, str(folder / work.SCRATCH), str(top)))
        order = replace(order, relay=Relay(str(folder / work.SCRATCH), plan.nth))
        if plan.argv:
            return order
        lay_out_cells(folder, recorded, plan.cells)
        return replace(order, argv=tuple(handover.command(python, folder / CELLS)))

    return prepare


def _folder_there(again: Again, top: Path) -> Path:
    """Return the folder of a checkout to run in, made where a state keeps nothing of it, as of one that git ignores."""
    there, recorded = top / again.plan.folder, again.recorded
    never_began = recorded.kind == "command" and recorded.status == "failed" and recorded.exit_code is None
    if not never_began:  # for the lack of that very folder, perhaps
        with suppress(OSError):  # what is there instead is told when it is started
            there.mkdir(parents=True, exist_ok=True)
    return there


def _prepare_inside(again: Again, lay_out: Prepare) -> Prepare:
    """Return the same for a container; `lay_out` is what does it for any run in one."""
    plan, recorded = again.plan, again.recorded

    def prepare(order: Order, folder: Path, environment: dict[str, str]) -> Order:
        share = folder / SHARE
        order = replace(order, argv=_with_python(plan.command, PYTHON_INSIDE))
        order = replace(order, cwd=str(again.session.project / plan.folder))
        if plan.nth is None:
            return _moved_inside(again, lay_out(order, folder, environment), folder)
        if plan.cells:
            lay_out_cells(share, recorded, plan.cells)
            order = replace(order, argv=tuple(handover.command(PYTHON_INSIDE, f"{work.SHARE_SEEN}/{CELLS}")))
        order = replace(order, relay=Relay(str(share / work.SCRATCH), plan.nth))
        order = _moved_inside(again, lay_out(order, folder, environment), folder)
        assert order.container is not None
        inside = {name: value for name, value in order.container.environment.items() if name not in family.NAMES}
        inside.update(replay_variables(recorded, f"{work.SHARE_SEEN}/{work.SCRATCH}", work.WORK_SEEN))
        return replace(order, container=replace(order.container, environment=inside))

    return prepare


def _moved_inside(again: Again, order: Order, folder: Path) -> Order:
    """Return an order with the project's paths as a container has them; what was recorded in one means its own."""
    by_hand = again.recorded.rerun_of is None  # a rerun has the words of the run that it goes back to
    if not again.plan.argv or (again.recorded.executor == "container" and by_hand):
        return order
    moved = own_paths.in_command(order.argv, again.session.project, work.WORK_SEEN, folder / WORK)
    return replace(order, argv=moved)


def _with_python(argv: Sequence[str], python: str) -> tuple[str, ...]:
    """Return a command with the environment's interpreter: another one was meant by its absolute path."""
    if not argv:
        return ()
    program = PurePosixPath(argv[0])
    if program.is_absolute() and re.fullmatch(r"python(\d+(\.\d+)?)?", program.name):
        return (python, *argv[1:])
    return tuple(argv)
