"""Contents that become durable together: to flush the file system once takes less than to wait for each small file."""

from __future__ import annotations

import ctypes
import hashlib
import io
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import cache
from pathlib import Path

from renex_jupyter.store.blobs import Blobs, Readable, write_content
from renex_jupyter.store.layout import os_errors, sync_file, sync_folder
from renex_jupyter.store.sharing import make_folder

FEW = 16  # files: each of so few is made durable by itself, whatever else the file system has to write
MOST = 10_000  # files that wait at one time
MOST_BYTES = 2**30
WHAT = "a file's content cannot be kept"


class Batch:
    """Contents on their way into a store.

    None of them is there before `flush`, nor is one that is there ever half-written. Only one thread uses a batch.
    """

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self._waiting: dict[str, tuple[Path, str]] = {}  # SHA-256 -> where it lies, and how
        self._bytes = 0
        self._is_ready = False  # the folder is there

    def has(self, sha256: str) -> bool:
        """Say whether a content is in the store or waits, and mark it as in use."""
        return sha256 in self._waiting or self.blobs.has(sha256)

    def put(self, data: bytes, *, refused: Collection[str] = ()) -> str:
        """Keep `data` with the next `flush`; return its SHA-256.

        Raises
        ------
        RenexError : as `Blobs.put`.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in refused and not self.has(sha256):
            self._take(io.BytesIO(data), lambda _: True)
        return sha256

    def put_stream(self, source: Readable, *, refused: Collection[str] = ()) -> tuple[str, int]:
        """Keep what `source` gives with the next `flush`; return SHA-256 and size in bytes.

        Raises
        ------
        RenexError : as `Blobs.put`.
        """
        return self._take(source, lambda sha256: sha256 not in refused and not self.has(sha256))

    def flush(self) -> None:
        """Make all contents that wait durable, and give them their names.

        Raises
        ------
        RenexError : as `Blobs.put`; all that still waits is given up then.
        """
        try:
            with os_errors(WHAT):
                _make_durable([path for path, _ in self._waiting.values()], _sync_file)
                put = self.blobs.put_in_place
                changed = {each for sha, (path, suffix) in self._waiting.items() for each in put(path, sha, suffix)}
                _make_durable(changed, sync_folder)
                self._waiting, self._bytes = {}, 0
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Forget what waits."""
        for path, _ in self._waiting.values():
            with suppress(OSError):
                path.unlink(missing_ok=True)
        self._waiting, self._bytes = {}, 0

    def _take(self, source: Readable, is_wanted: Callable[[str], bool]) -> tuple[str, int]:
        """Write a content under a temporary name, and let it wait there if it is wanted."""
        with os_errors(WHAT):
            if not self._is_ready:
                make_folder(self.blobs.folder)
                self._is_ready = True
            temporary, waits = self.blobs.temporary(), False
            try:
                sha256, size, suffix = write_content(temporary, source, sync=_flusher() is None)
                waits = is_wanted(sha256)
            finally:
                if not waits:
                    temporary.unlink(missing_ok=True)
        if waits:
            self._waiting[sha256] = (temporary, suffix)
            self._bytes += size
        if len(self._waiting) >= MOST or self._bytes >= MOST_BYTES:
            self.flush()
        return sha256, size


def _make_durable(paths: Collection[Path], one_by_one: Callable[[Path], object]) -> None:
    flush = _flusher()
    if flush is not None and len(paths) > FEW and flush(next(iter(paths))):
        return
    for path in paths:
        one_by_one(path)


def _sync_file(path: Path) -> None:
    if _flusher() is not None:  # else it was made durable as it was written
        sync_file(path)


@cache
def _flusher() -> Callable[[Path], bool] | None:
    """Return what flushes the file system of a path, syncfs(2) of Linux; None elsewhere."""
    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError, TypeError):
        return None

    def flush(path: Path) -> bool:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return int(syncfs(descriptor)) == 0
        finally:
            os.close(descriptor)

    return flush
