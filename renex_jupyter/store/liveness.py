"""Is the process of a run still there? Asked of pid, start time and boot, never of age."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import psutil

_SLACK = 2.0  # seconds: start times are kept in clock ticks and rounded


@cache
def boot_id() -> str:
    """Return what tells this boot of this machine from every other."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{platform.node()}:{int(psutil.boot_time())}"


def identity(pid: int | None = None) -> dict[str, object]:
    """Return the fields by which a later look finds a process, None: this one: pid, pid_started, boot_id."""
    process = psutil.Process(pid)
    return {"pid": process.pid, "pid_started": process.create_time(), "boot_id": boot_id()}


def is_gone(pid: int | None, started: float | None, boot: str | None, host: str | None) -> bool:
    """Say whether a process of this machine has surely ended; what runs on another machine cannot be told."""
    if pid is None or started is None or (host is not None and host != platform.node()):
        return False
    if boot != boot_id():
        return True
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) > _SLACK or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
