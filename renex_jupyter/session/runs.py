"""Runs: open, log on, close, find."""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from renex_jupyter.config import (
    EXPERIMENT_VARIABLE,
    NAMESPACE_VARIABLE,
    NESTING_VARIABLE,
    RUN_NAME_VARIABLE,
    RUN_VARIABLE,
)
from renex_jupyter.errors import RenexError, invalid_argument, shown, warn
from renex_jupyter.ids import content_id, new_id, short
from renex_jupyter.query import runs as query
from renex_jupyter.query.objects import RUN, checked_word
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.keys import LONGEST_KEY, checked
from renex_jupyter.records.runs import STATUSES, Run, Task
from renex_jupyter.records.snapshots import Snapshot
from renex_jupyter.session import exits, resuming
from renex_jupyter.session.active_run import ActiveRun, close, close_after, snapshot_for, tell_children
from renex_jupyter.session.current import Session, current, never_in_the_way
from renex_jupyter.session.found_runs import mark_vanished
from renex_jupyter.session.points import checked_name
from renex_jupyter.session.watching import Watch
from renex_jupyter.store import liveness
from renex_jupyter.store.interrupts import interrupts_held_back

PLACE = ("namespace", "experiment")  # columns that say where a run belongs
NOT_COLUMNS = ("params", "metrics", "tags", "files")


def set_experiment(name: str, namespace: str | None = None) -> None:
    """Choose the experiment, and optionally the namespace, of the runs that follow; both are created on first use.

    Raises
    ------
    RenexError : `invalid_argument` for a name that is none; both stay as they were then.
    """
    experiment = checked_name("experiment", name, 'set_experiment("digits")')
    if namespace is not None:
        namespace = checked_name("namespace", namespace, 'set_experiment("digits", namespace="vision")')
    session = current()
    session.used.forget(namespace, experiment)
    session.experiment, session.namespace = experiment, namespace or session.namespace


def start_run(
    name: str | None = None,
    *,
    run_id: str | Run | ActiveRun | None = None,
    nested: bool = False,
    tags: Mapping[str, str] | None = None,
    resume: bool = False,
) -> ActiveRun:
    """Open a run; use it as `with rx.start_run("train") as run:` or close it with `end_run()`.

    A run that an earlier cell left open is finished with one line of notice. Inside a `with` block or a task the new
    run becomes a child of that one, as with `nested=True`.

    Parameters
    ----------
    name : a text of 1 to 500 characters; None: the name of the notebook or of the script.
    run_id : go on with this recorded run (id, unique prefix, or what `start_run` or `get_run` returned) instead of a
        new one. Where another process of this machine has it open, that process ends it, and this one only logs on it.
    resume : go on with the newest run of this name in this experiment if it was lost, failed or was stopped, or is still
        open here; else open a new one. See `last_checkpoint`, by which a training goes on where it was.

    Raises
    ------
    RenexError : `invalid_argument` for an argument that is none, `not_found`, `ambiguous` for `run_id`; `permission`,
        `disk_full` when the store cannot be written. No run is open then that was not open before.
    """
    _check_new(name, run_id, tags, nested=nested, resume=resume)
    session = current()
    active = _at_hand(session, run_id, nested=nested)
    if resume and active is None:
        active = resuming.left_open(session, name or _default_name(session))
    if active is not None:
        if tags:
            active.set_tags(tags)
        return active
    finish_what_was_left(session, nested=nested)
    if run_id is not None:
        return _reopen(session, run_id, tags)
    if resume and session.store.exists:
        mark_vanished(session)
        with resuming.alone(session.store):
            unfinished = resuming.unfinished(session, name or _default_name(session))
            if unfinished is not None:
                return _reopen(session, unfinished, tags)
    return open_run(session, name or _default_name(session), tags=tags)


