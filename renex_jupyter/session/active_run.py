"""The run that is open: what it logs, and how it ends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.config import (
    EXPERIMENT_VARIABLE,
    NAMESPACE_VARIABLE,
    NESTING_VARIABLE,
    RUN_NAME_VARIABLE,
    RUN_STORE_VARIABLE,
    RUN_VARIABLE,
)
from renex_jupyter.errors import RenexError, told
from renex_jupyter.ids import short
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import SYSTEM
from renex_jupyter.records.runs import Run
from renex_jupyter.records.snapshots import Snapshot
from renex_jupyter.session import purges, snapshots
from renex_jupyter.session.current import Session, never_in_the_way
from renex_jupyter.session.facts import Facts
from renex_jupyter.session.points import Points

if TYPE_CHECKING:
    from renex_jupyter.session.watching import Watch

LONGEST_ERROR = 4000  # characters
LOST_POINTS = "renex.lost_points"  # the tag that counts them


class ActiveRun:
    """An open run. As a context manager it ends with its block: `failed` on an exception, `stopped` on an interrupt."""

    def __init__(
        self, session: Session, run: Run, *, joined: bool = False, steps: Mapping[str, int] | None = None
    ) -> None:
        self.session = session
        self.run = run
        self.joined = joined  # opened by another process, which also closes it
        self.held = joined  # by a `with` block or a task: a new run nests below it
        self.thread = threading.get_ident()  # whose next runs are part of this one
        self.around: ActiveRun | None = None  # the run that it is part of, where that is open here
        self.closing = threading.RLock()  # its own thread and that of the run around may end it at once
        self.begun: float | None = None  # `time.monotonic()`, where this process opened it
        self.pid = os.getpid()  # a forked child logs on its parent's run, and never ends it
        self.points = Points(session.store, run.run_id, run.name, steps, session.write_what_is_left, self._note_lost)
        self.facts = Facts(session, run)
        self.watch: Watch | None = None  # of a run in this process

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.run.run_id

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.run.name

    @property
    def told(self) -> dict[str, str | None]:
        """What a child process needs to log on this run, as environment variables.

        A command in a cell is part of the task: its `start_run()` goes on with it. Anywhere else it opens a run below.
        """
        return {
            RUN_VARIABLE: self.run.run_id,
            RUN_NAME_VARIABLE: self.run.name,
            RUN_STORE_VARIABLE: str(self.session.store.layout.root),
            NAMESPACE_VARIABLE: self.run.namespace,
            EXPERIMENT_VARIABLE: self.run.experiment,
            NESTING_VARIABLE: None if self.run.kind in ("cell", "command") else "1",
        }

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Keep params, see `Facts.set_params`."""
        self.facts.set_params(params)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Put tags on the run, see `Facts.set_tags`."""
        self.facts.set_tags(tags)

    def show(self, text: str) -> None:
        """Keep with the run's output what is shown and not printed, such as a traceback."""
        if self.watch is not None:
            self.watch.add_output(text)

    def last_values(self) -> dict[str, float | str]:
        """Return the value at the highest step of each key that this process logged."""
        values = self.points.last_values()
        last = {key: value for key, value in values.items() if not key.startswith(SYSTEM)}
        return purges.values_left(self.session.store, self.run_id, self.run.started_at, last)

    def _note_lost(self, lost: int) -> None:
        """Have the run itself say how many of its points are lost, by all its processes, as soon as a record is taken."""
        tag_id = f"{self.run_id}/{LOST_POINTS}"
        waiting = [each for each in self.session.unwritten if each.id == tag_id]
        for each in waiting:  # which counts what the store says, too
            self.session.unwritten.remove(each)
            lost += int(each.after["value"])
        with never_in_the_way("how many points were lost before"):
            query = "select value from tags where owner_kind = 'run' and owner_id = ? and key = ?"
            for row in [] if waiting else self.session.store.reader.rows(query, [self.run_id, LOST_POINTS]):
                lost += int(row["value"])
        tag = {"owner_kind": "run", "owner_id": self.run_id, "key": LOST_POINTS, "value": str(lost)}
        change = Change("tags", tag_id, "update", tag, namespace=self.run.namespace)
        if self.pid == os.getpid():
            self.session.unwritten.append(change)
            return
        with suppress(RenexError, OSError):  # a forked child writes nothing after this
            self.session.store.write(change)

    def __enter__(self) -> Self:
        self.held = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close_after(self, error)

    def __repr__(self) -> str:
        return f"<run '{self.name}' {short(self.run_id)}>"


