"""The end of the process: a run that was left open ends as the process did."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from opcode import opname
from types import FrameType, TracebackType
from typing import Any, NamedTuple, NoReturn

from renex_jupyter.errors import RenexError
from renex_jupyter.session.active_run import close_after
from renex_jupyter.session.current import current
from renex_jupyter.session.family import is_child_of_multiprocessing


class Ending(NamedTuple):
    """What may have ended the script: it may also have been caught, and the script has gone on."""

    error: BaseException
    program: FrameType | None  # the lowest frame that it went through


_finalized: list[int] = []  # processes of multiprocessing, which asks no `atexit`, that are watched
_endings: list[Ending] = []  # as far as anybody is told before the script ends


def watch() -> None:
    """Have open runs closed when this process ends; in a script also note why it ends."""
    atexit.unregister(_close_what_is_open)
    atexit.register(_close_what_is_open)
    _watch_multiprocessing()
    if current().shell is None and not getattr(sys.excepthook, "of_renex", False):
        _note_exceptions()
        _note_exits()


def _watch_multiprocessing() -> None:
    """Watch this process if it asks no `atexit`, and those that are forked from it, which log on its runs."""
    from multiprocessing.util import Finalize, register_after_fork

    if not _finalized:
        register_after_fork(watch, lambda again: again())
    if os.getpid() not in _finalized:
        _finalized.append(os.getpid())
        if is_child_of_multiprocessing():
            Finalize(None, _close_what_is_open, exitpriority=10)


def _note_exceptions() -> None:
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
        _endings.append(Ending(error, _lowest(trace.tb_frame) if trace is not None else None))
        return before(kind, error, trace)

    hook.of_renex = True  # type: ignore[attr-defined]
    sys.excepthook = hook


def _note_exits() -> None:
    """Wrap `sys.exit`: nothing else tells an exit status before the process is gone."""
    before = sys.exit

    def leave(status: Any = None, /) -> NoReturn:
        if threading.current_thread() is threading.main_thread():  # in another one it ends only that
            _endings.append(Ending(SystemExit(status), _lowest(sys._getframe())))  # noqa: SLF001  documented
        before(status)

    sys.exit = leave


def _lowest(frame: FrameType) -> FrameType:
    while frame.f_back is not None:
        frame = frame.f_back
    return frame


def _ended_by() -> BaseException | None:
    """Return what ends this process, or None where its program has come to its end."""
    if is_child_of_multiprocessing():
        return sys.exception()  # we are called while it passes
    return next((each.error for each in reversed(_endings) if not _has_returned(each.program)), None)


def _has_returned(program: FrameType | None) -> bool:
    """Say whether a frame was left by a return: then whatever went through it was caught."""
    return program is not None and opname[program.f_code.co_code[program.f_lasti]].startswith("RETURN_")


def _close_what_is_open() -> None:
    for active in reversed(list(current().runs)):
        if active.pid == os.getpid():
            close_after(active, _ended_by())
        else:  # a forked child has points of its own that may wait
            active.points.finish()
    for points in list(current().points_of_others.values()):
        points.finish()
    _write_what_is_left()


def _write_what_is_left() -> None:
    """Try a last time to write the records that a full disk did not take, and say what is lost."""
    session = current()
    if not session.unwritten:
        return
    try:
        session.write_what_is_left()
        session.store.settle()
    except (RenexError, OSError) as error:
        kinds = ", ".join(sorted({each.kind for each in session.unwritten}))
        reason = error.line if isinstance(error, RenexError) else str(error)
        print(f"renex: {len(session.unwritten):,} records ({kinds}) are lost: {reason}", file=sys.stderr)
