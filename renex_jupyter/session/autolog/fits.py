"""One training, as it is logged: on the open run, or on one that is opened around it; what is inside of it is part of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from renex_jupyter.errors import RenexError, told, warn
from renex_jupyter.ids import new_id
from renex_jupyter.session.active_run import ActiveRun, close_after
from renex_jupyter.session.autolog.described import described
from renex_jupyter.session.autolog.patching import Call
from renex_jupyter.session.current import current
from renex_jupyter.session.family import is_child_of_multiprocessing
from renex_jupyter.session.runs import active_run, open_run


@dataclass(frozen=True, slots=True)
class Options:
    """How one library is logged."""

    models: bool = False  # whether trained models and checkpoints are kept, too
    every_n_steps: int | None = None  # None: as often as the library itself logs
    pid: int = field(default_factory=os.getpid)  # whose trainings are logged


class _Inside(threading.local):
    """How many watched calls this thread is in."""

    def __init__(self) -> None:
        self.calls: list[Any] = []  # what each of them is of, the outermost first
        self.fit: Fit | None = None  # the outermost one, where it is logged


_inside = _Inside()
_opened: set[str] = set()  # the runs that were opened around a training that still goes on


class Fit:
    """The outermost training of a thread. None of its methods raises: the first fault is told, once."""

    def __init__(self, library: str, title: str, options: Options, active: ActiveRun, *, opened: bool) -> None:
        self.library = library
        self.title = title
        self.options = options
        self.active = active
        self.opened = opened
        self.curves_at = 1  # how deep below it the training lies whose iterations are its own
        self._begun = time.monotonic()
        self._span = new_id()
        self._told = False
        self.logged_nothing = True
        self._event("start", {"estimator": title})

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Let a fault of ours be one warning of this training."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  whatever it is, it is our fault and not the user's
            if not self._told:
                self._told = True
                why = error.line if isinstance(error, RenexError) else told(error)
                warn(f"autolog of {self.library}: {why}; the training itself goes on.")

    def log_params(self, ask: Callable[[], Mapping[Any, Any]], *, leave_out_none: bool = False) -> None:
        """Keep what `ask` returns as params of the run."""
        with self.guarded():
            self.active.set_params(described(ask(), leave_out_none=leave_out_none))

    def log_tags(self, tags: Mapping[str, str]) -> None:
        """Put tags on the run."""
        with self.guarded():
            self.active.set_tags(tags)

    def log_metrics(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Log metrics; step None: the next one of each."""
        with self.guarded():
            if values:
                self.logged_nothing = False
                self.active.points.log(list(values.items()), step, time.time_ns() // 1000)

    def log_event(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Log an event of the training."""
        with self.guarded():
            from renex_jupyter.session.events import log_event

            log_event(name, self.library, dict(metadata), on=self.active)

    def is_due(self, iteration: int) -> bool:
        """Whether the iteration, from 0, is one that is logged."""
        return iteration % (self.options.every_n_steps or 1) == 0

    def close(self, error: BaseException | None) -> None:
        """End it, and the run that was opened around it, as the call ended."""
        self.log_metrics({"training/seconds": time.monotonic() - self._begun})
        self._event("finish", {} if error is None else {"error": told(error)})
        if not self.opened:
            return
        with self.guarded():
            close_after(self.active, error)
        _opened.discard(self.active.run_id)

    def _event(self, phase: str, metadata: Mapping[str, Any]) -> None:
        with self.guarded():
            from renex_jupyter.session.events import log_event

            log_event("fit", self.library, dict(metadata), on=self.active, phase=phase, span_id=self._span)


@contextmanager
def outermost(
    call: Call, library: str, title: str, options: Options, *, subject: object = None, opens: bool = True
) -> Iterator[Fit | None]:
    """Count the call of this thread, and give what logs it; None inside of another one, and in a worker.

    Parameters
    ----------
    subject : what is trained: a method that calls that of the class above is one call.
    opens : whether a run is opened where none is open.
    """
    calls, fit = _inside.calls, None
    if subject is not None and calls and calls[-1] is subject:
        yield None
        return
    calls.append(subject)
    try:
        if len(calls) == 1:
            fit = _inside.fit = _begun(library, title, options, opens=opens)
        yield fit
    except BaseException as error:  # an interrupt between the call and us
        call.error = call.error or error
        raise
    finally:
        calls.pop()
        if fit is not None:
            _inside.fit = None
            fit.close(call.error)


@contextmanager
def nested() -> Iterator[None]:
    """Have what this thread does now be part of a training that is logged elsewhere, or not at all."""
    _inside.calls.append(None)
    try:
        yield
    finally:
        _inside.calls.pop()


def is_inside() -> bool:
    """Whether this thread is in a watched call."""
    return bool(_inside.calls)


def fit_with_curves(library: str) -> Fit | None:
    """Return the training whose iterations the innermost call of this thread makes.

    None for one of many inside of a search, a cross-validation or an ensemble.
    """
    fit = _inside.fit
    if fit is None or fit.active.pid != os.getpid() or len(_inside.calls) > fit.curves_at + 1:
        return None
    return fit if fit.curves_at > 1 or fit.library == library else None


def _begun(library: str, title: str, options: Options, *, opens: bool) -> Fit | None:
    try:
        active = _run_of_this_thread()
        opened = active is None
        if options.pid != os.getpid() or is_child_of_multiprocessing():  # a worker logs on a run of its own only
            opens = False
            if active is not None and (active.joined or active.pid != os.getpid()):
                return None
        if active is None:
            if not opens:
                return None
            active = open_run(current(), title, tags={"autolog": library})
            active.held = True  # a run that is opened while it trains is part of it
            _opened.add(active.run_id)
        return Fit(library, title, options, active, opened=opened)
    except Exception as error:  # noqa: BLE001  as above
        why = error.line if isinstance(error, RenexError) else told(error)
        warn(f"autolog of {library}: '{title}' is not recorded: {why}; the training itself goes on.")
        return None


def _run_of_this_thread() -> ActiveRun | None:
    """Return the run to log on; one that was opened around the training of another thread is none."""
    session = current()
    active = session.around if session.runs else active_run()
    if active is not None and active.run_id in _opened and active.thread != threading.get_ident():
        return None
    return active
