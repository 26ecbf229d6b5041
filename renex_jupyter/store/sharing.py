"""What a store that is given to a group makes is given to it as well: see access.py."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def shared_bits(*, write: bool) -> int:
    """Return what the mode of a folder that a group may enter has beside what its owner may."""
    return stat.S_ISGID | (0o070 if write else 0o050)


def bits_of(folder: os.stat_result) -> int:
    """Return what a group may do in a folder, 0 in a private one: one that hands its group on is given to it."""
    return folder.st_mode & 0o070 if folder.st_mode & stat.S_ISGID else 0


def share(path: Path) -> None:
    """Give what was just made to the group that its folder is given to, whatever our umask says; else leave it private."""
    bits = bits_of(path.parent.stat())
    if bits:
        found = path.stat()
        bits = bits | stat.S_ISGID if stat.S_ISDIR(found.st_mode) else bits & 0o060
        if found.st_mode & bits != bits and found.st_uid == os.getuid():
            path.chmod(stat.S_IMODE(found.st_mode) | bits)


def share_all(folder: Path) -> None:
    """Give what lies in a folder to the group that the folder is given to, as `share` does; links are passed by."""
    if not bits_of(folder.stat()):
        return
    for above, names, files in os.walk(folder):
        for path in (Path(above) / name for name in (*names, *files)):
            if not path.is_symlink():
                share(path)


def make_folder(folder: Path) -> None:
    """Make a folder of a store, and the store's own above it, unless they are there; nobody else may enter a new one."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    except FileNotFoundError:  # `parents=True` would make those above for everybody
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    share(folder)
