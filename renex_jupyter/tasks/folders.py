"""Folders held open, in which names are looked up relative to the folder and no link is followed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from renex_jupyter.errors import RenexError

RELATIVE = os.open in os.supports_dir_fd  # not on Windows: there, paths are looked at for links instead
FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
for _flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"):
    CREATE |= getattr(os, _flag, 0)
READ = os.O_RDONLY  # no link is followed, and a pipe that somebody puts there is not waited for
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
    READ |= getattr(os, _flag, 0)
LINK_TIMES = os.utime in os.supports_follow_symlinks
LINKS_OF_LINKS = os.link in os.supports_follow_symlinks  # a hard link to a symbolic one, not to what that names

NO_FILE = "it is no file"

Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """An open folder."""

    path: Path
    descriptor: int | None

    @contextmanager
    def below(self, parts: Parts) -> Iterator[Folder]:
        """Open the folder at `parts`, made where it is missing, one part at a time.

        Raises
        ------
        RenexError : `unsafe_path` when one of the parts is a link.
        """
        with Branch(self, make=True) as branch:
            yield branch.at(parts)

    def make(self, name: str) -> None:
        """Make a folder, unless it is there."""
        with suppress(FileExistsError):
            os.mkdir(self.at(name), dir_fd=self.descriptor)

    def open(self, name: str) -> Folder:
        """Open a folder of this one."""
        return _open(self.path / name, self.at(name), self.descriptor)

    def create(self, name: str) -> int:
        """Return the descriptor of a new file that only its owner can read."""
        return os.open(self.at(name), CREATE, 0o600, dir_fd=self.descriptor)

    def read(self, name: str) -> int:
        """Return the descriptor of a file to read.

        Raises
        ------
        OSError : also where the entry is a link, or no file.
        """
        descriptor = os.open(self.at(name), READ, dir_fd=self.descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, NO_FILE, name)
        return descriptor

    def link(self, name: str, target: str) -> None:
        """Make a symbolic link."""
        os.symlink(target, self.at(name), dir_fd=self.descriptor)

    def move(self, name: str, to: Folder) -> None:
        """Move an entry into another folder; it replaces a file or a link of that name."""
        os.replace(self.at(name), to.at(name), src_dir_fd=self.descriptor, dst_dir_fd=to.descriptor)

    def put(self, name: str, to: Folder) -> None:
        """Move an entry to where nothing is; no file that somebody makes there at the same moment is lost.

        Raises
        ------
        FileExistsError : something is there.
        """
        if os.name == "nt":
            os.rename(self.at(name), to.at(name))  # noqa: PTH104  it replaces nothing there
        elif self._link(name, to):
            self.remove(name)
        elif to.stat(name) is not None:
            raise FileExistsError
        else:
            self.move(name, to)

    def _link(self, name: str, to: Folder) -> bool:
        """Give an entry a second name in another folder; say whether the file system can do that."""
        if not LINKS_OF_LINKS:
            return False
        folders = {"src_dir_fd": self.descriptor, "dst_dir_fd": to.descriptor}
        try:
            os.link(self.at(name), to.at(name), follow_symlinks=False, **folders)
        except FileExistsError:
            raise
        except OSError:  # it knows no second names (FAT, some network shares), or not of this kind of entry
            return False
        return True

    def stat(self, name: str) -> os.stat_result | None:
        """Look at an entry itself, also where it is a link; None when there is none."""
        try:
            return os.stat(self.at(name), dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        """Return the names of all entries."""
        return os.listdir(self.path if self.descriptor is None else self.descriptor)  # noqa: PTH208  a descriptor

    def remove(self, name: str) -> None:
        """Remove a file or a link."""
        os.unlink(self.at(name), dir_fd=self.descriptor)

    def remove_folder(self, name: str) -> None:
        """Remove an empty folder."""
        os.rmdir(self.at(name), dir_fd=self.descriptor)

    @property
    def is_writable(self) -> bool:
        """Whether entries can be made here and removed, by the modes, and by what the file system allows."""
        path = self.path if self.descriptor is None else "."
        return os.access(path, os.W_OK | os.X_OK, dir_fd=self.descriptor)

    @property
    def device(self) -> int:
        """The number of the file system."""
        return os.stat(self.path if self.descriptor is None else self.descriptor).st_dev  # noqa: PTH116  a descriptor

    def set_mode(self, mode: int) -> None:
        """Set the permission bits of the folder."""
        os.chmod(self.path if self.descriptor is None else self.descriptor, mode)  # noqa: PTH101  a descriptor

    def set_time(self, name: str, mtime_ns: int) -> None:
        """Set when an entry was last changed; of a link its own time, where the system can do that."""
        if LINK_TIMES:
            os.utime(self.at(name), ns=(mtime_ns, mtime_ns), dir_fd=self.descriptor, follow_symlinks=False)
        elif not (self.path / name).is_symlink():
            os.utime(self.path / name, ns=(mtime_ns, mtime_ns))

    def close(self) -> None:
        """Let go of the folder."""
        if self.descriptor is not None:
            os.close(self.descriptor)

    def at(self, name: str) -> str:
        """Return what a call with `dir_fd=descriptor` takes for an entry."""
        return str(self.path / name) if self.descriptor is None else name


class Branch:
    """The folders from a top down to the one that is worked in; they stay open for whatever comes next in them.

    Parameters
    ----------
    make : make a folder that is missing.
    """

    def __init__(self, top: Folder, *, make: bool) -> None:
        self._make = make
        self._parts: list[str] = []
        self._open = [top]  # one more than parts

    def at(self, parts: Parts) -> Folder:
        """Return the folder at `parts`, opened one part at a time.

        Raises
        ------
        RenexError : `unsafe_path` when one of the parts is a link.
        """
        common = 0
        for here, wanted in zip(self._parts, parts, strict=False):
            if here != wanted:
                break
            common += 1
        self._close(common)
        for part in parts[common:]:
            if self._make:
                self._open[-1].make(part)
            self._open.append(self._open[-1].open(part))
            self._parts.append(part)
        return self._open[-1]

    def find(self, parts: Parts) -> Folder | None:
        """Return the folder at `parts`; None when it is not there, or what is there is a file or a link."""
        try:
            return self.at(parts)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except RenexError:
            return None

    def _close(self, depth: int) -> None:
        while len(self._parts) > depth:
            self._parts.pop()
            self._open.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close(0)


@contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """Hold a folder open for the block."""
    folder = _open(path, str(path), None)
    try:
        yield folder
    finally:
        folder.close()


def unsafe(path: str, why: str) -> RenexError:
    """Return the refusal to write a path."""
    return RenexError("unsafe_path", f"'{path}' is not written: {why}.", "Nothing was changed.")


def _open(path: Path, name: str, within: int | None) -> Folder:
    if not RELATIVE:
        if path.is_symlink():
            raise unsafe(str(path), "it is a link")
        return Folder(path, None)
    try:
        return Folder(path, os.open(name, FOLDER, dir_fd=within))
    except OSError as error:
        with suppress(FileNotFoundError):
            if stat.S_ISLNK(os.lstat(name, dir_fd=within).st_mode):
                raise unsafe(str(path), "it is a link") from error
        raise
