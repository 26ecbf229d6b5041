"""Read one file of a project, so that what is kept is what the file was at one moment."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from renex_jupyter.capture.findings import findings_of
from renex_jupyter.capture.index import RACY_NS, Index
from renex_jupyter.store.batch import Batch
from renex_jupyter.store.blobs import CHUNK

CHANGED = "changed while read"
ZEROS = bytes(CHUNK)
READ = os.O_RDONLY
for _flag in ("O_NOFOLLOW", "O_NOCTTY", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
    READ |= getattr(os, _flag, 0)
FOLDER = os.O_RDONLY
for _flag in ("O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC"):
    FOLDER |= getattr(os, _flag, 0)
RELATIVE = os.open in os.supports_dir_fd and os.scandir in os.supports_fd  # not on Windows


def open_file(root: str, path: str) -> int:
    """Open a file below `root`, of whose path no part may be a link; raise `OSError` where there is none."""
    if not RELATIVE:
        return os.open(f"{root}/{path}", READ)
    folder, _, name = path.rpartition("/")
    at = open_folder(root, folder)
    try:
        return os.open(name, READ, dir_fd=at)
    finally:
        os.close(at)


def open_folder(root: str, path: str) -> int:
    """Open a folder below `root`, "" for that itself, of whose path no part may be a link; for systems that are `RELATIVE`."""
    at = os.open(root, FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
    try:
        for part in path.split("/") if path else ():
            outer, at = at, os.open(part, FOLDER, dir_fd=at)
            os.close(outer)
    except BaseException:
        os.close(at)
        raise
    return at


def is_young(found: os.stat_result, now_ns: int) -> bool:
    """Say whether an entry changed so shortly ago that it may change again and still look the same."""
    return now_ns - max(found.st_mtime_ns, found.st_ctime_ns) <= RACY_NS


class LeaveOutError(Exception):
    """A path cannot be kept; its text is the reason."""


@dataclass(slots=True)
class Contents:
    """The contents of a project's files: read where they are not known, and kept."""

    root: str
    batch: Batch | None  # None: hash only
    index: Index
    max_file_size: int
    purged: frozenset[str]  # SHA-256 of contents that are not kept again
    go_on: Callable[[], None]  # raises when nobody waits any more
    at: int | None = None  # the open folder in which the paths lie that are asked for

    def of(self, path: str, found: os.stat_result, *, asked: bool) -> tuple[str | None, os.stat_result, bool]:
        """Return SHA-256 and state of a file as it was read, and whether it would be seen if it changed again.

        The hash is None for a file that is too large.
        """
        refused = frozenset[str]() if asked else self.purged
        known = self.index.recall(path, found)
        if known and (self.batch is None or known in refused or self.batch.has(known)):
            return known, found, True
        if found.st_size > self.max_file_size:
            return None, found, True
        try:
            return self._read(path, refused)
        except LeaveOutError as why:
            if str(why) != CHANGED:
                raise
        return self._read(path, refused)

    def of_link(self, path: str) -> tuple[str, int]:
        """Keep the target of a link; return its SHA-256 and its size in bytes."""
        target = os.fsencode(os.readlink(self._name(path), dir_fd=self.at))
        return self._keep(target, frozenset()), len(target)

    def text(self, path: str, most: int) -> str:
        """Return the beginning of a small file; nothing where it cannot be read."""
        try:
            with os.fdopen(self._open(path), "rb") as file:
                return file.read(most).decode("utf-8", "surrogateescape")
        except (OSError, LeaveOutError):
            return ""

    def _read(self, path: str, refused: frozenset[str]) -> tuple[str, os.stat_result, bool]:
        started = time.time_ns()
        with io.FileIO(self._open(path)) as file:
            before = os.fstat(file.fileno())
            if before.st_size > self.max_file_size:
                raise LeaveOutError(CHANGED)
            if before.st_size <= CHUNK:
                data = file.read(before.st_size + 1) or b""
                size = len(data)
                _check_same(before, os.fstat(file.fileno()), size)
                sha256 = self._keep(data, refused)
                if found := findings_of(data):
                    self.index.findings[sha256] = found
            else:
                sha256, size = self._keep_stream(Bounded(file, before, self.go_on), refused)
                _check_same(before, os.fstat(file.fileno()), size)
        return sha256, before, self.index.remember(path, before, sha256, started)

    def _open(self, path: str) -> int:
        descriptor = os.open(self._name(path), READ, dir_fd=self.at)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise LeaveOutError("special file")
        return descriptor

    def _name(self, path: str) -> str:
        return f"{self.root}/{path}" if self.at is None else path.rpartition("/")[2]

    def _keep(self, data: bytes, refused: frozenset[str]) -> str:
        return self.batch.put(data, refused=refused) if self.batch else hashlib.sha256(data).hexdigest()

    def _keep_stream(self, source: Bounded, refused: frozenset[str]) -> tuple[str, int]:
        if self.batch:
            return self.batch.put_stream(source, refused=refused)
        digest, size = hashlib.sha256(), 0
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
        return digest.hexdigest(), size


class Bounded:
    """The bytes that a file had when it was opened, so that one which grows while it is read comes to an end."""

    def __init__(self, file: io.FileIO, found: os.stat_result, go_on: Callable[[], None]) -> None:
        self.file, self.go_on = file, go_on
        self.at, self.end = 0, found.st_size
        has_holes = getattr(found, "st_blocks", found.st_size) * 512 < found.st_size and hasattr(os, "SEEK_HOLE")
        # Of what is not on the disk yet some file systems say that it is a hole: https://github.com/openzfs/zfs/issues/15526
        has_holes = has_holes and not is_young(found, time.time_ns())
        self.edge, self.is_hole = 0 if has_holes else self.end, False  # up to where the file has the same nature

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes; those of a hole are not read, which would fill the memory of the system with zeros."""
        self.go_on()
        if self.at == self.edge < self.end:
            self._look_on()
        size = min(size, self.edge - self.at)
        data = ZEROS[:size] if self.is_hole else self.file.read(size) or b""
        self.at += len(data)
        return data

    def _look_on(self) -> None:
        descriptor = self.file.fileno()
        try:
            data = os.lseek(descriptor, self.at, os.SEEK_DATA)
        except OSError:  # there is none any more
            data = self.end
        self.is_hole = data > self.at
        self.edge = min(self.end, data if self.is_hole else os.lseek(descriptor, self.at, os.SEEK_HOLE))
        os.lseek(descriptor, self.edge if self.is_hole else self.at, os.SEEK_SET)


def _check_same(before: os.stat_result, after: os.stat_result, read: int) -> None:
    if read != before.st_size or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise LeaveOutError(CHANGED)
