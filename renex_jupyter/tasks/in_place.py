"""Make a folder that is in use become an earlier state: what has to change, whether all of that is kept, and the change.

Nothing is replaced or removed that is not held by a snapshot, or that is not any more what that snapshot saw. Each
file is replaced by one rename, and names are looked up in folders that were opened without following a link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from renex_jupyter.errors import RenexError
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.tasks.folders import Branch, Folder, Parts
from renex_jupyter.tasks.plan import NOTEBOOK, Plan, by_folder

SHOWN = 5  # conflicts that are named
Look = tuple[int, int, int, int, int | None]  # mode, size, mtime_ns, inode, ctime_ns


@dataclass(frozen=True, slots=True)
class Present:
    """What a folder holds now, as far as a snapshot of this moment keeps it."""

    held: Mapping[Parts, FileEntry]
    left_out: Mapping[Parts, str]  # and why


@dataclass(slots=True)
class Changes:
    """What has to happen to a folder."""

    clear: list[Parts] = field(default_factory=list)  # files and links that are in the way of another kind
    write: list[Parts] = field(default_factory=list)
    remove: list[Parts] = field(default_factory=list)
    empty: set[Parts] = field(default_factory=set)  # folders that are not wanted when nothing is left in them
    times: list[tuple[Parts, int]] = field(default_factory=list)
    seen: dict[Parts, Look] = field(default_factory=dict)  # of what is replaced or removed
    conflicts: list[tuple[str, str]] = field(default_factory=list)  # path, reason
    done: int = 0  # files that were replaced or removed
    emptied: int = 0  # folders that were removed

    @property
    def has_begun(self) -> bool:
        """Whether the folder is not any more what it was."""
        return self.done + self.emptied > 0

    @property
    def count(self) -> int:
        """How many files are written or removed."""
        return len(self.clear) + len(self.write) + len(self.remove)

    def refuse(self) -> None:
        """Raise `conflict` when something would be lost or cannot be; it names the first and says how many there are."""
        if not self.conflicts:
            return
        shown = ", ".join(f"{path} ({why})" for path, why in self.conflicts[:SHOWN])
        more = " ..." if len(self.conflicts) > SHOWN else ""
        what = "1 path" if len(self.conflicts) == 1 else f"{len(self.conflicts)} paths"
        fact = f"{what} would have to go, or to change, for this state and cannot: {shown}{more}."
        hint = (
            "Nothing was changed. Move away first what no snapshot takes, and let yourself write where you cannot; or "
            "check out into another folder with to=..."
        )
        raise RenexError("conflict", fact, hint)


def compare(top: Folder, plan: Plan, present: Present, kept_out: Iterable[Parts] = ()) -> Changes:
    """Return what has to change below `top` so that it holds what is planned.

    Parameters
    ----------
    kept_out : paths that the planned state knew, but did not keep: they stay as they are, with all that is below them.
    """
    return _Comparison(top, plan, present, frozenset((*kept_out, *plan.skipped_parts))).run()


class _Comparison:
    def __init__(self, top: Folder, plan: Plan, present: Present, kept_out: frozenset[Parts]) -> None:
        self.plan, self.present, self.kept_out = plan, present, kept_out
        self.top, self.branch, self.device = top, Branch(top, make=False), top.device
        self.changes = Changes()
        self.wanted = {parts[:depth] for parts in (*plan.leaves, *plan.folders) for depth in range(1, len(parts))}
        self.wanted.update(plan.folders)

    def run(self) -> Changes:
        with self.branch:
            for parts in sorted(self.wanted, key=by_folder):
                found = self._stat(parts)
                if found and not stat.S_ISDIR(found.st_mode):
                    self._give_up(parts, found, self.changes.clear)
            for parts in self.plan.leaves:
                self._compare_leaf(parts)
            for parts in self.changes.write:
                self._check_device(parts)
            for parts in sorted(self.present.held, key=by_folder):
                self._compare_held(parts)
            self._check_writable()
        self.changes.empty -= self.wanted
        return self.changes

    def _compare_leaf(self, parts: Parts) -> None:
        wanted, found = self.plan.entry(parts), self._stat(parts)
        assert wanted is not None
        held = self.present.held.get(parts)
        if held and wanted.role == NOTEBOOK:
            self.plan.files[parts] = replace(wanted, mode=held.mode)
        if found is None:
            self.changes.write.append(parts)
        elif stat.S_ISDIR(found.st_mode):
            self._give_up_folder(parts)
            self.changes.write.append(parts)
        elif held and is_same(wanted, held) and fits(held, found):
            if wanted.mtime_ns is not None and wanted.mtime_ns != found.st_mtime_ns:
                self.changes.times.append((parts, wanted.mtime_ns))
        else:
            self._give_up(parts, found, self.changes.write)

    def _compare_held(self, parts: Parts) -> None:
        """Remove what the planned state has not."""
        held = self.present.held[parts]
        if parts in self.changes.seen or self.plan.entry(parts) or self._is_kept_out(parts):
            return
        if held.kind == "dir":
            self.changes.empty.add(parts)
        elif held.sha256 is not None and (found := self._stat(parts)) is not None:
            self._give_up(parts, found, self.changes.remove)
            self.changes.empty.update(parts[:depth] for depth in range(1, len(parts)))

    def _give_up(self, parts: Parts, found: os.stat_result, into: list[Parts]) -> None:
        """Plan to replace or to remove a file, if it is held."""
        held = self.present.held.get(parts)
        if held is None or held.sha256 is None:
            self.changes.conflicts.append(("/".join(parts), self._why_not_held(parts, found)))
        elif not fits(held, found):
            self.changes.conflicts.append(("/".join(parts), "it changes just now"))
        else:
            self.changes.seen[parts] = _look(found)
            into.append(parts)

    def _give_up_folder(self, parts: Parts) -> None:
        """Plan to remove a folder that is in the way of a file, if all that is in it is held."""
        self.changes.empty.add(parts)
        folder = self.branch.find(parts)
        for name in sorted(folder.names()) if folder else ():
            inner = (*parts, name)
            found = self._stat(inner)
            if found and stat.S_ISDIR(found.st_mode):
                self._give_up_folder(inner)
            elif found:
                self._give_up(inner, found, self.changes.clear)

    def _why_not_held(self, parts: Parts, found: os.stat_result) -> str:
        for depth in range(len(parts), 0, -1):
            if why := self.present.left_out.get(parts[:depth]):
                return why
        return "left out" if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode) else "special file"

    def _check_device(self, parts: Parts) -> None:
        """A file gets into its place by a rename, which no other file system takes."""
        if self._nearest(parts[:-1]).device != self.device:
            self.changes.conflicts.append(("/".join(parts), "on another file system"))

    def _check_writable(self) -> None:
        """A folder that lets nobody in would stop the change in the middle."""
        changes, writable, written = self.changes, dict[Parts, bool](), set(self.changes.write)
        inner = {each for each in changes.empty if any(each[:depth] in written for depth in range(1, len(each) + 1))}
        if changes.count and not self.top.is_writable:
            changes.conflicts.append((".", "this folder cannot be written"))
            return
        for parts in sorted({*changes.clear, *changes.write, *changes.remove, *inner}, key=by_folder):
            above = parts[:-1]
            if above not in writable:
                writable[above] = self._nearest(above).is_writable
            if not writable[above]:
                changes.conflicts.append(("/".join(parts), "its folder cannot be written"))

    def _nearest(self, parts: Parts) -> Folder:
        """Return the folder at `parts`, or where it is missing the nearest one above it."""
        above = (self.branch.find(parts[:depth]) for depth in range(len(parts), -1, -1))
        return next(folder for folder in above if folder)

    def _is_kept_out(self, parts: Parts) -> bool:
        return () in self.kept_out or any(parts[:depth] in self.kept_out for depth in range(1, len(parts) + 1))

    def _stat(self, parts: Parts) -> os.stat_result | None:
        folder = self.branch.find(parts[:-1])
        return folder.stat(parts[-1]) if folder else None


def is_same(wanted: FileEntry, held: FileEntry) -> bool:
    """Say whether two entries have the same kind, content and mode; nobody recorded the mode of a notebook."""
    modes = (wanted.mode, wanted.mode & 0o777) if wanted.kind == "file" else (held.mode,)
    known = NOTEBOOK not in (wanted.role, held.role)
    return (wanted.kind, wanted.sha256) == (held.kind, held.sha256) and (held.mode in modes or not known)


def fits(held: FileEntry, found: os.stat_result) -> bool:
    """Say whether what is there is what was captured, as far as one can see without reading it."""
    if held.kind == "link":
        same = stat.S_ISLNK(found.st_mode) and held.size == found.st_size
    else:
        same = stat.S_ISREG(found.st_mode) and (held.size, held.mode) == (found.st_size, stat.S_IMODE(found.st_mode))
    return same and held.mtime_ns in (None, found.st_mtime_ns)


def apply(top: Folder, staging: Folder, plan: Plan, changes: Changes) -> None:
    """Do what was planned; what was written lies in `staging`.

    Raises
    ------
    RenexError : `conflict` when a file is not any more what was seen, `unsafe_path` when a folder was swapped for a link;
        and `OSError`. What was done until then is counted in `changes.done`.
    """
    with Branch(top, make=False) as branch:
        _remove(branch, changes, sorted(changes.clear, key=by_folder))
        _remove_folders(branch, changes)
    with Branch(top, make=True) as there, Branch(staging, make=False) as source:
        for parts in sorted(changes.write, key=by_folder):
            _put(source.at(parts[:-1]), there.at(parts[:-1]), parts, changes)
            changes.done += 1
    with Branch(top, make=False) as branch:
        _remove(branch, changes, changes.remove)
        _remove_folders(branch, changes)
    _set_folders(top, plan)
    with Branch(top, make=False) as branch:
        for parts, mtime_ns in changes.times:
            with suppress(PermissionError):  # somebody else's file, whose content is the same
                branch.at(parts[:-1]).set_time(parts[-1], mtime_ns)


def _put(source: Folder, folder: Folder, parts: Parts, changes: Changes) -> None:
    if parts in changes.seen:
        # No call replaces a file only if it is still a certain one: who writes between the look and the rename loses.
        _check_same(folder, parts, changes)
        source.move(parts[-1], folder)
        return
    try:
        source.put(parts[-1], folder)
    except FileExistsError as error:
        raise _in_between(parts, "was made") from error


def _remove(branch: Branch, changes: Changes, paths: Iterable[Parts]) -> None:
    for parts in paths:
        folder = branch.at(parts[:-1])
        _check_same(folder, parts, changes)
        folder.remove(parts[-1])
        changes.done += 1


def _remove_folders(branch: Branch, changes: Changes) -> None:
    """Remove what is empty, inner folders first."""
    for parts in sorted(changes.empty, key=len, reverse=True):
        folder = branch.find(parts[:-1])
        with suppress(OSError):  # something is in it, or it is no folder
            if folder:
                folder.remove_folder(parts[-1])
                changes.emptied += 1


def _check_same(folder: Folder, parts: Parts, changes: Changes) -> None:
    found, seen = folder.stat(parts[-1]), changes.seen[parts]
    if found is None or _look(found)[:4] != seen[:4] or seen[4] not in (None, found.st_ctime_ns):
        raise _in_between(parts, "was changed")


def _in_between(parts: Parts, what: str) -> RenexError:
    return RenexError("conflict", f"{Path(*parts)} {what} while the checkout was under way.")


def _set_folders(top: Folder, plan: Plan) -> None:
    with Branch(top, make=True) as branch:
        for parts in sorted(plan.folders, reverse=True):
            found, mode = branch.at(parts[:-1]).stat(parts[-1]), plan.folders[parts].mode & 0o777
            if found is None or stat.S_IMODE(found.st_mode) != mode:
                branch.at(parts).set_mode(mode)


def _look(found: os.stat_result) -> Look:
    """Say how a file looks; nothing of when its inode changed if it has several names, of which we may remove one."""
    changed = found.st_ctime_ns if found.st_nlink == 1 else None
    return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ino, changed
