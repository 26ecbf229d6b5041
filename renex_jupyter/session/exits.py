"""The end of the process: a run that was left open ends as the process did."""

from __future__ import annotations

import atexit
import os
import sys
from types import TracebackType
from typing import Any, NoReturn

from renex_jupyter.errors import RenexError
from renex_jupyter.session.active_run import close_after
from renex_jupyter.session.current import current
from renex_jupyter.session.family import is_child_of_multiprocessing

_finalized: list[int] = []  # processes of multiprocessing, which asks no `atexit`, that are watched
_ended_by: list[BaseException] = []  # what ended the script, as far as anybody is told before it ends


def watch() -> None:
    """Have open runs closed when this process ends; in a script also note why it ends."""
    atexit.unregister(_close_what_is_open)
    atexit.register(_close_what_is_open)
    if is_child_of_multiprocessing() and os.getpid() not in _finalized:
        from multiprocessing.util import Finalize

        _finalized.append(os.getpid())
        Finalize(None, _close_what_is_open, exitpriority=10)
    if current().shell is None and not getattr(sys.excepthook, "of_renex", False):
        _note_exceptions()
        _note_exits()


def _note_exceptions() -> None:
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
        _ended_by.append(error)
        return before(kind, error, trace)

    hook.of_renex = True  # type: ignore[attr-defined]
    sys.excepthook = hook


def _note_exits() -> None:
    """Wrap `sys.exit`: nothing else tells an exit status before the process is gone."""
    before = sys.exit

    def leave(status: Any = None, /) -> NoReturn:
        _ended_by.append(SystemExit(status))
        before(status)

    sys.exit = leave


def _close_what_is_open() -> None:
    for active in reversed([each for each in current().runs if each.pid == os.getpid()]):
        close_after(active, _ended_by[-1] if _ended_by else None)
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