def _check_new(name: object, run_id: object, tags: object, *, nested: object, resume: object = False) -> None:
    """Refuse what a run cannot be opened with.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    if name is not None:
        checked_name("run", name, 'start_run(f"fold {k}")')
    if run_id is not None:
        checked_word(run_id, (RUN,))
    if tags is not None and not isinstance(tags, Mapping):
        raise invalid_argument(f"tags are no {type(tags).__name__}: {shown(tags)}.", "Use tags={'who': 'ada'}.")
    for key in tags or {}:
        checked("tag", key)
    if not isinstance(nested, bool):
        raise invalid_argument(f"nested={shown(nested)} is neither True nor False.", "Use nested=True.")
    if not isinstance(resume, bool):
        raise invalid_argument(f"resume={shown(resume)} is neither True nor False.", "Use resume=True.")
    if resume and run_id is not None:
        raise invalid_argument("both run_id and resume.", "A run_id says by itself which run goes on.")


def finish_what_was_left(session: Session, *, nested: bool = False) -> None:
    """Finish, with one line of notice, the run that a plain `start_run()` of an earlier cell left open.

    Raises
    ------
    RenexError : `disk_full` and its like while something of it still waits in memory: it stays open then.
    """
    left = session.around
    if left is None or nested or left.held or left.thread != threading.get_ident() or left.pid != os.getpid():
        return
    left.points.write_what_waits()
    close(left, "finished")
    print(f"renex: run '{left.name}' ({short(left.run_id)}) was still open and is finished now.")


def _at_hand(session: Session, run_id: str | Run | ActiveRun | None, *, nested: bool) -> ActiveRun | None:
    """Return the run that is open already: the parent process opened it for us, or it is asked for by its id."""
    if run_id is None:
        joined = _run_of_parent_process(session)
        return None if nested or session.family.given.get(NESTING_VARIABLE) else joined
    wanted = query.find_run(session.store.reader, run_id)
    return next((each for each in session.runs if each.run_id == wanted), None)


def _default_name(session: Session) -> str:
    notebook = session.notebook
    if notebook is None and session.shell is not None:
        return "notebook"
    stem = (notebook or Path(sys.argv[0])).stem
    return stem.encode(errors="replace").decode()[:LONGEST_KEY].strip() or "run"


def open_run(
    session: Session,
    name: str,
    *,
    kind: str = "block",
    executor: str = "kernel",
    source: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    action: Mapping[str, Any] | None = None,
    rerun_of: Run | None = None,
    before: Snapshot | None = None,
    environment_id: str | None = None,
) -> ActiveRun:
    """Record the state before, then the run, and make it the one that is logged on: wholly, or it ends at once.

    Parameters
    ----------
    action : how it is executed, see `Run.action`.
    rerun_of : the recorded run that is done again: this one belongs where that one does.
    before : the state before; None: that of this moment is taken.
    environment_id : what it runs in; None: the environment of the state before, but of a container, whose image holds
        another one that nobody knows.
    """
    parent = session.around or _run_of_parent_process(session)
    session.begin()
    belongs = rerun_of or session
    namespace, experiment = session.ensure_experiment(belongs.namespace, belongs.experiment)
    run_id, store = new_id(), session.store
    task = _ensure_task(session, namespace, name, kind, source) if source is not None else None
    before = before or snapshot_for(session, run_id, "before", {})
    run = Run(
        run_id=run_id,
        name=name,
        started_at=now(),
        namespace=namespace,
        experiment=experiment,
        task=task,
        kind=kind,
        executor=executor,
        notebook=before.notebook if before and rerun_of else session.relative(session.notebook),
        session_id=session.session_id,
        before_snapshot_id=before.snapshot_id if before else None,
        environment_id=environment_id or (before.environment_id if before and executor != "container" else None),
        hardware_id=before.hardware_id if before else None,
        parent_run_id=parent.run_id if parent else None,
        rerun_of=rerun_of.run_id if rerun_of else None,
        action=action,
        user_name=store.journal.actor,
        host=platform.node(),
        **liveness.identity(),  # type: ignore[arg-type]
    )
    after = {name: value for name, value in fields(run).items() if name not in NOT_COLUMNS}
    active = ActiveRun(session, run)
    active.around, active.begun = parent, time.monotonic()
    with _opening(active, Change("runs", run_id, "create", after, namespace=run.namespace)):
        _follow(active)
        if params:
            active.set_params(params)
        if tags:
            active.set_tags(tags)
        if executor == "kernel":
            active.watch = Watch(store, run_id, kind, {})
    return active


def _follow(active: ActiveRun) -> None:
    """Have a run that just opened go along with its experiment, if that was renamed or moved in this moment."""
    session = active.session
    with never_in_the_way("that its experiment was renamed"):
        # Until it is still so after it was written: whoever renames looks for runs of the old name, too, when that is done.
        while (found := session.ensure_experiment(active.run.namespace, active.run.experiment)) != _place(active.run):
            after = dict(zip(PLACE, found, strict=True))
            before = dict(zip(PLACE, _place(active.run), strict=True))
            session.store.write(Change("runs", active.run_id, "update", after, before, active.run.namespace))
            active.run = replace(active.run, namespace=found[0], experiment=found[1])


def _place(run: Run) -> tuple[str, str]:
    return run.namespace, run.experiment


@contextmanager
def _opening(active: ActiveRun, *changes: Change) -> Iterator[None]:
    """Record that a run opens and make it the one that is logged on; it ends where that, or the block, fails."""
    session = active.session
    try:
        _load_what_logs()
        with interrupts_held_back():  # one in between would leave it recorded as running, with nobody to end it
            if changes:
                session.store.write(*changes)
            session.runs.append(active)
        tell_children(session)
        exits.watch()
        yield
    except BaseException as error:
        close_after(active, error)
        raise


def _load_what_logs() -> None:
    """Load the modules that log, which are loaded on first use else.

    A thread would then be loading one while another thread forks, and the child that logs would wait for it for ever.
    """
    from renex_jupyter.session import events, metrics, params  # noqa: F401


def end_run(status: str = "finished") -> None:
    """Close the open run; without one this does nothing.

    Parameters
    ----------
    status : finished, failed or stopped.
    """
    if status not in STATUSES or status in ("running", "lost"):
        raise invalid_argument(f"a run cannot end as '{status}'.", "Use finished, failed or stopped.")
    session = current()
    active = session.innermost
    if active is not None:
        close(active, status)


def active_run() -> ActiveRun | None:
    """Return the run that this thread logs on, or None."""
    session = current()
    return session.innermost or _run_of_parent_process(session)


def run_to_log_on(what: str) -> ActiveRun | None:
    """Return the open run; where there is none, open one, as the line that it prints says.

    None, with a warning that names `what` is not recorded, where the store takes none: logging never stops a program.
    """
    try:
        active = active_run()
        if active is None:
            active = start_run()
            said = f"no run was open, so '{active.name}' ({short(active.run_id)}) was started; rx.end_run() ends it."
            print(f"renex: {said}")
    except (RenexError, OSError) as error:
        reason = error.line if isinstance(error, RenexError) else str(error)
        warn(f"{what} are not recorded, because no run can be opened: {reason}")
        return None
    return active


def _run_of_parent_process(session: Session) -> ActiveRun | None:
    """Return the run that the process which started this one has opened for it, if any."""
    given = session.family.given
    wanted = given.get(RUN_VARIABLE)
    if not wanted or session.has_runs_of_its_own:
        return None
    if session.joined is None or session.joined.run_id != wanted:
        session.namespace = given.get(NAMESPACE_VARIABLE) or session.namespace
        session.experiment = given.get(EXPERIMENT_VARIABLE) or session.experiment
        name = given.get(RUN_NAME_VARIABLE) or "run"
        run = Run(wanted, name, now(), namespace=session.namespace, experiment=session.experiment)
        _load_what_logs()
        session.joined = ActiveRun(session, run, joined=True)
        exits.watch()
    if session.joined not in session.runs:
        session.runs.insert(0, session.joined)
    return session.joined


def _reopen(session: Session, run_id: str | Run | ActiveRun, tags: Mapping[str, Any] | None) -> ActiveRun:
    """Go on with a run: the end of one that has ended is taken back, one that another process has open is joined."""
    read = session.store.reader
    run = query.get_run(read, query.find_run(read, run_id))
    rows = read.rows("select key, max(step) as step from metrics where run_id = ? group by key", [run.run_id])
    steps = {row["key"]: row["step"] for row in rows}
    if run.status == "running" and run.pid is not None and run.host == platform.node():
        active, changes = ActiveRun(session, run, joined=True, steps=steps), []
    else:
        active = ActiveRun(session, run, steps=steps)
        session.begin()
        no_end = dict.fromkeys(("ended_at", "duration_s", "error", "exit_code"))
        after = {"status": "running", **no_end, **liveness.identity()}
        changes = [Change("runs", run.run_id, "update", after, {"status": run.status}, namespace=run.namespace)]
    active.around = session.around
    with _opening(active, *changes):
        if tags:
            active.set_tags(tags)
        if not active.joined:
            active.watch = Watch(session.store, run.run_id, "block", steps)
    return active


def _ensure_task(session: Session, namespace: str, name: str, kind: str, source: str) -> str:
    key = content_id([name, kind, source])[:32]
    session.store.ensure("tasks", key, fields(Task(key, name, kind, source, now())), namespace=namespace)
    return name
