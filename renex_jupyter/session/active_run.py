"""The run that is open: what it logs, and how it ends."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from renex_jupyter.capture.secrets import redact, redact_text
from renex_jupyter.errors import RenexError, invalid_argument, unsupported_value
from renex_jupyter.ids import short
from renex_jupyter.records.changes import Change, now, plain, to_json
from renex_jupyter.records.metrics import Point
from renex_jupyter.records.runs import Run
from renex_jupyter.records.snapshots import Snapshot
from renex_jupyter.session import snapshots
from renex_jupyter.session.current import Session, never_in_the_way

LONGEST_KEY = 500  # characters
LONGEST_ERROR = 4000  # characters


class ActiveRun:
    """An open run. As a context manager it ends with its block: `failed` on an exception, `stopped` on an interrupt."""

    def __init__(
        self, session: Session, run: Run, *, joined: bool = False, steps: Mapping[str, int] | None = None
    ) -> None:
        self.session = session
        self.run = run
        self.joined = joined  # opened by another process, which also closes it
        self.held = joined  # by a `with` block or a task: a new run nests below it
        self.pid = os.getpid()  # a forked child logs on its parent's run, and never ends it
        self._steps = dict(steps or {})
        self._last: dict[str, float | str] = {}
        self._lock = threading.Lock()

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.run.run_id

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.run.name

    def write_points(self, points: list[Point]) -> None:
        """Keep points and remember what was logged last."""
        self.session.store.write_points(points)
        with self._lock:
            for point in points:
                if point.step >= self._steps.get(point.key, point.step):
                    self._steps[point.key] = point.step
                    self._last[point.key] = point.text_value if point.value is None else point.value  # type: ignore[assignment]

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Keep params; none of them when one cannot be kept."""
        self._write("params", [{"run_id": self.run_id, **_param(key, value)} for key, value in params.items()])

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Put tags on the run; a value is kept as text."""
        owner = {"owner_kind": "run", "owner_id": self.run_id}
        self._write(
            "tags", [{**owner, "key": checked("tag", key), "value": str(redact(tags[key], key))} for key in tags]
        )

    def next_step(self, key: str) -> int:
        """Return the step after the highest of this key."""
        return self._steps.get(key, -1) + 1

    def last_values(self) -> dict[str, float | str]:
        """Return the value at the highest step of each key that this process logged."""
        with self._lock:
            return dict(self._last)

    def _write(self, kind: str, rows: list[dict[str, Any]]) -> None:
        self.session.store.write(
            *(Change(kind, f"{self.run_id}/{row['key']}", "update", row, namespace=self.run.namespace) for row in rows)
        )

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
            error=f"SystemExit: {error.code}" if status else None,
            exit_code=status,
        )
    elif isinstance(error, KeyboardInterrupt):
        close(active, "stopped", error="KeyboardInterrupt")
    else:
        close(active, "failed", error=f"{type(error).__name__}: {error}")


def snapshot_for(session: Session, run_id: str, moment: str, metrics: Mapping[str, Any]) -> Snapshot | None:
    """Take the hidden snapshot before or after a run; a fault of ours is a warning and no more."""
    with never_in_the_way(f"the state {moment} the run"):
        state = snapshots.capture(session)
        return snapshots.keep(session, state, None, None, {}, metrics, run_id=run_id, hidden=True)
    return None  # type: ignore[unreachable]  # mypy does not see that the block may swallow


def close(active: ActiveRun, status: str, *, error: str | None = None, exit_code: int | None = None) -> None:
    """Record the state after and the end of a run; children that are still open end with it.

    A fault of ours is a warning: the end is kept in memory then and written with the next record.
    """
    session = active.session
    if active not in session.runs or active.pid != os.getpid():
        return
    while session.runs[-1] is not active:
        close(session.runs[-1], status)
    session.runs.remove(active)
    if active.joined:
        with never_in_the_way("what was logged last"):
            session.store.journal.sync()
        return
    ended, taken = now(), None
    try:
        taken = snapshot_for(session, active.run_id, "after", active.last_values())
    finally:  # an interrupt of the snapshot must not leave the run open
        after = {
            "status": status,
            "ended_at": ended,
            "duration_s": (ended - active.run.started_at).total_seconds(),
            "error": redact_text(error)[:LONGEST_ERROR] if error else None,
            "exit_code": exit_code,
            "after_snapshot_id": taken.snapshot_id if taken else None,
        }
        namespace = active.run.namespace
        session.unwritten.append(Change("runs", active.run_id, "update", after, {"status": "running"}, namespace))
        with never_in_the_way("the end of the run"):
            session.write_what_is_left()
            session.store.settle()


def checked(what: str, key: Any) -> str:
    """Return a key of a metric, param or tag, if it can be one.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    if not isinstance(key, str) or not key or len(key) > LONGEST_KEY:
        raise invalid_argument(f"{key!r} is not a {what} key.", f"Use a text of 1 to {LONGEST_KEY} characters.")
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise invalid_argument(f"{key!r} cannot be written as UTF-8.", "Use another key.") from error
    return key


def _param(key: str, value: Any) -> dict[str, Any]:
    try:
        value = redact(plain(value), checked("param", key))
    except RenexError as error:
        if error.code == "unsupported_value":
            raise unsupported_value(f"param '{key}'", value, error.hint) from error
        raise
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if number is not None and abs(number) > sys.float_info.max:
        number = None  # an integer beyond what a DOUBLE holds: the value itself is kept
    shown = value if isinstance(value, str) else to_json(value)
    return {"key": key, "value": value, "value_text": shown, "value_number": number}
