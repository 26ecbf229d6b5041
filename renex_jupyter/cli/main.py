"""The program `renex`: where it begins. Nothing is imported here that takes long: Ctrl-C ends it quietly at any time."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # as `typing` has it, which would be a module more to load
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

INTERRUPTED = 130  # 128 + SIGINT, as a shell tells it
LASTING = frozenset(
    {"task", "stop", "attach", "logs", "rerun", "verify", "watch"}
)  # verbs of which an interrupt has a meaning


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; exit status 0, 1 when the result is not `ok`, 2 for an error, 130 when it was interrupted."""
    usual = signal.default_int_handler
    try:
        if signal.getsignal(signal.SIGINT) is usual:  # else who calls us, such as `nohup`, says what becomes of it
            _set_handler(_end)
        from renex_jupyter.cli import terminal

        if LASTING.intersection(sys.argv[1:] if argv is None else argv):
            import pandas  # noqa: F401, ICN001  DuckDB would, at its first question, and an interrupt would be lost in it
        if signal.getsignal(signal.SIGINT) is _end:
            _set_handler(usual)
        return terminal.main(argv)
    except KeyboardInterrupt:
        return INTERRUPTED


def _set_handler(handler: object) -> None:
    """Say what an interrupt does; in another thread than the main one, which gets none, nothing is changed."""
    try:
        signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]
    except ValueError:
        return


def _end(_number: int, _frame: FrameType | None) -> None:
    """End at once while only modules are loaded: nothing is open then, and nothing was begun.

    An exception would not do: some libraries catch it as they are loaded, or tell it as an error of their own.
    """
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
