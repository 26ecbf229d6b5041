"""The journal: one process, one pair of append-only files, one `write()` per call.

Metric points have a file of their own,
so that listing runs never parses them. A file is *live* while its writer holds the `flock` on it; a file that can be
share-locked is *sealed*, because its writer went on to the next one or died. A writer that goes on ends its file with
an end line: how many lines there are, and the CRC-32 of all of them, so that a reader checks them with one call.
"""

from __future__ import annotations

import errno
import getpass
import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4
from zlib import crc32

from renex_jupyter.errors import RenexError, from_os_error
from renex_jupyter.records.changes import Change
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import locks
from renex_jupyter.store.format import CHANGES, POINTS, change_line, point_line, seal_line
from renex_jupyter.store.layout import os_errors, sync_folder
from renex_jupyter.store.sharing import share


class JournalFile:
    """The file of one kind of records that this process appends to."""

    def __init__(self, folder: Path, writer: str, suffix: str) -> None:
        self.folder = folder
        self.writer = writer
        self.suffix = suffix
        self.number = 0
        self.descriptor: int | None = None
        self.size = 0
        self.dirty = False
        self.lines = 0
        self.crc: int | None = 0  # of the whole file; None when a write was not counted, or within another one
        self._underway = 0  # bytes of a write that is not counted in `size` yet
        self._writes = 0  # begun so far
        self._depth = 0  # writes under way: more than one while a handler of a signal writes in the middle of one

    def append(self, data: bytes) -> None:
        """Append whole lines with one `write()`; a disk that takes only a part of them takes nothing."""
        self._depth += 1
        try:
            self._append(data)
        except OSError as error:
            raise from_os_error(error, "the journal cannot be written") from error
        finally:
            self._depth -= 1

    def _append(self, data: bytes) -> None:
        descriptor = self.descriptor if self.descriptor is not None else self._begin()
        if self._underway:
            self._mend(descriptor)
        self._writes += 1
        mine = self._writes
        self._underway, self.dirty = len(data), True
        written = os.write(descriptor, data)
        if written != len(data):
            if mine == self._writes:  # or whoever wrote in between has taken it back
                # Asked of the file: an interrupt may have kept us from counting an earlier write.
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))
        lines, crc = data.count(b"\n"), None if self.crc is None else crc32(data, self.crc)
        size = os.fstat(descriptor).st_size if mine != self._writes else self.size + written
        if mine != self._writes:  # who wrote in between may have counted us, and which of us came first is unknown
            crc = None
        self.size, self.lines, self.crc, self._underway = size, self.lines + lines, crc, 0

    def _mend(self, descriptor: int) -> None:
        """Count a write that an interrupt or a refusal kept from being counted; a part of one is taken back.

        Its size may be counted and its CRC not, so that of the whole file is unknown from here on.
        """
        self.size = _without_part(descriptor, self.size, self._underway)
        self.crc = None
        self._underway = 0

    @property
    def is_being_written(self) -> bool:
        """Whether this is asked in the middle of a write, by a handler of a signal: the file must stay open then."""
        return self._depth > 0

    def seal(self) -> None:
        """Let go of the file; the next append begins a new one."""
        if self._depth:
            self.sync()
            return
        # Nothing can come between these: what a handler of a signal writes from here on goes into the next file.
        descriptor, self.descriptor, self.dirty = self.descriptor, None, False
        size, lines, crc, underway = self.size, self.lines, self.crc, self._underway
        if descriptor is not None:
            with os_errors("the journal cannot be written"):
                try:
                    if underway:
                        size, crc = _without_part(descriptor, size, underway), None
                    if size:
                        _write_end(descriptor, size, lines, crc)
                        os.fsync(descriptor)
                finally:
                    locks.release(descriptor)  # closing alone would not, while a forked child has it open
                    os.close(descriptor)

    def sync(self) -> None:
        """Make everything appended so far survive a power loss, also what somebody else is making durable just now."""
        if self.descriptor is not None and (self.size or self.dirty):
            self.dirty = False
            with os_errors("the journal cannot be written"):
                _datasync(self.descriptor)

    def _begin(self) -> int:
        """Create the next file. It bears its name only once it is locked, or a folder might take it for sealed."""
        # Counted first, also when it fails: neither what is left of a try nor what a handler of a signal begins in the
        # middle of this, which even the formatting of a number lets in, bears the same name.
        number, self.number = self.number, self.number + 1
        name = f"{self.writer}.{number:06d}{self.suffix}"
        path, temporary = self.folder / name, self.folder / f".{name}.tmp"
        flags = os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0)
        descriptor = None
        try:
            descriptor = os.open(temporary, flags, 0o600)
            share(temporary)
            locks.take(descriptor)
            temporary.rename(path)
            sync_folder(self.folder)
            if self.descriptor is not None:  # a handler of a signal began one meanwhile
                path.unlink()
                os.close(descriptor)
                return self.descriptor
            self.size, self.lines, self.crc, self._underway, self.descriptor = 0, 0, 0, 0, descriptor
        except BaseException as error:  # an interrupt, too, must leave nothing behind that the next try meets
            if descriptor is not None and self.descriptor != descriptor:
                os.close(descriptor)
            with suppress(OSError):
                temporary.unlink()
            if isinstance(
                error, OSError
            ):  # told of the folder: each try has another name, and nobody warns of it twice
                told = OSError(error.errno, error.strerror, str(self.folder))
                raise from_os_error(told, "the journal cannot be written") from error
            raise
        return descriptor


