"""Bring what an action made in a checkout back into the project: never over what somebody changed there meanwhile.

No link is followed, none is brought back, and no content is read: whether a file is another one is told by what it shows
of itself. A file that cannot go to its place in the project goes to the same path in a folder for what is left over.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from renex_jupyter.errors import RenexError
from renex_jupyter.records.paths import to_text
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.tasks.folders import NO_FILE, Branch, Folder, Parts, opened
from renex_jupyter.tasks.plan import RESERVED, folded

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MARKS = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
Look = tuple[int, int, int, int, int]  # mode, size, mtime_ns, inode, ctime_ns


@dataclass(slots=True)
class Brought:
    """What became of the files that an action left."""

    written: list[str] = field(default_factory=list)  # paths in the project
    left: list[tuple[str, str]] = field(default_factory=list)  # path and reason of what lies in `place` instead
    skipped: list[tuple[str, str]] = field(default_factory=list)  # path and reason of what is nowhere
    failed: list[tuple[str, str]] = field(default_factory=list)  # path and reason of what is still in the checkout
    removed: list[str] = field(default_factory=list)  # that the action removed, and the project still has
    place: Path | None = None


def look_through(top: Path) -> dict[str, Look]:
    """Return what each file and link below a folder shows of itself, by path."""
    return {"/".join(parts): look for parts, look in _found(top, [])}


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
    brought, unread = Brought(), list[tuple[Parts, str]]()
    found = dict(_found(top, unread))
    brought.failed = [(to_text("/".join(parts)), why) for parts, why in unread if not _is_ours(parts, unwanted)]
    with ExitStack() as stack:
        source = stack.enter_context(Branch(stack.enter_context(opened(top)), make=False))
        goal = stack.enter_context(Branch(stack.enter_context(opened(project.resolve())), make=True))
        for parts, look in sorted(found.items(), key=lambda each: each[0]):
            path = "/".join(parts)
            if looks.get(path) == look or _is_ours(parts, unwanted):
                continue
            if not stat.S_ISREG(look[0]):
                brought.skipped.append((to_text(path), "a link" if stat.S_ISLNK(look[0]) else "no file"))
                continue
            try:
                _bring(source.at(parts[:-1]), parts, goal, before.get(to_text(path)), brought, left_over)
            except (RenexError, OSError) as error:  # one of them must not cost the others
                brought.failed.append((to_text(path), _why(error)))
    brought.removed = sorted(to_text(path) for path in _gone(looks, found, unread) if not unwanted(path))
    return brought


def _is_ours(parts: Parts, unwanted: Callable[[str], bool]) -> bool:
    """Say whether a path is never brought back."""
    return unwanted("/".join(parts)) or any(folded(part) in RESERVED for part in parts)


def _gone(looks: Mapping[str, Look], found: Mapping[Parts, Look], unread: Iterable[tuple[Parts, str]]) -> Iterator[str]:
    """Give the files that are there no more, as far as it was possible to look."""
    closed = {parts for parts, _ in unread}
    for path, look in looks.items():
        parts = tuple(path.split("/"))
        hidden = any(parts[:depth] in closed for depth in range(len(parts)))
        if stat.S_ISREG(look[0]) and parts not in found and not hidden:
            yield path


def _why(error: RenexError | OSError) -> str:
    return error.message if isinstance(error, RenexError) else str(error.strerror or error)


def _bring(
    folder: Folder, parts: Parts, goal: Branch, before: FileEntry | None, brought: Brought, left_over: Path
) -> None:
    """Move a file to its place, or to where what is left over goes.

    Raises
    ------
    OSError, RenexError : neither is possible; the file is where it was.
    """
    path, name = to_text("/".join(parts)), parts[-1]
    try:
        there = goal.at(parts[:-1])
        reason = _in_the_way(there, name, before)
        if reason is None:
            _move(folder, name, there)
            brought.written.append(path)
            return
    except (RenexError, NotADirectoryError):
        reason = "a link or a file is where its folder would be"
    except OSError as error:
        if error.errno in NO_ROOM:  # neither has it beside
            raise
        reason = _why(error)
    left_over.mkdir(parents=True, exist_ok=True)
    try:
        with opened(left_over) as top, top.below(parts[:-1]) as beside:
            _move(folder, name, beside)
    except BaseException:
        with suppress(OSError):  # as far as nothing else went there
            for depth in range(len(parts) - 1, -1, -1):
                left_over.joinpath(*parts[:depth]).rmdir()
        raise
    brought.left.append((path, reason))
    brought.place = left_over


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
    """Move a file, also onto another file system; of its mode the permissions stay.

    Raises
    ------
    OSError : it is where it was, and nothing of it is there.
    """
    if os.stat(folder.at(name), dir_fd=folder.descriptor, follow_symlinks=False).st_mode & MARKS:
        _drop_marks(folder, name)
    if folder.device != to.device:
        _copy(folder, name, to)
        folder.remove(name)
        return
    folder.move(name, to)
    moved = to.stat(name)
    if moved is None or not stat.S_ISREG(moved.st_mode):  # what still runs there has put something else in its place
        to.remove(name)
        raise OSError(errno.EINVAL, NO_FILE, name)


def _drop_marks(folder: Folder, name: str) -> None:
    """Take away that a file is run as its owner, and the like."""
    descriptor = folder.read(name)
    try:
        os.fchmod(descriptor, os.fstat(descriptor).st_mode & 0o777)
    finally:
        os.close(descriptor)


def _copy(folder: Folder, name: str, to: Folder) -> None:
    temporary = f".{name[:100]}.renex-tmp-{os.urandom(4).hex()}"
    try:
        with os.fdopen(folder.read(name), "rb") as source, os.fdopen(to.create(temporary), "wb") as target:
            shutil.copyfileobj(source, target, 2**20)
            if os.chmod in os.supports_fd:
                os.chmod(target.fileno(), os.fstat(source.fileno()).st_mode & 0o777)  # noqa: PTH101  a descriptor
        os.replace(to.at(temporary), to.at(name), src_dir_fd=to.descriptor, dst_dir_fd=to.descriptor)
    except BaseException:
        with suppress(OSError):
            to.remove(temporary)
        raise


def _found(top: Path, unread: list[tuple[Parts, str]]) -> Iterator[tuple[Parts, Look]]:
    """Give all that lies below a folder, but folders; no link is gone through, whoever puts one there meanwhile.

    Parameters
    ----------
    unread : gets each folder that cannot be read, and why.
    """
    todo: list[Parts] = [()]
    with opened(top) as first, Branch(first, make=False) as branch:
        while todo:
            parts = todo.pop()
            try:
                for name, seen in _entries(branch.at(parts)):
                    if stat.S_ISDIR(seen.st_mode):
                        todo.append((*parts, name))
                    else:
                        look = (seen.st_mode, seen.st_size, seen.st_mtime_ns, seen.st_ino, seen.st_ctime_ns)
                        yield (*parts, name), look
            except (RenexError, OSError) as error:
                unread.append((parts, _why(error)))


def _entries(folder: Folder) -> list[tuple[str, os.stat_result]]:
    with os.scandir(folder.path if folder.descriptor is None else folder.descriptor) as entries:
        return [(each.name, each.stat(follow_symlinks=False)) for each in entries]
