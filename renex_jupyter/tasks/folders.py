"""Folders held open, in which names are looked up relative to the folder and no link is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from renex_jupyter.errors import RenexError

RELATIVE = os.open in os.supports_dir_fd  # not on Windows: there, paths are looked at for links instead
FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
for _flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"):
    CREATE |= getattr(os, _flag, 0)


@dataclass(frozen=True, slots=True)
class Folder:
    """An open folder."""

    path: Path
    descriptor: int | None

    @contextmanager
    def below(self, parts: tuple[str, ...]) -> Iterator[Folder]:
        """Open the folder at `parts`, made where it is missing, one part at a time.

        Raises
        ------
        RenexError : `unsafe_path` when one of the parts is a link.
        """
        folder, opened = self, list[Folder]()
        try:
            for part in parts:
                with suppress(FileExistsError):
                    os.mkdir(folder._at(part), dir_fd=folder.descriptor)
                folder = _open(folder.path / part, folder._at(part), folder.descriptor)
                opened.append(folder)
            yield folder
        finally:
            for each in opened:
                each.close()

    def create(self, name: str) -> int:
        """Return the descriptor of a new file that only its owner can read."""
        return os.open(self._at(name), CREATE, 0o600, dir_fd=self.descriptor)

    def link(self, name: str, target: str) -> None:
        """Make a symbolic link."""
        os.symlink(target, self._at(name), dir_fd=self.descriptor)

    def move(self, name: str, to: Folder) -> None:
        """Move an entry into another folder; it replaces a file or a link of that name."""
        os.replace(self._at(name), to._at(name), src_dir_fd=self.descriptor, dst_dir_fd=to.descriptor)

    def set_mode(self, mode: int) -> None:
        """Set the permission bits of the folder."""
        os.chmod(self.path if self.descriptor is None else self.descriptor, mode)  # noqa: PTH101  a descriptor

    def close(self) -> None:
        """Let go of the folder."""
        if self.descriptor is not None:
            os.close(self.descriptor)

    def _at(self, name: str) -> str:
        return str(self.path / name) if self.descriptor is None else name


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
        if stat.S_ISLNK(os.lstat(name, dir_fd=within).st_mode):
            raise unsafe(str(path), "it is a link") from error
        raise
