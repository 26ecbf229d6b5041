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
from collections.abc import Iterable, Sequence

from renex_jupyter.errors import ambiguous, invalid_argument, not_found

SHORT = 8
PREFIX_PATTERN = re.compile(r"[0-9a-f]{1,64}")


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
        data = (
            b""
            if field is None
            else field
            if isinstance(field, bytes)
            else str(field).encode("utf-8", "surrogateescape")
        )
        digest.update(b"-" if field is None else b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()


def match(kind: str, wanted: str, known: Sequence[str], *, listing: str = "%renex ls") -> str:
    """Return the one id of `known` that starts with `wanted`.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, or `invalid_argument` when `wanted` is no id at all.
    """
    prefix = wanted.strip().lower().replace("-", "")
    if not PREFIX_PATTERN.fullmatch(prefix):
        raise invalid_argument(f"'{wanted}' is not an id of a {kind}.", f"Ids are hex digits. List with {listing}.")
    found = sorted({each for each in known if each.startswith(prefix)})
    if len(found) == 1:
        return found[0]
    if found:
        raise ambiguous(kind, wanted, found)
    raise not_found(kind, wanted, [short(each) for each in known], listing=listing)
