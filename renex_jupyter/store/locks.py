"""Kernel locks on files: they die with their process, so nothing is ever stale."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from renex_jupyter.errors import RenexError

if sys.platform == "win32":
    import msvcrt

    _FAR = 2**40  # a byte far behind the content: Windows locks are mandatory on the bytes they cover

    def is_open_by_a_client(path: Path) -> bool:
        """Say whether a DuckDB client has the file open: Windows renames no file that is."""
        try:
            path.rename(path)
        except OSError:
            return True
        return False

    def take(descriptor: int, *, shared: bool = False) -> bool:  # noqa: ARG001  Windows knows no shared lock
        """Take the lock of an open file without waiting; False when somebody else has it."""
        here = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, here, os.SEEK_SET)
        return True

else:
    import fcntl

    def is_open_by_a_client(path: Path) -> bool:
        """Say whether a DuckDB client of another process has the file open: it holds a POSIX lock on it then."""
        path.chmod(0o600)  # published files are read-only, and the lock asks for a descriptor that may write
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return True
        finally:
            os.close(descriptor)
        return False

    def take(descriptor: int, *, shared: bool = False) -> bool:
        """Take the lock of an open file without waiting; False when somebody else has it."""
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def is_held(path: Path) -> bool:
    """Say whether a living process holds the lock of this file."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        return not take(descriptor, shared=True)
    finally:
        os.close(descriptor)


@contextmanager
def hold(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold the lock of `path` for the block.

    Raises
    ------
    RenexError : `locked` when nobody let go of it within `timeout` seconds.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        deadline = time.monotonic() + timeout
        while not take(descriptor):
            if time.monotonic() >= deadline:
                raise RenexError(
                    "locked", f"{path} is held by another process.", "Nothing is lost; try again in a moment."
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)
