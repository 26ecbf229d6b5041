"""What the kernel ran: every cell of this session in order, with its time and how it ended."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, ParamSpec

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import told
from renex_jupyter.records.changes import now
from renex_jupyter.records.snapshots import CellExecution

MAX_ERROR = 2000  # characters
MARK = "_renex_recorder"  # on the callbacks, so that those of a module that was reloaded are known again

Arguments = ParamSpec("Arguments")


@dataclass(frozen=True, slots=True)
class _Open:
    """A call of `run_cell` that has not returned."""

    call: Any  # IPython's ExecutionInfo, by whose identity the end is matched with the start
    position: int | None = None  # among the executions; None: not a cell of its own
    clock: float | None = None  # perf_counter at its start

    def is_of(self, result: Any) -> bool:
        """Whether this is what IPython reports on; for what escaped from its runner it makes a second ExecutionInfo."""
        info = result.info
        same = (info.raw_cell, info.cell_id) == (self.call.raw_cell, self.call.cell_id)
        return info is self.call or (same and result.execution_count is None and bool(info.raw_cell.strip()))


class Recorder:
    """Records the cells that a shell runs, from `start` to `stop`.

    Parameters
    ----------
    shell : the IPython shell.
    session_id : id that every execution bears.
    on_execution : called with each execution when it has ended, and with those that ran before `start`.
    """

    def __init__(
        self, shell: Any, session_id: str = "", on_execution: Callable[[CellExecution], object] | None = None
    ) -> None:
        self.shell = shell
        self.session_id = session_id
        self.on_execution = on_execution
        self._executions: list[CellExecution] = []
        self._open: dict[int, list[_Open]] = {}  # by thread: cells of a subshell run beside those of the main shell
        self._lock = threading.RLock()
        self._warned = False
        self._before = self._guarded(self._began)
        self._after = self._guarded(self._ended)

    def executions(self) -> tuple[CellExecution, ...]:
        """Return what ran, in order; a cell that still runs has the status "running"."""
        with self._lock:
            return tuple(self._executions)

    def start(self) -> None:
        """Begin to record; the cells that ran before are taken from the history, without times and status."""
        if self._before in self.shell.events.callbacks["pre_run_cell"]:
            return
        self.stop()
        self._guarded(self._backfill)()
        self.shell.events.register("pre_run_cell", self._before)
        self.shell.events.register("post_run_cell", self._after)

    def stop(self) -> None:
        """End recording, also that of a recorder which a reloaded extension left behind."""
        for event in ("pre_run_cell", "post_run_cell"):
            for each in list(self.shell.events.callbacks[event]):
                if getattr(each, MARK, False):
                    self.shell.events.unregister(event, each)
        with self._lock:
            self._open.clear()

    def _guarded(self, callback: Callable[Arguments, None]) -> Callable[Arguments, None]:
        """A cell must not suffer from being recorded: say it once, then stay silent."""

        @wraps(callback)
        def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
            try:
                callback(*args, **kwargs)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
                if not self._warned:
                    self._warned = True
                    print(f"renex: executed cells are not being recorded ({told(error)}).", file=sys.stderr)

        setattr(wrapper, MARK, True)
        return wrapper

    def _backfill(self) -> None:
        running = getattr(self.shell.displayhook, "exec_result", None)  # the cell that says %load_ext
        known = {each.execution_count for each in self.executions()}
        if running is not None:
            known.add(running.execution_count)
        history = getattr(self.shell.history_manager, "input_hist_raw", [])
        for count, source in enumerate(list(history)[1:], start=1):
            if count not in known and source.strip():
                self._tell(self._executions[self._add(source=source, execution_count=count)])
        if running is not None and _is_cell(running.info):
            self._adopt(running.info, running.execution_count)

    def _adopt(self, call: Any, count: int | None) -> None:
        """Take a cell that began before the start."""
        at = self._add(source=call.raw_cell, cell_id=call.cell_id, execution_count=count, status="running")
        self._stack().append(_Open(call, at))

    def _began(self, call: Any) -> None:
        stack = self._stack()
        if call.cell_id:
            stack.clear()  # only a front end names a cell, so whatever seems open was left by an interrupt
        if stack or not _is_cell(call):
            stack.append(_Open(call))  # the body of a cell magic belongs to its cell; a front end's question to none
            return
        count = self.shell.execution_count - 1 if call.store_history else None
        at = self._add(
            source=call.raw_cell, cell_id=call.cell_id, execution_count=count, started_at=now(), status="running"
        )
        stack.append(_Open(call, at, time.perf_counter()))

    def _ended(self, result: Any) -> None:
        """Close the call; `result` is None when `run_cell` itself was interrupted."""
        ended = time.perf_counter()
        stack = self._stack()
        if result is not None and not any(each.is_of(result) for each in stack):
            return  # an empty cell never began, and neither did one that ran before the start
        while stack:
            each = stack.pop()
            if result is None or each.is_of(result):
                break
        else:
            return
        if each.position is None:
            return
        status, error = _outcome(result)
        duration = None if each.clock is None else ended - each.clock
        with self._lock:
            done = replace(self._executions[each.position], status=status, error=error, duration_s=duration)
            self._executions[each.position] = done
        self._tell(done)

    def _stack(self) -> list[_Open]:
        return self._open.setdefault(threading.get_ident(), [])

    def _add(self, **fields: Any) -> int:
        with self._lock:
            position = len(self._executions)
            self._executions.append(CellExecution(session_id=self.session_id, seq=position + 1, **fields))
        return position

    def _tell(self, execution: CellExecution) -> None:
        if self.on_execution is not None:
            self.on_execution(execution)


def _is_cell(call: Any) -> bool:
    """Inspectors and widgets run code without history and without a cell."""
    return bool(call.store_history or call.cell_id) and not call.silent


def _outcome(result: Any) -> tuple[str, str | None]:
    # In the event for a `run_cell` that itself was left by an exception, that exception is on its way.
    error = sys.exc_info()[1] if result is None else result.error_before_exec or result.error_in_exec
    if result is None and error is None:
        return "interrupted", None
    if error is None:
        return "ok", None
    stopped = isinstance(error, (KeyboardInterrupt, asyncio.CancelledError))
    return "interrupted" if stopped else "error", redact_text(told(error))[:MAX_ERROR]
