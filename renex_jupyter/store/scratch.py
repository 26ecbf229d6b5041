"""Folders for a moment, outside of the store: lines of journals on their way into DuckDB, or an import that is checked.

Each is locked while somebody uses it, so that what a killed process left behind is found and removed: a secret may
stand in it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from renex_jupyter.store import locks
from renex_jupyter.store.interrupts import interrupts_held_back

PREFIX = "renex-scratch-"
GRACE = 60.0  # seconds in which a folder that was just made is locked


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder that is removed after the block."""
    made = tempfile.TemporaryDirectory(prefix=PREFIX)
    lock = os.open(Path(made.name) / "lock", os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        locks.take(lock)
        yield Path(made.name)
    finally:
        # One inside of `rmtree` has it close a descriptor twice, which may be another's by then.
        with interrupts_held_back():
            os.close(lock)
            made.cleanup()


def sweep_scratch_folders() -> None:
    """Remove the folders of processes of this user that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody else removes it just now
            if _is_ours(path) and time.time() - path.stat().st_mtime > GRACE and not _is_used(path):
                shutil.rmtree(path)


def _is_ours(path: Path) -> bool:
    about = path.lstat()
    return path.is_dir() and not path.is_symlink() and (not hasattr(os, "getuid") or about.st_uid == os.getuid())


def _is_used(path: Path) -> bool:
    lock = path / "lock"
    return lock.exists() and locks.is_held(lock)
