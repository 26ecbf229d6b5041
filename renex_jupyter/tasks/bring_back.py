"""Bring what an action made in a checkout back into the project: never over what somebody changed there meanwhile.

No link is followed, none is brought back, and no content is read: whether a file is another one is told by what it shows
of itself. A file that cannot go to its place in the project goes to the same path in a folder for what is left over.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from renex_jupyter.errors import RenexError
from renex_jupyter.records.paths import to_text
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.tasks.folders import FOLDER, RELATIVE, Branch, Folder, Parts, opened
from renex_jupyter.tasks.plan import RESERVED, folded

Look = tuple[int, int, int, int, int]  # mode, size, mtime_ns, inode, ctime_ns


@dataclass(slots=True)
class Brought:
    """What became of the files that an action left."""

    written: list[str] = field(default_factory=list)  # paths in the project
    left: list[tuple[str, str]] = field(default_factory=list)  # path and reason of what lies in `place` instead
    skipped: list[tuple[str, str]] = field(default_factory=list)  # path and reason of what is nowhere
    removed: list[str] = field(default_factory=list)  # that the action removed, and the project still has
    place: Path | None = None


def look_through(top: Path) -> dict[str, Look]:
    """Return what each file and link below a folder shows of itself, by path."""
    return {"/".join(parts): look for parts, look in _found(top)}


def save_looks(top: Path, file: Path) -> None:
    """Keep what a checkout looks like before its action starts, where the action cannot write."""
    file.write_text(json.dumps(look_through(top)), encoding="utf-8", errors="surrogateescape")


def read_looks(file: Path) -> dict[str, Look]:
    """Return what `save_looks` kept."""
    told: dict[str, list[int]] = json.loads(file.read_text(encoding="utf-8", errors="surrogateescape"))
    return {path: (each[0], each[1], each[2], each[3], each[4]) for path, each in told.items()}


def bring_back(
    top: Path,
    project: Path,
    *,
    looks: Mapping[str, Look],
    before: Mapping[str, FileEntry],
    unwanted: Callable[[str], bool],
    left_over: Path,
) -> Brought:
    """Move the files that are new or other than they were into the project.

    Parameters
    ----------
    top : the checkout; nothing works in it any more.
    looks : what it showed before the action.
    before : the entries of the state before, by path, as the project was then.
    unwanted : says of a path that it is never brought back.
    left_over : folder, not yet there, for files whose place in the project was taken or changed meanwhile.
    """
    brought = Brought()
    found = dict(_found(top))
    with ExitStack() as stack:
        source = stack.enter_context(Branch(stack.enter_context(opened(top)), make=False))
        goal = stack.enter_context(Branch(stack.enter_context(opened(project.resolve())), make=True))
        for parts, look in sorted(found.items(), key=lambda each: each[0]):
            path = "/".join(parts)
            if looks.get(path) == look or unwanted(path) or any(folded(part) in RESERVED for part in parts):
                continue
            if not stat.S_ISREG(look[0]):
                brought.skipped.append((to_text(path), "a link" if stat.S_ISLNK(look[0]) else "no file"))
                continue
            _bring(source.at(parts[:-1]), parts, goal, before.get(to_text(path)), brought, left_over)
    gone = (path for path, look in looks.items() if tuple(path.split("/")) not in found and stat.S_ISREG(look[0]))
    brought.removed = sorted(to_text(path) for path in gone if not unwanted(path))
    return brought


def _bring(
    folder: Folder, parts: Parts, goal: Branch, before: FileEntry | None, brought: Brought, left_over: Path
) -> None:
    path, name = to_text("/".join(parts)), parts[-1]
    try:
        there = goal.at(parts[:-1])
        reason = _in_the_way(there, name, before)
    except (RenexError, OSError):
        there, reason = None, "a link or a file is where its folder would be"
    if reason is None and there is not None:
        try:
            _move(folder, name, there)
            brought.written.append(path)
            return
        except OSError as error:
            reason = str(error.strerror or error)
    left_over.mkdir(parents=True, exist_ok=True)
    brought.place = left_over
    with opened(left_over) as top, top.below(parts[:-1]) as beside:
        _move(folder, name, beside)
    brought.left.append((path, str(reason)))


def _in_the_way(there: Folder, name: str, before: FileEntry | None) -> str | None:
    """Return why a file of the project is not to be replaced; None where there is none, or one that is as it was."""
    seen = there.stat(name)
    if seen is None:
        return None
    if not stat.S_ISREG(seen.st_mode):
        return "something else has this name in the project"
    if before is None or before.kind != "file":
        return "the project has a file of this name, which no snapshot holds"
    if before.sha256 is None:
        return "the project's file of this name is held by no snapshot"
    if (seen.st_size, seen.st_mtime_ns) != (before.size, before.mtime_ns):
        return "the project's file was changed meanwhile"
    return None


def _move(folder: Folder, name: str, to: Folder) -> None:
    """Move a file, also onto another file system; of its mode the permissions stay."""
    mode = stat.S_IMODE(os.stat(folder._at(name), dir_fd=folder.descriptor, follow_symlinks=False).st_mode)  # noqa: SLF001
    if mode & ~0o777:
        os.chmod(folder._at(name), mode & 0o777, dir_fd=folder.descriptor)  # noqa: SLF001
    if folder.device == to.device:
        folder.move(name, to)
        return
    temporary = f".{name}.renex-tmp-{os.urandom(4).hex()}"
    with open(folder.path / name, "rb") as source, os.fdopen(to.create(temporary), "wb") as target:  # noqa: PTH123
        shutil.copyfileobj(source, target, 2**20)
        os.chmod(target.fileno() if os.chmod in os.supports_fd else to.path / temporary, mode & 0o777)  # noqa: PTH101
    os.replace(to._at(temporary), to._at(name), src_dir_fd=to.descriptor, dst_dir_fd=to.descriptor)  # noqa: SLF001
    folder.remove(name)


def _found(top: Path) -> Iterator[tuple[Parts, Look]]:
    """Give all that lies below a folder, but folders; no link is gone through."""
    todo: list[Parts] = [()]
    while todo:
        parts = todo.pop()
        place = os.path.join(top, *parts)  # noqa: PTH118  quicker
        descriptor = os.open(place, FOLDER) if RELATIVE else None
        try:
            with os.scandir(place if descriptor is None else descriptor) as entries:
                for each in entries:
                    if each.is_dir(follow_symlinks=False):
                        todo.append((*parts, each.name))
                        continue
                    seen = each.stat(follow_symlinks=False)
                    yield (
                        (*parts, each.name),
                        (seen.st_mode, seen.st_size, seen.st_mtime_ns, seen.st_ino, seen.st_ctime_ns),
                    )
        finally:
            if descriptor is not None:
                os.close(descriptor)
