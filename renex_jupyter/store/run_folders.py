"""The folders of runs that are under way, with what they print and where they work: those that are left over are removed.

What a run made and nobody could bring to its place is in the folder `KEPT`, what it printed and the store could not take
is in the files `PRINTED`. Both stay until their run is purged, or a person removes them.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from renex_jupyter.store.store import Store

GRACE = 3600.0  # seconds
STATE, OUTCOME, JOURNAL = "state.json", "outcome.json", "journal.jsonl"  # what a supervisor tells, and what is logged
WORK, SHARE = "work", "share"  # folders of a checkout and of what a container may write, both of which it sees
KEPT = "kept"
PRINTED = (
    "printed.log",
    "printed.tail",
)  # no folder: on a full disk a file can still get another name beside its old one
CHUNK = 2**20  # bytes

_READ = os.O_RDONLY  # no link is followed, and a pipe that somebody puts there is not waited for
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
    _READ |= getattr(os, _flag, 0)


def sweep(store: Store, *, grace: float = GRACE) -> int:
    """Remove the folders of runs that are over, as killed processes leave them; return how many went.

    Parameters
    ----------
    grace : seconds; a folder in which something has changed since stays: somebody may just record the end of its run.
    """
    deadline = time.time() - grace
    removed = 0
    for folder in left_over(store):
        if _changed(folder) < deadline:
            clear(folder)
            removed += not folder.exists()
    return removed


def clear(folder: Path) -> None:
    """Remove the folder of a run, but for what is kept in it."""
    stay = {name for name in (KEPT, *PRINTED) if (folder / name).exists()}
    if not stay:
        remove(folder)
        return
    for each in folder.iterdir():
        if each.name in stay:
            continue
        if each.is_dir() and not each.is_symlink():
            remove(each)
        else:
            with suppress(OSError):
                each.unlink()


def remove(folder: Path) -> None:
    """Remove the folder of a run with all that is in it, also what is kept there, as far as that is possible now."""
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        with suppress(OSError):  # of paths that are too long, too
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)  # a checkout may hold folders that nobody may write in
                waiting += path.iterdir()
    with suppress(RecursionError):  # of a thousand folders in each other
        shutil.rmtree(folder, ignore_errors=True)


def left_over(store: Store) -> list[Path]:
    """Return the folders whose run is over, or that belong to none."""
    from renex_jupyter.store.liveness import is_gone  # loads psutil, for which no supervisor waits with its action

    try:
        folders = sorted(each for each in store.layout.runs.iterdir() if _is_ours(each))
    except FileNotFoundError:
        return []
    if not folders:
        return []
    running = {
        row["run_id"]
        for row in store.reader.rows("select * from inside.runs where status = 'running'")
        if not is_gone(row["pid"], row["pid_started"], row["boot_id"], row["host"])
    }
    return [each for each in folders if each.name not in running]


def _is_ours(folder: Path) -> bool:
    """Say whether something is a folder, and ours: in a store of a group everybody looks after their own."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == os.getuid())


def chunks_of(path: Path) -> Generator[bytes, None, None]:
    """Yield what a regular file has, in parts of at most `CHUNK` bytes.

    Raises
    ------
    OSError : also where the path is a link; nothing comes of a pipe, a folder and their like.
    """
    with io.FileIO(os.open(path, _READ)) as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            yield from iter(lambda: file.read(CHUNK), b"")


def _changed(folder: Path) -> float:
    """Return when something was last put into a folder or written in it, in seconds since the epoch."""
    changed = 0.0
    with suppress(OSError):
        changed = folder.stat().st_mtime
    for path in folder.iterdir() if folder.exists() else ():
        with suppress(OSError):
            changed = max(changed, path.lstat().st_mtime)
    return changed
