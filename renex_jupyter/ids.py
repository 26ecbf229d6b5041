"""Ids and hashes: make them, shorten them, find them by prefix.

An object's id is a UUID version 8 (RFC 9562, section 5.8): 32 random bits, 48 bits of Unix time in milliseconds and 42
more random bits, written as 32 lower-case hex digits. The random part comes first so that the 8 characters which are
shown tell two runs of the same minute apart (docs/decisions.md). The id of a content is the SHA-256 of its fields.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable

SHORT = 8
SHA256 = re.compile(r"[0-9a-f]{64}")
_WRITTEN = re.compile(r"[0-9a-f]{1,64}|[0-9a-f]{8}(-[0-9a-f]{4}){0,3}-[0-9a-f]{0,12}")


def new_id() -> str:
    """Return a new object id: 32 hex digits, unique without asking anybody."""
    noise = int.from_bytes(os.urandom(10), "big")
    head, tail = noise >> 48, noise & ((1 << 42) - 1)
    ms = time.time_ns() // 1_000_000 & ((1 << 48) - 1)
    value = (head << 96) | (ms >> 32) << 80 | 8 << 76 | (ms >> 20 & 0xFFF) << 64 | 2 << 62 | (ms & 0xFFFFF) << 42 | tail
    return f"{value:032x}"


def short(object_id: str | None) -> str:
    """Return the 8 characters by which an id is shown."""
    return object_id[:SHORT] if object_id else ""


def content_id(fields: Iterable[bytes | str | int | None]) -> str:
    """Return the SHA-256 (hex) over length-delimited fields, so that ("ab", "c") differs from ("a", "bc")."""
    digest = hashlib.sha256()
    for field in fields:
        if field is None:
            digest.update(b"-")
            continue
        data = field if isinstance(field, bytes) else str(field).encode("utf-8", "surrogateescape")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()


def prefix(word: str) -> str | None:
    """Return the hex digits of an id or of its beginning, None for a word that is neither.

    An id may be written in upper case and with the dashes of a UUID (RFC 9562, section 4).
    """
    found = _WRITTEN.fullmatch(word.strip().lower())
    return found[0].replace("-", "") if found else None