def _without_part(descriptor: int, size: int, underway: int) -> int:
    """Cut a part of a write off a file of `size` bytes that are counted, and return the size that it has then."""
    grown = os.fstat(descriptor).st_size - size
    if 0 < grown < underway:
        os.ftruncate(descriptor, size)
    return size + grown if grown == underway else size


def _write_end(descriptor: int, size: int, lines: int, crc: int | None) -> None:
    """Write the end line; a file without one is as good, only slower to check."""
    if crc is not None:
        line = seal_line(f'{{"end":{lines},"all":"{crc:08x}"}}')
        with suppress(OSError):
            written = os.write(descriptor, line)
            if written != len(line):
                os.ftruncate(descriptor, size)


class Journal:
    """The hand of one process that writes into the store; safe for threads, and a forked child makes its own."""

    def __init__(self, folder: Path, *, rotate_bytes: int, sync_interval: float) -> None:
        self.pid = os.getpid()
        self.writer = f"{self.pid}-{uuid4().hex[:8]}"
        self.changes = JournalFile(folder, self.writer, CHANGES)
        self.points = JournalFile(folder, self.writer, POINTS)
        self.rotate_bytes = rotate_bytes
        self.sealed = 0  # files let go so far; a reason to fold
        self._sync_interval = sync_interval
        self._lock = threading.RLock()
        self._sequence = 0
        self._last_at = 0
        self.actor = _actor()
        self._wake = threading.Event()
        self._syncer: threading.Thread | None = None
        self._syncing = threading.RLock()  # held while the background makes something durable
        self.gone = False  # somebody deleted a file of ours, as the background sees within a second
        self._sync_failed: OSError | RenexError | None = None  # told by the next write, or whoever waits for it

    def write_changes(self, changes: Iterable[Change]) -> None:
        """Append changes, all of them with one `write()`; they are ordered by (time, sequence)."""
        with self._lock:
            before = self._sequence
            try:
                data = b"".join([self._change_line(change) for change in changes])
            except BaseException:
                self._sequence = before  # none of them is written: their numbers are given again
                raise
            if data:
                self._append(self.changes, data)

    def write_points(self, points: Iterable[Point]) -> None:
        """Append metric points, all of them with one `write()`."""
        self.append_points(b"".join(map(point_line, points)))

    def append_points(self, lines: bytes) -> bool:
        """Append lines of points with one `write()`; say whether that filled the file, which is sealed then.

        Raises
        ------
        RenexError : `disk_full` and its like; nothing of `lines` is written then.
        """
        with self._lock:
            return self._append(self.points, lines)

    def sync(self) -> None:
        """Make everything written so far durable.

        Raises
        ------
        RenexError : the disk refused some of it, now or in the background before.
        """
        with self._lock, self._syncing:
            try:
                self.changes.sync()
            finally:
                self.points.sync()
            self._tell()

    def seal(self) -> None:
        """Make everything written so far durable, and seal both files so that they can be folded.

        Raises
        ------
        RenexError : the disk refused some of it, now or in the background before.
        """
        with self._lock, self._syncing:
            self.sealed += (self.changes.descriptor is not None) + (self.points.descriptor is not None)
            try:
                self.changes.seal()
            finally:
                self.points.seal()
            self._tell()

    def leave(self) -> None:
        """Let go of files that were deleted; whoever writes in another thread ends that first."""
        with self._lock:
            self.abandon()

    def abandon(self) -> None:
        """In a forked child: close the parent's files without touching its locks."""
        for file in (self.changes, self.points):
            if file.descriptor is not None:
                os.close(file.descriptor)
                file.descriptor = None

    def _append(self, file: JournalFile, data: bytes) -> bool:
        """Append and say whether the file is sealed now. Only a write that failed raises: all else is ours to mend."""
        self._tell()
        file.append(data)
        if self._syncer is None:
            syncer = threading.Thread(target=self._sync_now_and_then, name="renex-journal", daemon=True)
            with suppress(RuntimeError):  # no more threads, or the interpreter ends: the run's end syncs
                syncer.start()
                self._syncer = syncer
        if not self._wake.is_set():
            self._wake.set()
        if file.size < self.rotate_bytes or file.is_being_written:
            return False
        try:
            file.seal()
        except RenexError as error:  # the data is written; the next write tells that it may not be durable
            self._sync_failed = error
        self.sealed += 1
        return True

    def _tell(self) -> None:
        """Raise what the background met; the system tells it once: what was written before may not be durable."""
        if self.gone:
            hint = "What it held is lost. A run that is open goes on in a new one."
            raise RenexError(
                "not_found", f"the journal in {self.changes.folder} was deleted while it was written.", hint
            )
        failed, self._sync_failed = self._sync_failed, None
        if isinstance(failed, OSError):
            raise from_os_error(failed, "the journal cannot be made durable") from failed
        if failed is not None:
            raise failed

    def _change_line(self, change: Change) -> bytes:
        self._sequence += 1
        self._last_at = max(self._last_at + 1, time.time_ns() // 1000)  # a clock that jumps back does not reorder us
        return change_line(change, self._sequence, self._last_at, self.actor)

    def _sync_now_and_then(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(self._sync_interval)
            self._wake.clear()
            for descriptor in self._unsynced():
                with self._syncing:
                    try:
                        _datasync(descriptor)
                    except OSError as error:
                        self._sync_failed = error
                    finally:
                        os.close(descriptor)

    def _unsynced(self) -> list[int]:
        """Return duplicates of the descriptors to sync, so that nobody who logs waits for the disk."""
        with self._lock:
            files = [file for file in (self.changes, self.points) if file.dirty and file.descriptor is not None]
            for file in files:
                file.dirty = False
            copies = [os.dup(file.descriptor) for file in files if file.descriptor is not None]
            self.gone = self.gone or any(os.fstat(each).st_nlink == 0 for each in copies)
            return copies


def _datasync(descriptor: int) -> None:
    (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(descriptor)


def _actor() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def files_in(folder: Path) -> list[os.DirEntry[str]]:
    """Return the journal files of a store, live and sealed, ordered by name."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                (e for e in entries if e.name.endswith(CHANGES) and e.name[0] != "." and e.is_file()),
                key=lambda e: e.name,
            )
    except FileNotFoundError as error:
        raise RenexError("not_found", f"no journal in {folder.parent}.", "Was the store moved or deleted?") from error
