"""Kernel locks on files: they die with their process, so nothing is ever stale."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from renex_jupyter.errors import RenexError
from renex_jupyter.store.sharing import share

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

    def release(descriptor: int) -> None:
        """Let go of the lock of an open file; closing it does that here."""

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
        descriptor = _open_regular(path)
        if descriptor is None:
            return False  # a link or a pipe is none of ours: no client was ever given it, and its target is not touched
        with suppress(PermissionError):  # of another user of the group
            mode = os.fstat(descriptor).st_mode
            os.fchmod(descriptor, mode & 0o060 | 0o600)  # published files are read-only, and the lock asks to write
        os.close(descriptor)
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return True
        finally:
            os.close(descriptor)
        return False

    def release(descriptor: int) -> None:
        """Let go of the lock of an open file, also where a forked child has the same file open."""
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    def take(descriptor: int, *, shared: bool = False) -> bool:
        """Take the lock of an open file without waiting; False when somebody else has it."""
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def is_held(path: Path) -> bool:
    """Say whether a living process holds the lock of this file.

    What is no regular file, such as a link, counts as held: who asks wants to take the file or to remove it, and that
    is not ours to take.
    """
    descriptor = _open_regular(path)
    if descriptor is None:
        return True
    try:
        return not take(descriptor, shared=True)
    finally:
        os.close(descriptor)


def _open_regular(path: Path) -> int | None:
    """Open a file for reading; None when it is a link, a pipe or anything else but a regular file."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return None
    named = ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK")  # it may be exchanged between the two looks
    try:
        descriptor = os.open(path, os.O_RDONLY | sum(getattr(os, name, 0) for name in named))
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


@contextmanager
def hold(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold the lock of `path` for the block.

    Raises
    ------
    RenexError : `locked` when nobody let go of it within `timeout` seconds.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        share(path)
        _wait(descriptor, path, timeout)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def hold_folder(path: Path, *, timeout: float) -> Iterator[None]:
    """Hold the lock of a folder for the block, without a file in it.

    Where the system or the file system knows no such locks, or the folder cannot be listed, nothing is held.

    Raises
    ------
    RenexError : `locked`, as `hold`; and `OSError` when there is no such folder, also where it was removed meanwhile.
    """
    descriptor = _open_folder(path)
    try:
        while descriptor is not None:
            with suppress(OSError):
                _wait(descriptor, path, timeout)
            if os.path.samestat(os.fstat(descriptor), path.lstat()):
                break
            os.close(descriptor)  # while we waited it was removed, and made anew
            descriptor = None
            descriptor = _open_folder(path)
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                release(descriptor)
            os.close(descriptor)


def _open_folder(path: Path) -> int | None:
    if os.name == "nt":
        return None
    flags = sum(getattr(os, name, 0) for name in ("O_DIRECTORY", "O_CLOEXEC", "O_NOFOLLOW"))
    try:
        return os.open(path, os.O_RDONLY | flags)
    except PermissionError:
        return None


def _wait(descriptor: int, path: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not take(descriptor):
        if time.monotonic() >= deadline:
            raise RenexError("locked", f"{path} is held by another process.", "Nothing is lost; try again in a moment.")
        time.sleep(0.02)
