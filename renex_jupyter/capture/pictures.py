"""Small pictures of image files, read by a process of their own: the kernel must not open files of the user (worker.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

from renex_jupyter.records.images import mime_of

COMMAND = ("-X", "utf8", "-P", "-m", "renex_jupyter.capture.pictures")  # -P: a random.py of the project is not imported
SECONDS = 60.0  # for all of them
LARGEST_FILE = 50_000_000  # bytes; a larger one is not read
LARGEST = 150_000  # bytes of one picture in a page
SIDE = 256  # pixels of a picture that is made smaller


def read_pictures(paths: Sequence[Path]) -> list[bytes | None]:
    """Return the bytes of image files, made smaller where Pillow is installed; None for each that is none or cannot be read."""
    if not paths:
        return []
    request = json.dumps([os.fspath(each) for each in paths])
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        done = subprocess.run(
            [sys.executable, *COMMAND], input=request.encode(), capture_output=True, timeout=SECONDS, check=True
        )
        answer = json.loads(done.stdout)
        return [None if each is None else b64decode(each) for each in answer]
    return [None] * len(paths)


def small_picture(data: bytes) -> bytes | None:
    """Return an image of a known type as it may stand in a page; None for others, and where it stays too large."""
    if mime_of(data) is None:
        return None
    if len(data) <= LARGEST // 4:
        return data
    with suppress(Exception):  # whatever Pillow says of a broken file: it is not shown
        from PIL import Image  # type: ignore[import-not-found,unused-ignore]

        with Image.open(BytesIO(data)) as image:
            image.thumbnail((SIDE, SIDE))
            smaller = BytesIO()
            image.convert("RGB").save(smaller, "JPEG", quality=80)
            return bytes(smaller.getvalue())
    return data if len(data) <= LARGEST else None


def main() -> None:
    """Answer one request: a list of paths on standard input, of base64 texts or nulls on standard output."""
    answer: list[Any] = []
    for path in map(Path, json.loads(sys.stdin.buffer.read())):
        found = None
        with suppress(OSError):
            if path.is_file() and path.stat().st_size <= LARGEST_FILE:
                found = small_picture(path.read_bytes())
        answer.append(None if found is None else b64encode(found).decode())
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