def close_after(active: ActiveRun, error: BaseException | None) -> None:
    """End a run as its action ended: `failed` on an exception, `stopped` on an interrupt; `sys.exit(0)` is no failure."""
    if error is None:
        close(active, "finished")
    elif isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        close(
            active,
            "failed" if status else "finished",
            error=told(error) if status else None,
            exit_code=status,
        )
    elif isinstance(error, KeyboardInterrupt):
        close(active, "stopped", error="KeyboardInterrupt")
    else:
        close(active, "failed", error=told(error))


def tell_children(session: Session) -> None:
    """Have the processes that are started from now on find the run that is open; to be called when another one is."""
    with session.lock:
        opened = [each for each in session.runs if not each.joined]
        session.family.tell(opened[-1].told if opened else None)


def snapshot_for(
    session: Session, run_id: str, moment: str, metrics: Mapping[str, Any], notebook: str | None = None
) -> Snapshot | None:
    """Take the hidden snapshot before or after a run; a fault of ours is a warning and no more.

    Parameters
    ----------
    notebook : path relative to the project of the run's notebook, for a process that has none.
    """
    with never_in_the_way(f"the state {moment} the run"):
        state = snapshots.capture(session, notebook=notebook)
        return snapshots.keep(session, state, None, None, {}, metrics, run_id=run_id, hidden=True)
    return None  # type: ignore[unreachable]  # mypy does not see that the block may swallow


def let_go(active: ActiveRun) -> None:
    """Log on a run no more that goes on without this process."""
    session = active.session
    session.runs.remove(active)
    active.points.finish()
    with never_in_the_way("what child processes are told"):
        tell_children(session)


def close(
    active: ActiveRun,
    status: str,
    *,
    error: str | None = None,
    exit_code: int | None = None,
    metrics: Mapping[str, Any] | None = None,
    ended: datetime | None = None,
    more: Mapping[str, Any] | None = None,
    take: Callable[[Mapping[str, Any]], Snapshot | None] | None = None,
) -> None:
    """Record the state after and the end of a run; children that are still open end with it.

    A fault of ours is a warning: the end is kept in memory then and written with the next record.

    Parameters
    ----------
    metrics : last values, for the state after; None: those that this process logged.
    ended : None: now.
    more : further fields of the run.
    take : takes the state after, given the last values; None: that of the project.
    """
    if active.pid != os.getpid():
        return
    with active.closing:
        if active not in active.session.runs:
            return
        for each in _left_open_below(active):
            close(each, status)
        _close(active, status, error, exit_code, metrics, ended, more, take)


def _left_open_below(active: ActiveRun) -> list[ActiveRun]:
    """Return the open runs that are part of a run, the newest first, but those that another thread is still at."""
    below = {active}
    for each in active.session.runs:  # the one around was opened before
        if each.around in below and (each.thread == active.thread or not each.held):
            below.add(each)
    return [each for each in reversed(active.session.runs) if each in below and each is not active]


def _close(
    active: ActiveRun,
    status: str,
    error: str | None,
    exit_code: int | None,
    metrics: Mapping[str, Any] | None,
    ended: datetime | None,
    more: Mapping[str, Any] | None,
    take: Callable[[Mapping[str, Any]], Snapshot | None] | None,
) -> None:
    session = active.session
    watch, active.watch = active.watch, None
    seen = watch.stop() if watch is not None else {}
    with suppress(RenexError, OSError):  # told below; here the run is still one that a deleted store knew
        session.write_what_is_left()
    session.runs.remove(active)
    with never_in_the_way("what child processes are told"):
        tell_children(session)
    if active.joined:
        active.points.finish()
        with suppress(RenexError, OSError):  # else it waits for the next record, or the end of the process
            session.write_what_is_left()
        with never_in_the_way("what was logged last"):
            session.store.journal.sync()
        return
    ended, taken = ended or now(), None
    try:
        last = active.last_values() if metrics is None else metrics
        of_project = partial(snapshot_for, session, active.run_id, "after", notebook=active.run.notebook)
        taken = (take or of_project)(last)
    finally:  # an interrupt of the snapshot must not leave the run open
        after = {
            "status": status,
            "ended_at": ended,
            "duration_s": _duration(active, ended),
            "error": redact_text(error)[:LONGEST_ERROR] if error else None,
            "exit_code": exit_code,
            "after_snapshot_id": taken.snapshot_id if taken else None,
            **seen,
            **(more or {}),
        }
        namespace = active.run.namespace
        active.points.finish()
        session.unwritten.append(Change("runs", active.run_id, "update", after, {"status": "running"}, namespace))
        with never_in_the_way("the end of the run"):
            session.write_what_is_left()
            session.store.settle()


def _duration(active: ActiveRun, ended: datetime) -> float:
    """Return how many seconds it took: a clock that was set meanwhile counts only where there is no other one."""
    if active.begun is not None:
        return time.monotonic() - active.begun
    return max(0.0, (ended - active.run.started_at).total_seconds())
