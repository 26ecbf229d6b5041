"""The processes below one, and what they have in memory together.

Linux tells the children of a process in one small file, so that a look costs what the tree is large, not what the machine
is; elsewhere psutil looks through all processes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_LINUX = Path(f"/proc/self/task/{os.getpid()}/children").exists()

apart: set[int] = set()  # supervisors that were started here: what is below them belongs to runs of their own


def descendants(pid: int) -> list[int]:
    """Return the processes below one, parents before their children; those of other runs are left out."""
    if not _LINUX:
        return _asked_of_psutil(pid)
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = [each for each in _children(waiting.pop()) if each not in apart]
        found += children
        waiting += children
    return found


def memory_of(pids: list[int]) -> int:
    """Return the bytes that processes have in memory; what they share, as after a fork, is counted once."""
    sizes = [(_resident(pid), pid) for pid in pids]
    alive = [(size, pid) for size, pid in sizes if size]
    if len(alive) < 2:
        return sum(size for size, _ in alive)
    return sum(_proportional(pid) or size for size, pid in alive)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError), os.scandir(f"/proc/{pid}/task") as tasks:
        for task in tasks:
            with suppress(OSError), open(f"{task.path}/children", "rb") as file:  # noqa: PTH123  four times a second
                found += map(int, file.read().split())
    return found


def _resident(pid: int) -> int:
    if _LINUX:
        with suppress(OSError, IndexError), open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * _PAGE
        return 0
    import psutil

    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def _proportional(pid: int) -> int:
    """Return the memory of a process with its share of what it shares; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _asked_of_psutil(pid: int) -> list[int]:
    import psutil

    try:
        return [each.pid for each in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []
