"""What a running program is told: once each, at the line of its own that the notice is about, and never in its way."""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_HERE = str(Path(__file__).parents[1])


def warn(text: str) -> None:
    """Warn at the nearest line that is not ours; where warnings are made errors, the text is printed instead."""
    level, frame = 2, sys._getframe(1)  # noqa: SLF001  the documented way to look up the stack
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    try:
        warnings.warn(f"renex: {text}", stacklevel=level)
    except Warning:
        print(f"renex: {text}", file=sys.stderr)


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Let an interrupt wait until the block is left: between doing and noting it, it would have things done twice.

    Only the main thread is ever interrupted, and only there the handler can be changed.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came: list[tuple[Any, ...]] = []
    signal.signal(signal.SIGINT, lambda *args: came.append(args))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[0])
