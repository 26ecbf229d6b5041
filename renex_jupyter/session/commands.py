"""Actions outside of this process as runs: told to a supervisor, watched, and recorded when they end."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError, told
from renex_jupyter.query import runs as query
from renex_jupyter.records.changes import Change
from renex_jupyter.records.runs import Run
from renex_jupyter.records.snapshots import Snapshot
from renex_jupyter.session.active_run import ActiveRun, close, close_after, let_go
from renex_jupyter.session.closing import Finish, closer_of, record_end
from renex_jupyter.session.current import Session
from renex_jupyter.session.limits import GPU_VARIABLE, Limits, visible_gpus
from renex_jupyter.session.runs import open_run
from renex_jupyter.store import layout as layouts
from renex_jupyter.store.interrupts import interrupts_held_back
from renex_jupyter.store.run_folders import remove
from renex_jupyter.tasks import process
from renex_jupyter.tasks.order import Order, Outcome

Prepare = Callable[[Order, Path, dict[str, str]], Order]
NO_LIMITS = Limits()


def run_order(
    session: Session,
    *,
    name: str,
    kind: str,
    source: str,
    argv: Sequence[str],
    cwd: Path,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    executor: str = "process",
    action: Mapping[str, Any] | None = None,
    limits: Limits = NO_LIMITS,
    parse_stdout: bool = False,
    rerun_of: Run | None = None,
    before: Snapshot | None = None,
    environment_id: str | None = None,
    prepare: Prepare | None = None,
    finish: Finish | None = None,
    echo: Callable[[str], None] | None = None,
    detach: bool = False,
) -> Run:
    """Run an action in a process of its own, or a container, as a run: the one way in which all of them are run.

    Parameters
    ----------
    source : what the task is known by: a command line, or the source of a cell; without secrets.
    argv : program and arguments; no shell is involved, and nothing of it is recorded.
    action : what is recorded of how it is executed; limits and `parse_stdout` are added to it.
    before : the state before; None: that of this moment is taken.
    environment_id : what it runs in; None: the environment of the state before, and nothing that is known in a container.
    prepare : called once the run is recorded, before its action starts, with the order, the run's folder (empty, mode
        0700) and the environment of the process, which it may change; returns the order that is carried out. What it
        raises ends the run as failed.
    finish : called with the outcome and the folder when the action has ended, before the state after is taken and the
        folder is removed. It is not called for a detached run.
    echo : gets what the action prints while it comes; None: it is printed.
    detach : return as soon as it was started.

    Returns
    -------
    The run; running, if detached.

    Raises
    ------
    RenexError : why the action could not be started; the run is failed then.
    KeyboardInterrupt : the one that stopped the action, after the run is recorded.
    """
    told = {**(action or {}), **limits.given, **({"parse_stdout": True} if parse_stdout else {})}
    active = open_run(
        session,
        name,
        kind=kind,
        source=source,
        executor=executor,
        params=params,
        tags=tags,
        action=told,
        rerun_of=rerun_of,
        before=before,
        environment_id=environment_id,
    )
    active.held = True
    folder = session.store.layout.runs / active.run_id
    order = _order(active, argv, cwd, limits, parse_stdout=parse_stdout, detach=detach)
    try:
        supervised = _started(active, order, folder, limits, prepare)
    except BaseException as fault:
        _not_started(active, fault)
        remove(folder)
        raise
    if detach:
        return _detached(active, supervised, folder, finish)
    return _watched(active, supervised, folder, finish, echo or show)


def recorded(active: ActiveRun) -> Run:
    """Return a run as it is recorded now."""
    return query.get_run(active.session.store.reader, active.run_id)


def show(text: str) -> None:
    """Print output as it comes."""
    sys.stdout.write(text)
    sys.stdout.flush()


def path_of_environment() -> str:
    """Return the PATH, with this interpreter's folder first: `python` in a command means this environment's."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _order(
    active: ActiveRun, argv: Sequence[str], cwd: Path, limits: Limits, *, parse_stdout: bool, detach: bool
) -> Order:
    given, run = settings(), active.run
    return Order(
        run_id=run.run_id,
        store=str(active.session.store.layout.root.absolute()),
        argv=tuple(argv),
        cwd=str(cwd),
        namespace=run.namespace,
        detached=detach,
        closer=closer_of(active.session, run.run_id),
        timeout=limits.timeout,
        memory=limits.memory,
        grace=given.interrupt_grace,
        parse_stdout=parse_stdout,
        sample_every=given.system_metrics_interval,
        output_kept=given.output_kept,
        output_shown=given.output_shown,
    )


def _started(
    active: ActiveRun, order: Order, folder: Path, limits: Limits, prepare: Prepare | None
) -> process.Supervised:
    """Start the supervisor, and note it as the process by whose life the run is known to be running."""
    told = active.told  # in the environment itself another thread's run may be named
    environment = {name: value for name, value in {**os.environ, **told}.items() if value is not None}
    environment["PATH"] = path_of_environment()
    seen = None if limits.gpus is None else visible_gpus(limits.gpus)
    if seen is not None:
        environment[GPU_VARIABLE] = seen
    with layouts.os_errors("the run's folder cannot be made"):
        folder.mkdir(mode=0o700, parents=True)
    if prepare is not None:
        order = prepare(order, folder, environment)
    with interrupts_held_back():  # one in between would leave a process that nobody watches
        supervised = process.start(order, environment, folder)
        try:
            change = Change("runs", order.run_id, "update", supervised.identity, namespace=order.namespace)
            active.session.store.write(change)
        except BaseException:
            supervised.stop()
            raise
    active.run = replace(active.run, **supervised.identity)
    return supervised


def _not_started(active: ActiveRun, fault: BaseException) -> None:
    if isinstance(fault, RenexError):
        close(active, "failed", error=f"{fault.code}: {fault.message}")
    else:
        close_after(active, fault)


def _watched(
    active: ActiveRun,
    supervised: process.Supervised,
    folder: Path,
    finish: Finish | None,
    echo: Callable[[str], None],
) -> Run:
    """Show what an action prints until it ends, then record the end."""
    try:
        outcome: Outcome | None = supervised.follow(echo)
    except BaseException as fault:
        outcome = _at_fault(process.read_outcome(folder), fault)
        raise
    finally:
        record_end(active, outcome, folder, finish)
    if supervised.interrupted:
        with suppress(RenexError):  # the store is gone
            raise KeyboardInterrupt(recorded(active).line)
        raise KeyboardInterrupt
    return recorded(active)


def _detached(active: ActiveRun, supervised: process.Supervised, folder: Path, finish: Finish | None) -> Run:
    """Leave a run that has begun to its supervisor."""
    try:
        supervised.wait_begun()
    except RenexError as fault:
        supervised.stop()
        record_end(active, _at_fault(process.read_outcome(folder), fault), folder, finish)
        raise
    except BaseException:  # it goes on: its supervisor records the end
        _leave(active, supervised)
        raise
    _leave(active, supervised)
    return recorded(active)


def _leave(active: ActiveRun, supervised: process.Supervised) -> None:
    supervised.let_go()
    threading.Thread(target=supervised.wait, name="renex-detached", daemon=True).start()
    let_go(active)


def _at_fault(outcome: Outcome | None, fault: BaseException) -> Outcome | None:
    """Return how an action ended that our side of it has failed: when it could not be started it says so itself."""
    if outcome is None or outcome.fault is not None:
        return outcome
    return replace(outcome, status="failed", error=told(fault))
