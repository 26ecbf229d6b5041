"""What some small files of a project say now, for whoever compares them with what they said; read by the worker."""

from __future__ import annotations

import os
import stat
from base64 import b64encode
from collections.abc import Callable, Iterable

from renex_jupyter.capture.reading import open_file
from renex_jupyter.records.paths import from_text

MOST = 32 * 2**20  # bytes of all files together


def texts(root: str, paths: Iterable[str], limit: int, go_on: Callable[[], None]) -> dict[str, str]:
    """Return contents in base64 by path; of a link its target.

    What is gone, larger than `limit` bytes, or beyond `MOST` is left out.
    """
    found: dict[str, str] = {}
    left = MOST
    for path in paths:
        go_on()
        content = _content(root, from_text(path), min(limit, left))
        if content is not None:
            found[path] = b64encode(content).decode()
            left -= len(content)
    return found


def _content(root: str, path: str, limit: int) -> bytes | None:
    try:
        if stat.S_ISLNK(os.lstat(f"{root}/{path}").st_mode):
            return os.fsencode(os.readlink(f"{root}/{path}"))  # noqa: PTH115  a Path cleans the text
        with os.fdopen(open_file(root, path), "rb", buffering=0) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_size > limit:
                return None
            return (file.read(limit + 1) or b"")[:limit]
    except OSError:  # gone since the walk, or exchanged for something else
        return None
