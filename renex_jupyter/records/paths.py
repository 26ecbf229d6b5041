"""Paths of files as text that every database and JSON reader accepts.

A file name on Linux is bytes. Python shows a byte that is not UTF-8 as a lone surrogate, which neither DuckDB nor
strict JSON takes. Such a path is kept as `%:` followed by the path in which each such byte, and each `%`, is written as
`%XX`. A path that itself begins with `%:` is written the same way, so the form is reversible; every other path stays.
"""

from __future__ import annotations

import re

MARK = "%:"


def to_text(path: str) -> str:
    """Return a path, as `os.fsdecode` gave it, in the form that is kept."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return MARK + _escaped(path)
    return MARK + _escaped(path) if path.startswith(MARK) else path


def from_text(text: str) -> str:
    """Return the path, as `os.fsencode` takes it, of a kept form."""
    if not text.startswith(MARK):
        return text
    raw = text.removeprefix(MARK).encode("utf-8", "surrogateescape")
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), raw).decode("utf-8", "surrogateescape")


def _escaped(path: str) -> str:
    parts = (
        f"%{ord(each) - 0xDC00:02X}" if "\udc80" <= each <= "\udcff" else each for each in path.replace("%", "%25")
    )
    return "".join(parts)
