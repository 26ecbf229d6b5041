"""Is the process of a run still there? Asked of pid, start time and boot, never of age."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path

import psutil

_SLACK = 2.0  # seconds: start times are kept in clock ticks and rounded
_SET = 60.0  # seconds by which the clock may have been set since a time of day was noted
_TIME_OF_DAY = 1e9  # seconds; a start above it is one since the epoch: no machine has been up for 30 years


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
    return {"pid": process.pid, "pid_started": began(process.pid), "boot_id": boot_id()}


def began(pid: int) -> float:
    """Return when a process began, in seconds since boot on Linux, since the epoch elsewhere: setting the clock moves neither.

    What psutil tells on Linux is that and the time of boot, which moves with the clock.

    Raises
    ------
    psutil.Error : it is not there, or nothing of it may be seen.
    """
    if sys.platform != "linux":
        return psutil.Process(pid).create_time()
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()  # from the third, see proc(5)
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(pid) from None
    except PermissionError:
        raise psutil.AccessDenied(pid) from None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def is_another(pid: int, started: float) -> bool:
    """Say whether a process is not the one that began then, as `began` told it, or an older program: since the epoch.

    Raises
    ------
    psutil.Error : as `began`.
    """
    now = began(pid)
    if (now > _TIME_OF_DAY) == (started > _TIME_OF_DAY):
        return abs(now - started) > _SLACK
    return abs(psutil.Process(pid).create_time() - started) > _SET


def is_gone(pid: int | None, started: float | None, boot: str | None, host: str | None) -> bool:
    """Say whether a process of this machine has surely ended; what runs on another machine cannot be told."""
    if pid is None or started is None or (host is not None and host != platform.node()):
        return False
    if boot != boot_id():
        return True
    try:
        process = psutil.Process(pid)
        return is_another(pid, started) or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
