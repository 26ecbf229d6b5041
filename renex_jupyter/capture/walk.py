"""One walk through a project: which files there are, what is in them, and what had to be left out.

It runs in a process of its own (see worker.py). No link is followed, nothing is opened but regular files, and a file
counts only when it was the same before and after it was read. A folder that looks as it did in the last walk is not
gone through again.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from renex_jupyter.capture.ignore import FOREIGN, IGNORE_FILES, NEVER, Scope, never, parse
from renex_jupyter.capture.parts import Entry
from renex_jupyter.capture.reading import CHANGED, FOLDER, RELATIVE, Contents, LeaveOutError, is_young
from renex_jupyter.capture.secrets import SECRET_FOLDERS, is_secret_file
from renex_jupyter.capture.wanted import Wanted
from renex_jupyter.errors import RenexError
from renex_jupyter.records.paths import to_text
from renex_jupyter.store.blobs import FRESH

CODE = """
    .py .pyi .pyx .ipynb .r .rmd .qmd .jl .sh .bash .sql .scala .java .stan .c .h .cc .cpp .hpp .cu .cuh .rs .go .js .mjs .ts
    .tsx .lua .do .sas makefile dockerfile snakefile
"""
CODE_ENDS = frozenset(CODE.split())  # suffixes, and names of files that have none
INCOMPLETE = frozenset({"unreadable", "vanished", CHANGED})  # reasons that make a tree partial
IGNORE_SIZE = 2**20  # bytes of an ignore file that are looked at

State = tuple[object, ...]  # all that a folder and its entries show of themselves, and what is said of them
Stats = dict[str, os.stat_result | OSError]


@dataclass(slots=True)
class Folder:
    """What a walk found in one folder."""

    state: State  # by which it is known that nothing has changed
    mode: int | None = None  # permission bits; None: it is not kept when it is empty
    entries: list[Entry] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    below: list[tuple[str, Scope, os.stat_result]] = field(default_factory=list)  # to go into, what applies, its look
    trusted: bool = True  # whether a change of it would be seen
    kept_at: float | None = None  # seconds since the epoch when its contents were known to be in the store

    def leave_out(self, path: str, reason: str) -> None:
        """Note what could not be kept."""
        self.left_out.append((to_text(path) or ".", reason))
        self.trusted = self.trusted and reason not in INCOMPLETE


@dataclass(slots=True)
class Walk:
    """One walk through one project."""

    contents: Contents
    wanted: Wanted
    go_on: Callable[[], None]  # raises when nobody waits any more
    started: float  # seconds since the epoch
    before: dict[str, Folder]  # what the last walk found
    folders: dict[str, Folder] = field(default_factory=dict)  # by path, every one after that in which it lies
    changed: bool = False  # against the last walk

    def run(self) -> None:
        """Go through all folders."""
        if not os.path.isdir(self.contents.root):  # noqa: PTH112  quicker, and once is enough
            raise RenexError("not_found", f"no folder {self.contents.root}.", "Check where the project lies.")
        todo: list[tuple[str, Scope, os.stat_result | None]] = [("", Scope(), None)]
        while todo:
            self.go_on()
            path, scope, seen = todo.pop()
            found = self._folder(path, scope, seen)
            self.changed = self.changed or found is not self.before.get(path)
            self.folders[path] = found
            todo += found.below

    @property
    def left_out(self) -> list[tuple[str, str]]:
        """What could not be kept, and why, ordered by path."""
        return sorted(each for folder in self.folders.values() for each in folder.left_out)

    def entries(self) -> list[Entry]:
        """Return what is kept, each folder included below which nothing is; what is ignored there does not count."""
        found: list[Entry] = []
        filled: set[str] = set()
        for path, folder in self.folders.items():
            if folder.entries:
                found += folder.entries
                filled.update((path, *_above(path)))
        for path, folder in reversed(self.folders.items()):  # inner folders before the outer ones
            if path and path not in filled and folder.mode is not None:
                found.append((to_text(path), "file", "dir", None, 0, folder.mode, None))
                filled.update(_above(path))
        return found

    def _folder(self, path: str, scope: Scope, seen: os.stat_result | None) -> Folder:
        """Return what is in a folder: as the last walk found it where it looks the same.

        Parameters
        ----------
        seen : how it looked in the folder above.
        """
        try:
            with _opened(f"{self.contents.root}/{path}", seen) as at:
                with os.scandir(f"{self.contents.root}/{path}" if at is None else at) as found:
                    entries = list(found)
                return self._read(path, scope, stat.S_IMODE(seen.st_mode) if seen else 0o755, entries, at)
        except OSError as error:
            folder = Folder(())
            folder.leave_out(path, _reason(error))
            return folder

    def _read(self, path: str, scope: Scope, mode: int, entries: list[os.DirEntry[str]], at: int | None) -> Folder:
        foreign = bool(path) and not FOREIGN.isdisjoint(each.name for each in entries)
        stats = {} if foreign else _stats(entries)
        looks = [(name, _look(found)) for name, found in stats.items()]
        state = (foreign, scope, mode, self.wanted.in_folder(path), looks)
        known = self.before.get(path)
        if known is not None and known.state == state and self._may_stand(known):
            return known
        folder = Folder(state, None if scope.ignored or foreign else mode)
        folder.kept_at = self.started if self.contents.batch else None
        self.contents.at = at
        self._look_into(folder, path, scope, stats)
        return folder

    def _may_stand(self, known: Folder) -> bool:
        """Say whether what the last walk found in a folder that looks the same is to be believed, and kept."""
        # Time of the day, as a collection reads it: a machine that slept has another idea of what is fresh.
        is_kept = known.kept_at is not None and 0 <= self.started - known.kept_at < FRESH / 2  # see `Blobs.has`
        return known.trusted and (is_kept or self.contents.batch is None)

    def _look_into(self, folder: Folder, path: str, scope: Scope, stats: Stats) -> None:
        prefix = f"{path}/" if path else ""
        scope = self._with_ignore_files(folder, prefix, scope, stats)
        for name, found in stats.items():
            self.go_on()
            inner = prefix + name
            if never(name) or inner in self.wanted.exclude:
                continue
            try:
                if isinstance(found, OSError):
                    raise found
                if stat.S_ISDIR(found.st_mode):
                    self._enter(folder, inner, name, scope, found)
                elif not self._is_unwanted(inner, scope):
                    folder.entries.append(self._entry(folder, inner, found))
            except LeaveOutError as why:
                folder.leave_out(inner, str(why))
            except OSError as error:
                folder.leave_out(inner, _reason(error))

    def _with_ignore_files(self, folder: Folder, prefix: str, scope: Scope, stats: Stats) -> Scope:
        there = {name: found for name in IGNORE_FILES if isinstance(found := stats.get(name), os.stat_result)}
        if not there:
            return scope
        folder.trusted = folder.trusted and not any(is_young(found, time.time_ns()) for found in there.values())
        git, renex = (
            parse(prefix, self.contents.text(prefix + name, IGNORE_SIZE)) if name in there else None
            for name in IGNORE_FILES
        )
        return scope.with_files(git, renex)

    def _enter(self, folder: Folder, path: str, name: str, scope: Scope, found: os.stat_result) -> None:
        asked_below = path in self.wanted.above
        if name.lower() in SECRET_FOLDERS and not asked_below:
            raise LeaveOutError("secret")
        ignored = scope.ignores(path, is_folder=True) and not self.wanted.asks_for(path)
        if not ignored or asked_below or path in self.wanted.around or scope.wants_below(path):
            folder.below.append((path, Scope(scope.git, scope.renex, ignored), found))

    def _is_unwanted(self, path: str, scope: Scope) -> bool:
        if is_secret_file(path) and path not in self.wanted.include:
            raise LeaveOutError("secret")
        ignored = scope.ignores(path, is_folder=False) and path not in self.wanted.imported
        return ignored and not self.wanted.asks_for(path)

    def _entry(self, folder: Folder, path: str, found: os.stat_result) -> Entry:
        name = to_text(path)
        if stat.S_ISLNK(found.st_mode):
            folder.trusted = folder.trusted and not is_young(found, time.time_ns())
            target, size = self.contents.of_link(path)
            return name, "file", "link", target, size, 0o777, found.st_mtime_ns
        if not stat.S_ISREG(found.st_mode):
            raise LeaveOutError("special file")
        asked = self.wanted.asks_for(path)
        sha256, found, trusted = self.contents.of(path, found, asked=asked)
        folder.trusted = folder.trusted and trusted
        if sha256 is None:
            folder.leave_out(path, "too large")
        elif sha256 in self.contents.purged and not asked:
            folder.leave_out(path, "purged")
            sha256 = None
        return name, _role(path), "file", sha256, found.st_size, stat.S_IMODE(found.st_mode), found.st_mtime_ns


@contextmanager
def _opened(path: str, seen: os.stat_result | None) -> Iterator[int | None]:
    """Hold a folder open, if it is still the one that was seen: somebody may have put a link there, or above it."""
    if not RELATIVE:
        yield None
        return
    at = os.open(path, FOLDER if seen else FOLDER & ~os.O_NOFOLLOW)
    try:
        if seen and not os.path.samestat(seen, os.fstat(at)):
            raise NotADirectoryError(errno.ENOTDIR, CHANGED)
        yield at
    finally:
        os.close(at)


def _stats(entries: list[os.DirEntry[str]]) -> Stats:
    """Return how the entries of a folder look, or why that cannot be told."""
    found: Stats = {}
    for each in entries:
        if each.name not in NEVER:
            try:
                found[each.name] = each.stat(follow_symlinks=False)
            except OSError as error:
                found[each.name] = error
    return found


def _look(found: os.stat_result | OSError) -> tuple[int, ...]:
    """Return that by which an entry is taken to be unchanged; of a folder, what lies in it is asked of itself."""
    if isinstance(found, OSError):
        return ()
    mode = found.st_mode
    if stat.S_ISDIR(mode):
        return mode, found.st_ino, found.st_dev
    return mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino  # as `key_of`, without a call


def _above(path: str) -> list[str]:
    """Return the folders in which a path lies, the project's included."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(len(parts))] if path else []


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "vanished"
    return CHANGED if error.errno in (errno.ELOOP, errno.ENOTDIR) else "unreadable"


def _role(path: str) -> str:
    name = PurePosixPath(path.lower())
    return "code" if name.suffix in CODE_ENDS or name.name in CODE_ENDS else "file"
