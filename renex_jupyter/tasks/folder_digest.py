"""What is in a folder of sources, as one hash: what was built of it is built anew when that is another one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from renex_jupyter.ids import content_id

LARGE = 2**20  # bytes; such a file counts by its size and its time
MADE = ("build", "dist")  # at the top: what a build leaves there itself
NEVER = ("__pycache__", "node_modules")


def digest(path: Path) -> str:
    """Return the hash of a file's content, or of the files in a folder; "" for what is not there.

    What tools leave in a folder does not count: hidden files, virtual environments, the results of a build.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return content_id([part for pair in sorted(_files(path)) for part in pair]) if path.is_dir() else ""


def _files(top: Path) -> Iterator[tuple[str, str]]:
    for folder, below, names in os.walk(top):
        inside = Path(folder)
        below[:] = [each for each in below if _counts(inside, each, at_top=inside == top)]
        for name in names:
            if not name.startswith(".") and not name.endswith(".pyc") and (told := _told(inside / name)):
                yield (inside / name).relative_to(top).as_posix(), told


def _counts(folder: Path, name: str, *, at_top: bool) -> bool:
    made = name in NEVER or name.startswith(".") or name.endswith(".egg-info") or (at_top and name in MADE)
    return not made and not (folder / name / "pyvenv.cfg").exists()


def _told(path: Path) -> str:
    """Return what a file is known by; "" for a pipe, a device, and what cannot be read."""
    try:
        found = path.stat()
        if found.st_size > LARGE:
            return f"{found.st_size} {found.st_mtime_ns}"
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    except OSError:
        return ""
