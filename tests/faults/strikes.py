"""Death at a chosen step: the k-th call that touches the disk kills the process, before or after it is made."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import children

SYSTEM = {
    "mkdir", "rmdir", "rename", "replace", "link", "symlink", "unlink", "remove", "chmod", "utime", "write", "fsync", "fdatasync",
    "ftruncate", "truncate", "sendfile", "copy_file_range",
}  # fmt: skip
DATABASE = {"execute", "connect", "close", "__exit__"}
NAMING = {"os.rename", "os.replace", "os.link"}
SYNCING = {"os.fsync", "os.fdatasync"}  # who dies loses nothing that the system has: the death before one is that after it
EVERY = 8  # of the statements of DuckDB one in so many: most of them work in memory or in a file without a name yet


def step_of(call: Any) -> str | None:
    """Return the name of a call that may change a file, None for any other."""
    name = call.__name__
    if call.__module__ == "posix":
        return f"os.{name}" if name in SYSTEM else None
    if call.__module__ == "_duckdb":
        return f"duckdb.{name}" if name in DATABASE else None
    return call.__qualname__ if call.__qualname__ == "BufferedWriter.write" else None


def steps(action: Callable[[], object]) -> list[str]:
    """Return the steps that an action takes in this thread, in order."""
    taken: list[str] = []

    def note(_frame: FrameType, event: str, call: Any) -> None:
        if event == "c_call" and (step := step_of(call)):
            taken.append(step)

    _watched(note, action)
    return taken


def deaths(taken: list[str]) -> list[tuple[int, str]]:
    """Return where to die: before each step, and also after each that gives a file its name.

    After any other step nothing changes on the disk until the next one: that death is the one before the next step.
    """
    statements = [number for number, step in enumerate(taken) if step == "duckdb.execute"]
    skipped = {number for count, number in enumerate(statements) if count % EVERY}
    skipped |= {number for number, step in enumerate(taken) if step in SYNCING}
    after = [(number, "after") for number, step in enumerate(taken) if step in NAMING or number == len(taken) - 1]
    return [*((number, "before") for number in range(len(taken)) if number not in skipped), *after]


def killed_at(number: int, moment: str, action: Callable[[], object]) -> None:
    """Do an action and die before or after its step `number`, counted from 0; return if there is no such step."""
    left = number + 1
    wanted = ("c_call",) if moment == "before" else ("c_return", "c_exception")

    def strike(_frame: FrameType, event: str, call: Any) -> None:
        nonlocal left
        if event in wanted and step_of(call):
            left -= 1
            if left == 0:
                children.die()

    _watched(strike, action)


def _watched(hook: Callable[[FrameType, str, Any], None], action: Callable[[], object]) -> None:
    sys.setprofile(hook)
    try:
        action()
    finally:
        sys.setprofile(None)
