"""The folders with artifacts as files that can be opened: what is in them is in the blobs, too, and made again when asked for."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from renex_jupyter.store.layout import Layout, os_errors
from renex_jupyter.store.sharing import make_folder


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
        with suppress(PermissionError):  # another user's
            os.utime(folder)
    return folder


def clear(layout: Layout, *, before: float | None = None) -> int:
    """Remove the folders, or those that nobody has asked for since; return how many files went.

    Parameters
    ----------
    before : seconds since the epoch.
    """
    files = 0
    with suppress(FileNotFoundError), os.scandir(layout.downloads) as found:
        for each in found:
            with suppress(FileNotFoundError):
                if before is None or each.stat(follow_symlinks=False).st_mtime < before:
                    files += _remove(Path(each.path))
    return files


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
