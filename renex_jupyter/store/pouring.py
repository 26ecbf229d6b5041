"""Contents into files that are open: verified, and with holes where there are long runs of zeros."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator

import zstandard

from renex_jupyter.errors import RenexError
from renex_jupyter.store.blobs import CHUNK, Blobs, corrupt
from renex_jupyter.store.layout import os_errors

HOLE = 64 * 2**10  # bytes of zeros, from a multiple of as many, that are not written
ZEROS = bytes(HOLE)

_local = threading.local()


def pour(blobs: Blobs, sha256: str, descriptor: int, stop: threading.Event, *, size: int = CHUNK) -> int:
    """Write a content into a new, empty file and return its size in bytes.

    Parameters
    ----------
    descriptor : the file, which stays open; on an error throw it away.
    stop : set by another thread, it ends the writing with an error.
    size : how many bytes to expect, for speed only.

    Raises
    ------
    RenexError : `not_found`, `corrupt` (after the last byte, since only then the hash is known), `interrupted`.
    """
    digest, done, hole = hashlib.sha256(), 0, False
    source, compressed = blobs.descriptor(sha256)
    try:
        at_once = min(CHUNK, max(size, 2**12) + 1)
        for chunk in _unpacked(sha256, source, at_once) if compressed else _read(sha256, source, at_once):
            if stop.is_set():
                raise RenexError("interrupted", "the checkout was given up.")
            digest.update(chunk)
            hole = _write(descriptor, chunk, done)
            done += len(chunk)
    finally:
        os.close(source)
    if digest.hexdigest() != sha256:
        raise corrupt(sha256, "its bytes have another hash")
    if hole:
        os.ftruncate(descriptor, done)
    return done


def _read(sha256: str, source: int, at_once: int) -> Iterator[bytes]:
    with os_errors(f"the content {sha256[:8]} cannot be read"):
        data = os.read(source, at_once)
    while data:
        yield data
        with os_errors(f"the content {sha256[:8]} cannot be read"):
            data = os.read(source, at_once)


def _unpacked(sha256: str, source: int, at_once: int) -> Iterator[bytes]:
    if not hasattr(_local, "decompressor"):
        _local.decompressor = zstandard.ZstdDecompressor()
    try:
        yield from _local.decompressor.read_to_iter(_Raw(sha256, source), write_size=at_once)
    except zstandard.ZstdError as error:
        raise corrupt(sha256, f"zstd says {error}") from error


class _Raw:
    """The bytes of a content as they are kept."""

    def __init__(self, sha256: str, source: int) -> None:
        self._sha256, self._source = sha256, source

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes."""
        with os_errors(f"the content {self._sha256[:8]} cannot be read"):
            return os.read(self._source, size)


def _write(descriptor: int, chunk: bytes, offset: int) -> bool:
    """Write a chunk that begins at `offset` of the file; say whether it ends in a hole."""
    start, place = 0, -offset % HOLE
    while place + HOLE <= len(chunk):
        if chunk[place] == 0 and chunk.startswith(ZEROS, place):
            _write_all(descriptor, chunk, start, place)
            os.lseek(descriptor, HOLE, os.SEEK_CUR)
            start = place + HOLE
        place += HOLE
    _write_all(descriptor, chunk, start, len(chunk))
    return start == len(chunk)


def _write_all(descriptor: int, chunk: bytes, start: int, end: int) -> None:
    rest = memoryview(chunk)[start:end]
    while rest:
        rest = rest[os.write(descriptor, rest) :]
