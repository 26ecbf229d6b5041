"""One walk through a project: which files there are, what is in them, and what had to be left out.

It runs in a process of its own (see worker.py). No link is followed, nothing is opened but regular files, and a file
counts only when it was the same before and after it was read.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from renex_jupyter.capture.ignore import FOREIGN, IGNORE_FILES, Scope, never, parse
from renex_jupyter.capture.index import Index
from renex_jupyter.capture.secrets import SECRET_FOLDERS, is_secret_file
from renex_jupyter.errors import RenexError
from renex_jupyter.records.paths import to_text
from renex_jupyter.store.blobs import CHUNK, Blobs

CODE = frozenset(
    (
        *(
            ".py",
            ".pyi",
            ".pyx",
            ".ipynb",
            ".r",
            ".rmd",
            ".qmd",
            ".jl",
            ".sh",
            ".bash",
            ".sql",
            ".scala",
            ".java",
            ".stan",
        ),
        *(
            ".c",
            ".h",
            ".cc",
            ".cpp",
            ".hpp",
            ".cu",
            ".cuh",
            ".rs",
            ".go",
            ".js",
            ".mjs",
            ".ts",
            ".tsx",
            ".lua",
            ".do",
            ".sas",
        ),
        *("makefile", "dockerfile", "snakefile"),
    )
)
CHANGED = "changed while read"
INCOMPLETE = frozenset({"unreadable", "vanished", CHANGED})  # reasons that make a tree partial
IGNORE_SIZE = 2**20  # bytes of an ignore file that are looked at
READ = os.O_RDONLY
for _flag in ("O_NOFOLLOW", "O_NOCTTY", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
    READ |= getattr(os, _flag, 0)

Entry = tuple[str, str, str, str | None, int, int]  # the fields of a FileEntry


class LeaveOutError(Exception):
    """A path cannot be kept; its text is the reason."""


@dataclass(slots=True)
class Capture:
    """One walk through one project."""

    root: str
    blobs: Blobs | None  # None: hash only
    exclude: frozenset[str]
    include: tuple[str, ...]
    max_file_size: int
    index: Index
    go_on: Callable[[], None]  # raises when nobody waits any more
    purged: frozenset[str] = frozenset()  # SHA-256 of contents that are not kept again
    entries: list[Entry] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    partial: bool = False
    filled: set[str] = field(default_factory=set)  # folders below which something is kept

    def run(self) -> dict[str, Any]:
        """Return entries and what was left out, both in the order of their paths."""
        if not Path(self.root).is_dir():
            raise RenexError("not_found", f"no folder {self.root}.", "Check where the project lies.")
        folders: list[tuple[str, int]] = []
        todo = [("", Scope(), 0o755)]
        while todo:
            path, scope, mode = todo.pop()
            if (names := self._list(path)) is None or (path and not FOREIGN.isdisjoint(each.name for each in names)):
                continue
            if path and not scope.ignored:
                folders.append((path, mode))
            scope = self._with_ignore_files(path, scope, names)
            todo += [(sub, inner, bits) for each in names for sub, inner, bits in self._visit(path, scope, each)]
        self._add_empty(folders)
        return {"entries": sorted(self.entries), "left_out": sorted(self.left_out), "partial": self.partial}

    def _list(self, path: str) -> list[os.DirEntry[str]] | None:
        try:
            with os.scandir(self._at(path)) as found:
                return list(found)
        except OSError as error:
            self._leave_out(path, _reason(error))
            return None

    def _with_ignore_files(self, path: str, scope: Scope, names: list[os.DirEntry[str]]) -> Scope:
        there = {each.name for each in names if each.name in IGNORE_FILES}
        if not there:
            return scope
        prefix = f"{path}/" if path else ""
        git, renex = (parse(prefix, self._text(prefix + name)) if name in there else None for name in IGNORE_FILES)
        return scope.with_files(git, renex)

    def _text(self, path: str) -> str:
        try:
            with os.fdopen(self._open(path), "rb") as file:
                return file.read(IGNORE_SIZE).decode("utf-8", "surrogateescape")
        except (OSError, LeaveOutError):
            return ""

    def _visit(self, folder: str, scope: Scope, entry: os.DirEntry[str]) -> Iterator[tuple[str, Scope, int]]:
        """Keep one entry of a folder; yield it when it is a folder to go into."""
        self.go_on()
        path = f"{folder}/{entry.name}" if folder else entry.name
        if never(entry.name) or path in self.exclude:
            return
        try:
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                yield from self._enter(path, entry.name, scope, found.st_mode)
            elif not self._is_unwanted(path, scope):
                self._add(path, self._entry(path, found))
        except LeaveOutError as why:
            self._leave_out(path, str(why))
        except OSError as error:
            self._leave_out(path, _reason(error))

    def _enter(self, path: str, name: str, scope: Scope, mode: int) -> Iterator[tuple[str, Scope, int]]:
        asked_below = any(each.startswith(f"{path}/") for each in self.include)
        if name.lower() in SECRET_FOLDERS and not asked_below:
            raise LeaveOutError("secret")
        ignored = scope.ignores(path, is_folder=True) and not self._is_asked(path)
        if not ignored or asked_below or scope.wants_below(path):
            yield path, Scope(scope.git, scope.renex, ignored), stat.S_IMODE(mode)

    def _is_unwanted(self, path: str, scope: Scope) -> bool:
        if is_secret_file(path) and path not in self.include:
            raise LeaveOutError("secret")
        return scope.ignores(path, is_folder=False) and not self._is_asked(path)

    def _is_asked(self, path: str) -> bool:
        return any(path == each or path.startswith(f"{each}/") for each in self.include)

    def _entry(self, path: str, found: os.stat_result) -> Entry:
        name, purged = to_text(path), frozenset() if self._is_asked(path) else self.purged
        if stat.S_ISLNK(found.st_mode):
            target = os.fsencode(self._at(path).readlink())
            return name, "file", "link", self._keep(target), len(target), 0o777
        if not stat.S_ISREG(found.st_mode):
            raise LeaveOutError("special file")
        sha256 = self._known(path, found, purged)
        if sha256 is None:
            sha256, found = self._read_twice(path, found, purged)
        if sha256 in purged:
            self.left_out.append((name, "purged"))
            sha256 = None
        return name, _role(path), "file", sha256, found.st_size, stat.S_IMODE(found.st_mode)

    def _known(self, path: str, found: os.stat_result, purged: frozenset[str]) -> str | None:
        sha256 = self.index.recall(path, found)
        known = sha256 and (self.blobs is None or sha256 in purged or self.blobs.has(sha256))
        return sha256 if known else None

    def _read_twice(
        self, path: str, found: os.stat_result, purged: frozenset[str]
    ) -> tuple[str | None, os.stat_result]:
        """Read a file; if it changed meanwhile, once more."""
        if found.st_size > self.max_file_size:
            self.left_out.append((to_text(path), "too large"))
            return None, found
        try:
            return self._read(path, purged)
        except LeaveOutError as why:
            if str(why) != CHANGED:
                raise
        return self._read(path, purged)

    def _read(self, path: str, purged: frozenset[str] = frozenset()) -> tuple[str, os.stat_result]:
        started = time.time_ns()
        with os.fdopen(self._open(path), "rb") as file:
            before = os.fstat(file.fileno())
            if before.st_size > self.max_file_size:
                raise LeaveOutError(CHANGED)
            if before.st_size <= CHUNK:
                data = file.read(before.st_size + 1)
                size = len(data)
                _check_same(before, os.fstat(file.fileno()), size)
                sha256 = self._keep(data, purged)
            else:
                sha256, size = self._keep_stream(Bounded(file, before.st_size, self.go_on), purged)
                _check_same(before, os.fstat(file.fileno()), size)
        self.index.remember(path, before, sha256, started)
        return sha256, before

    def _open(self, path: str) -> int:
        descriptor = os.open(self._at(path), READ)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise LeaveOutError("special file")
        return descriptor

    def _keep(self, data: bytes, purged: frozenset[str] = frozenset()) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        return self.blobs.put(data) if self.blobs and sha256 not in purged else sha256

    def _keep_stream(self, source: Bounded, purged: frozenset[str]) -> tuple[str, int]:
        if self.blobs:
            return self.blobs.put_stream(source, refused=purged)
        digest, size = hashlib.sha256(), 0
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
        return digest.hexdigest(), size

    def _at(self, path: str) -> Path:
        return Path(self.root, path)

    def _leave_out(self, path: str, reason: str) -> None:
        self.left_out.append((to_text(path) or ".", reason))
        self.partial = self.partial or reason in INCOMPLETE

    def _add(self, path: str, entry: Entry) -> None:
        self.entries.append(entry)
        while "/" in path and (path := path.rpartition("/")[0]) not in self.filled:
            self.filled.add(path)

    def _add_empty(self, folders: list[tuple[str, int]]) -> None:
        """Add each folder below which nothing is kept; what is ignored there does not count."""
        for path, mode in reversed(folders):  # inner folders come after the outer ones
            if path not in self.filled:
                self._add(path, (to_text(path), "file", "dir", None, 0, mode))


@dataclass(slots=True)
class Bounded:
    """The first `left` bytes of a file, so that one which grows while it is read comes to an end."""

    file: BinaryIO
    left: int
    go_on: Callable[[], None]

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes."""
        self.go_on()
        data = self.file.read(min(size, self.left))
        self.left -= len(data)
        return data


def _check_same(before: os.stat_result, after: os.stat_result, read: int) -> None:
    if read != before.st_size or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise LeaveOutError(CHANGED)


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "vanished"
    return CHANGED if error.errno in (errno.ELOOP, errno.ENOTDIR) else "unreadable"


def _role(path: str) -> str:
    name = PurePosixPath(path.lower())
    return "code" if name.suffix in CODE or name.name in CODE else "file"
