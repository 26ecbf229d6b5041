"""A folder beside its goal in which everything is written, and verified, before anything is put in place.

It is locked while its process lives, so that what a killed one left behind is told apart and removed. The first thing in
it is the marker by which a capture knows such a folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from renex_jupyter.records.changes import now
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.store.pouring import pour
from renex_jupyter.tasks.folders import FOLDER, RELATIVE, Branch, Folder, Parts, opened
from renex_jupyter.tasks.plan import MARKER, Plan, by_folder

NAME = re.compile(r"\..+\.renex-tmp-[0-9a-f]{8}", re.DOTALL)
LARGE = 2**20  # bytes from which a file is written by a thread of its own
AHEAD = 16  # large files that wait for a thread, each with a descriptor
SYNCED = 500  # files up to which each is made durable by itself, before all of the system is


@contextmanager
def staged(parent: Path, name: str, snapshot_id: str) -> Iterator[Folder]:
    """Give a new folder in `parent`, locked and marked; what of it is left at the end of the block is removed."""
    while True:
        path = parent / f".{name}.renex-tmp-{uuid4().hex[:8]}"
        path.mkdir()
        try:
            with ExitStack() as held:
                try:
                    top = held.enter_context(opened(path))
                except FileNotFoundError:
                    continue  # whoever sweeps here was faster
                if not _is_ours(top):
                    continue
                write_marker(top, snapshot_id)
                yield top
                return
        finally:
            _clear_away(path)


def sweep(parent: Path) -> None:
    """Remove the folders that killed processes left in `parent`."""
    if not RELATIVE:
        return
    with suppress(OSError), os.scandir(parent) as found:
        names = [each.path for each in found if NAME.fullmatch(each.name) and each.is_dir(follow_symlinks=False)]
        for path in names:
            with suppress(OSError):
                _sweep(path)


def write_marker(top: Folder, snapshot_id: str) -> None:
    """Write the file by which a capture knows a tree that a checkout wrote."""
    text = json.dumps({"snapshot_id": snapshot_id, "created_at": now().isoformat()}).encode() + b"\n"
    with os.fdopen(top.create(MARKER), "wb") as file:
        file.write(text)
        if os.chmod in os.supports_fd:
            os.chmod(file.fileno(), 0o644)  # noqa: PTH101  a descriptor


def write_contents(top: Folder, plan: Plan, blobs: Blobs, *, durable: bool = False) -> int:
    """Write files, then links, so that no file can go through one; return the number of bytes.

    Parameters
    ----------
    durable : have all of it on the disk at the end.

    Raises
    ------
    RenexError : `corrupt`, `not_found`; and `OSError`. What was written so far is still there then.
    """
    with Branch(top, make=True) as branch:
        size = _write_files(branch, plan.files, blobs, durable and len(plan.files) <= SYNCED)
        for parts in sorted(plan.links, key=by_folder):
            folder = branch.at(parts[:-1])
            folder.link(parts[-1], plan.targets[parts])
            if (mtime := plan.links[parts].mtime_ns) is not None:
                folder.set_time(parts[-1], mtime)
    if durable and len(plan.files) > SYNCED and hasattr(os, "sync"):
        os.sync()
    return size


def make_folders(top: Folder, plan: Plan) -> None:
    """Make the empty folders, inner ones first and after all else: their modes may forbid it."""
    with Branch(top, make=True) as branch:
        for parts in sorted(plan.folders, reverse=True):
            branch.at(parts).set_mode(plan.folders[parts].mode & 0o777)


def _write_files(branch: Branch, files: Mapping[Parts, FileEntry], blobs: Blobs, sync: bool) -> int:
    large = sorted((parts for parts, entry in files.items() if entry.size >= LARGE), key=by_folder)
    small = sorted((parts for parts, entry in files.items() if entry.size < LARGE), key=by_folder)
    stop, waiting, size = threading.Event(), deque[Future[int]](), 0
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1), "renex-checkout") as pool:
        try:
            for parts in large:
                descriptor = branch.at(parts[:-1]).create(parts[-1])
                waiting.append(pool.submit(_fill, descriptor, files[parts], blobs, sync, stop))
                if len(waiting) > AHEAD:
                    size += waiting.popleft().result()
            for parts in small:
                descriptor = branch.at(parts[:-1]).create(parts[-1])
                size += _fill(descriptor, files[parts], blobs, sync, stop)
            return size + sum(each.result() for each in waiting)
        except BaseException:
            stop.set()
            raise


def _fill(descriptor: int, entry: FileEntry, blobs: Blobs, sync: bool, stop: threading.Event) -> int:
    """Write one file, set its mode (no setuid, no setgid) and its time, and close it."""
    try:
        size = pour(blobs, entry.sha256 or "", descriptor, stop, size=entry.size)
        if os.chmod in os.supports_fd:
            os.chmod(descriptor, entry.mode & 0o777)
        if entry.mtime_ns is not None and os.utime in os.supports_fd:
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
        if sync:
            os.fsync(descriptor)
        return size
    finally:
        os.close(descriptor)


def _is_ours(top: Folder) -> bool:
    """Take the lock of a new folder; say whether nobody has taken it, or the folder itself, before."""
    if top.descriptor is None:
        return True
    from renex_jupyter.store import locks  # not where folders have no locks

    with suppress(OSError):  # a file system without locks: then nobody can sweep there either
        if not locks.take(top.descriptor):
            return False
    return top.path.exists()


def _clear_away(path: Path) -> None:
    """Remove a folder, its marker last: by that the rest is known when we are killed meanwhile."""
    with suppress(OSError), os.scandir(path) as found:
        for each in [each for each in found if each.name != MARKER]:
            if each.is_dir(follow_symlinks=False):
                shutil.rmtree(each.path, ignore_errors=True)
            else:
                os.unlink(each.path)  # noqa: PTH108  a text
    shutil.rmtree(path, ignore_errors=True)


def _sweep(path: str) -> None:
    from renex_jupyter.store import locks

    descriptor = os.open(path, FOLDER)
    try:
        mine = os.fstat(descriptor).st_uid == os.getuid()
        names = os.listdir(descriptor)  # noqa: PTH208  a descriptor
        if mine and (not names or MARKER in names) and locks.take(descriptor):
            _clear_away(Path(path))
    finally:
        os.close(descriptor)
