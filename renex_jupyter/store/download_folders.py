"""The folders with artifacts as files that can be opened: what is in them is in the blobs, too, and made again when asked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from renex_jupyter.errors import RenexError
from renex_jupyter.store import locks
from renex_jupyter.store.layout import Layout, os_errors
from renex_jupyter.store.sharing import make_folder, share_all

PATIENCE = 86_400.0  # seconds to wait for a folder that another process fills; who waits can interrupt it
LONGEST = 5.0  # seconds that a removal of everything waits for one


def folder_for(layout: Layout, name: str) -> Path:
    """Return the folder of this name, made where it is missing, and mark it as in use.

    Raises
    ------
    RenexError : `disk_full`, `permission`, `read_only`.
    """
    folder = layout.downloads / name
    with os_errors("a place for what is downloaded cannot be made"):
        make_folder(layout.downloads)
        make_folder(folder)
        with suppress(OSError):  # another user's, or on a disk that is only read
            os.utime(folder)
    return folder


@contextmanager
def held(layout: Layout, name: str) -> Iterator[Path]:
    """Give the folder of this name, held for the block: others that fill it wait, and no collection removes it.

    Raises
    ------
    RenexError : as `folder_for`; `locked`.
    """
    with ExitStack() as stack:
        while True:
            folder = folder_for(layout, name)
            with os_errors(f"{folder} cannot be held"), suppress(FileNotFoundError):  # a collection was faster
                stack.enter_context(locks.hold_folder(folder, timeout=PATIENCE))
                break
        with suppress(OSError):
            os.utime(folder)
        yield folder
        with suppress(FileNotFoundError):
            share_all(folder)  # a member of a group made it by the modes that their umask leaves


def clear(layout: Layout, *, before: float | None = None) -> int:
    """Remove the folders, or those that nobody has asked for since; return how many files went.

    To remove all of them does not wait long for whoever fills one: they may hold a secret.

    Parameters
    ----------
    before : seconds since the epoch.
    """
    files = 0
    with suppress(FileNotFoundError), os.scandir(layout.downloads) as found:
        for each in found:
            with suppress(FileNotFoundError):
                if before is None or each.stat(follow_symlinks=False).st_mtime < before:
                    files += _remove_unused(Path(each.path), before)
    return files


def _remove_unused(path: Path, before: float | None) -> int:
    """Remove a folder that nobody fills, or asks for in this moment."""
    if path.is_symlink() or not path.is_dir():
        return _remove(path)
    with ExitStack() as stack:
        try:
            stack.enter_context(locks.hold_folder(path, timeout=0 if before is not None else LONGEST))
        except RenexError:
            if before is not None:
                return 0
        return _remove(path) if before is None or path.lstat().st_mtime < before else 0


def _remove(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return 1
    inside = sum(len(names) for _, _, names in os.walk(path))
    for folder, _, _ in os.walk(path):  # a folder of an artifact may be one that nobody may write
        with suppress(OSError):
            os.chmod(folder, 0o700)  # noqa: PTH101  a text
    shutil.rmtree(path, ignore_errors=True)
    return 0 if path.exists() else inside
