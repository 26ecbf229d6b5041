"""File contents by their SHA-256: written once, never changed, verified whenever they are read."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast
from uuid import uuid4

import zstandard

from renex_jupyter.errors import RenexError, from_os_error, invalid_argument
from renex_jupyter.ids import SHA256
from renex_jupyter.store.layout import os_errors, sync_folder
from renex_jupyter.store.sharing import make_folder, share
from renex_jupyter.store.sought import Sought

CHUNK = 2**20  # bytes that are in memory at one time
LEVEL = 3
WORTH_IT = 0.9  # a content is compressed when its first chunk shrinks below this share
AS_IT_IS = b"PAR1"  # what a Parquet file begins with: it is compressed in itself, and DuckDB reads it where it lies
FRESH = 3600.0  # seconds; a content that is put again shows a time of change no older than this: it is in use
RESTORE = "Other contents are not affected. Restore this one from a backup of the store, if there is one."
READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Readable(Protocol):
    """Anything that gives bytes, and none at its end."""

    def read(self, size: int, /) -> bytes:
        """Give at most `size` bytes."""


class Writable(Protocol):
    """Anything that takes bytes."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""


class Blobs:
    """The contents in one folder: `ab/cdef...`, with the suffix `.zst` where compression helps.

    A content *must* be durable under its final name before the record that names it is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Keep `data` and return its SHA-256; what is there already is not written again.

        Raises
        ------
        RenexError : `disk_full`, `permission` or `read_only`; nothing half-written is ever visible.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if not self.has(sha256):
            self.put_stream(io.BytesIO(data))
        return sha256

    def put_stream(self, fileobj: Readable, *, refused: Collection[str] = ()) -> tuple[str, int]:
        """Keep what `fileobj` gives until its end; return SHA-256 and size in bytes.

        Parameters
        ----------
        refused : SHA-256 of contents that are not kept.

        Raises
        ------
        RenexError : as `put`.
        """
        with os_errors("a file's content cannot be kept"):
            make_folder(self.folder)
            temporary = self.temporary()
            try:
                sha256, size, suffix = write_content(temporary, fileobj)
                if sha256 not in refused and not self.has(sha256):
                    for changed in self.put_in_place(temporary, sha256, suffix):
                        sync_folder(changed)
                return sha256, size
            finally:
                temporary.unlink(missing_ok=True)

    def as_file(self, sha256: str, folder: Path) -> Path:
        """Return a file that DuckDB may read: that of a content which is kept as it is, else a copy.

        Parameters
        ----------
        folder : where a content is unpacked that is kept compressed; nobody needs it after the folder is gone.

        Raises
        ------
        RenexError : `not_found`, or `corrupt` when the bytes of a copy are not those of the hash.
        """
        plain = Path(self._names(sha256)[1])
        if plain.exists():
            return plain
        copy = folder / sha256
        if not copy.exists():
            with os_errors(f"the content {sha256[:8]} cannot be unpacked"), copy.open("wb") as file:
                self.copy_to(sha256, file)
        return copy

    def plain(self, sha256: str) -> Path:
        """Return the file of a content that DuckDB reads where it lies; one that is kept compressed is unpacked for good.

        Raises
        ------
        RenexError : `not_found`, `corrupt`, or `read_only` and `permission` where it cannot be unpacked.
        """
        squeezed, path = map(Path, self._names(sha256))
        if path.exists():
            return path
        if not squeezed.exists():
            raise RenexError("not_found", f"the content {sha256} is not in {self.folder}.", RESTORE)
        with os_errors(f"the content {sha256[:8]} cannot be unpacked"):
            temporary = self.temporary()
            try:
                with os.fdopen(os.open(temporary, CREATE, 0o400), "wb") as file:
                    self.copy_to(sha256, file)
                    file.flush()
                    os.fsync(file.fileno())
                share(temporary)
                for changed in self.put_in_place(temporary, sha256, ""):
                    sync_folder(changed)
                squeezed.unlink(missing_ok=True)
            finally:
                temporary.unlink(missing_ok=True)
        return path

    def temporary(self) -> Path:
        """Return a name for a content whose hash is not known yet; what is left there is collected."""
        return self.folder / f".{uuid4().hex}.tmp"

    def get(self, sha256: str) -> bytes:
        """Return a content, verified.

        Raises
        ------
        RenexError : `not_found`, or `corrupt` when the bytes are not those of the hash.
        """
        result = io.BytesIO()
        self.copy_to(sha256, result)
        return result.getvalue()

    def copy_to(self, sha256: str, fileobj: Writable) -> int:
        """Write a content into `fileobj` and return its size; on an error throw away what `fileobj` got.

        Raises
        ------
        RenexError : as `get`; it comes after the last byte, since only then the hash is known.
        """
        digest, size = hashlib.sha256(), 0
        for chunk in self._chunks(sha256):
            digest.update(chunk)
            size += len(chunk)
            fileobj.write(chunk)
        if digest.hexdigest() != sha256:
            raise corrupt(sha256, "its bytes have another hash")
        return size

    def verify(self, sha256: str) -> None:
        """Read a content from end to end.

        Raises
        ------
        RenexError : as `get`.
        """
        self.copy_to(sha256, _Nowhere())

    def contains(self, sha256: str, sought: Sought) -> bool:
        """Say whether a text stands in a content."""
        return sought.stands_in(self._chunks(sha256))

    def is_parquet(self, sha256: str) -> bool:
        """Say whether a content begins as a Parquet file does."""
        return next(self._chunks(sha256), b"").startswith(AS_IT_IS)

    def remove(self, sha256: str) -> None:
        """Remove a content for good."""
        with os_errors(f"the content {sha256[:8]} cannot be removed"):
            for name in self._places(sha256):
                Path(name).unlink(missing_ok=True)

    def is_there(self, sha256: str) -> bool:
        """Say whether a content is here, and touch nothing."""
        return any(map(os.path.exists, self._places(sha256)))

    def has(self, sha256: str) -> bool:
        """Say whether a content is here, and mark it as in use (see `FRESH`).

        One that a collection just looks at counts as gone, though it can be read: whoever would name it puts it anew.
        """
        for path in self._names(sha256):
            try:
                changed = os.stat(path).st_mtime  # noqa: PTH116  asked for every file of a project
                if time.time() - changed > FRESH:
                    os.utime(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError:  # somebody else's store: it can be read, not touched
                return Path(path).exists()
            except OSError as error:
                raise from_os_error(error, f"the content {sha256[:8]} cannot be looked up") from error
            return True
        return False

    def _names(self, sha256: str) -> tuple[str, str]:
        """Return how a content is called, compressed and plain: texts, since paths cost more than a look at a file."""
        if not SHA256.fullmatch(sha256):  # it becomes part of a path
            raise invalid_argument(f"'{sha256}' is not a SHA-256.", "Give 64 lower-case hex digits.")
        plain = f"{self.folder}/{sha256[:2]}/{sha256[2:]}"
        return f"{plain}.zst", plain

    def _places(self, sha256: str) -> Iterator[str]:
        """Yield where a content may be read: at its names, at those where a collection looks at it, or back again."""
        names = self._names(sha256)
        yield from names
        yield from (str(away_name(Path(each))) for each in names)
        yield from names

    def put_in_place(self, temporary: Path, sha256: str, suffix: str) -> tuple[Path, ...]:
        """Give a durable content its name; return the folders that the caller makes durable."""
        path = Path(self._names(sha256)[0 if suffix else 1])
        changed: tuple[Path, ...] = (path.parent,)
        try:
            temporary.replace(path)
        except FileNotFoundError:
            make_folder(path.parent)
            temporary.replace(path)
            changed = (path.parent, self.folder)
        except PermissionError:
            if not path.exists():  # Windows refuses to replace the same content that another process has just put
                raise
        return changed

    def descriptor(self, sha256: str) -> tuple[int, bool]:
        """Open a content as it is kept, and say whether that is compressed; whoever reads it has to verify it.

        Raises
        ------
        RenexError : `not_found`.
        """
        with os_errors(f"the content {sha256[:8]} cannot be read"):
            for name in self._places(sha256):
                with suppress(FileNotFoundError, NotADirectoryError):
                    return os.open(name, READ), ".zst" in name[-9:]
        raise RenexError("not_found", f"the content {sha256} is not in {self.folder}.", RESTORE)

    def _chunks(self, sha256: str) -> Iterator[bytes]:
        with os_errors(f"the content {sha256[:8]} cannot be read"), self._open(sha256) as (raw, compressed):
            if not compressed:
                yield from iter(lambda: raw.read(CHUNK), b"")
                return
            try:
                yield from zstandard.ZstdDecompressor().read_to_iter(raw, write_size=CHUNK)
            except zstandard.ZstdError as error:
                raise corrupt(sha256, f"zstd says {error}") from error

    @contextmanager
    def _open(self, sha256: str) -> Iterator[tuple[BinaryIO, bool]]:
        descriptor, compressed = self.descriptor(sha256)
        with os.fdopen(descriptor, "rb") as file:
            yield file, compressed


def away_name(path: Path) -> Path:
    """Return the name that a collection gives to a content while it looks whether somebody has put it again."""
    return path.parent.parent / f".{path.parent.name}{path.name}.gone"


class _Nowhere:
    """Takes bytes and forgets them."""

    def write(self, data: bytes, /) -> object:
        """Take `data`."""
        return len(data)


def write_content(path: Path, source: Readable, *, sync: bool = True) -> tuple[str, int, str]:
    """Write a new file; return SHA-256 and size of the content, and the suffix that says how it is kept.

    Parameters
    ----------
    sync : make it durable at once.
    """
    chunk = source.read(CHUNK)
    first = _compressor().compress(chunk)
    more = source.read(CHUNK) if chunk else b""
    squeeze = len(first) < WORTH_IT * len(chunk) and not chunk.startswith(AS_IT_IS)
    with os.fdopen(os.open(path, CREATE, 0o400), "wb", buffering=0) as file:
        if more:
            digest, size = _write_chunks(file, chain([chunk, more], iter(lambda: source.read(CHUNK), b"")), squeeze)
        else:
            digest, size = hashlib.sha256(chunk).hexdigest(), len(chunk)
            write_all(file, first if squeeze else chunk)
        if sync:
            os.fsync(file.fileno())
    share(path)
    return digest, size, ".zst" if squeeze else ""


def write_all(file: io.RawIOBase, data: bytes) -> None:
    """Write all of `data`, however little the system takes at one time."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]


def _write_chunks(file: io.RawIOBase, chunks: Iterable[bytes], squeeze: bool) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    sink = zstandard.ZstdCompressor(LEVEL).stream_writer(cast("IO[bytes]", file), closefd=False) if squeeze else None
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if sink:
            sink.write(chunk)
        else:
            write_all(file, chunk)
    if sink:
        sink.close()  # type: ignore[no-untyped-call]
    return digest.hexdigest(), size


def _compressor() -> zstandard.ZstdCompressor:
    """Return this thread's compressor: to make one takes longer than to compress a small file."""
    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(LEVEL)
    return cast("zstandard.ZstdCompressor", _local.compressor)


_local = threading.local()


def corrupt(sha256: str, why: str) -> RenexError:
    """Return the error for a content whose bytes are not those that were kept."""
    return RenexError("corrupt", f"the content {sha256} is damaged: {why}.", RESTORE)
