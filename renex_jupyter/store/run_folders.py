"""The folders of runs that are under way, with what they print and where they work: those that are left over are removed.

What a run made or printed and nobody could bring to its place is in `KEPT`; it stays until its run is purged, or a
person removes it.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from renex_jupyter.store.liveness import is_gone

if TYPE_CHECKING:
    from renex_jupyter.store.store import Store

GRACE = 3600.0  # seconds
STATE, OUTCOME, JOURNAL = "state.json", "outcome.json", "journal.jsonl"  # what a supervisor tells, and what is logged
WORK, SHARE = "work", "share"  # folders of a checkout and of what a container may write, both of which it sees
KEPT = "kept"


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
    if not (folder / KEPT).exists():
        remove(folder)
        return
    for each in folder.iterdir():
        if each.is_dir() and each.name != KEPT and not each.is_symlink():
            remove(each)
        elif each.name != KEPT:
            with suppress(OSError):
                each.unlink()


def remove(folder: Path) -> None:
    """Remove the folder of a run with all that is in it, also what is kept there, as far as that is possible now."""
    for path in (folder, *folder.rglob("*")):  # a checkout may hold folders that nobody may write in
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def left_over(store: Store) -> list[Path]:
    """Return the folders whose run is over, or that belong to none."""
    try:
        folders = sorted(each for each in store.layout.runs.iterdir() if each.is_dir() and not each.is_symlink())
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


def _changed(folder: Path) -> float:
    """Return when something was last put into a folder or written in it, in seconds since the epoch."""
    changed = 0.0
    with suppress(OSError):
        changed = folder.stat().st_mtime
    for path in folder.iterdir() if folder.exists() else ():
        with suppress(OSError):
            changed = max(changed, path.lstat().st_mtime)
    return changed
