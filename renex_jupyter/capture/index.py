"""What the reading process remembers of files, so that one which looks the same is not read again, nor by the next one."""

from __future__ import annotations

import io
import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from renex_jupyter.ids import SHA256
from renex_jupyter.store.blobs import READ
from renex_jupyter.store.layout import write_whole

# A file changed this shortly before it was read may change again with the same time of change; git calls it racy:
# https://git-scm.com/docs/racy-git
RACY_NS = 2_000_000_000
VERSION = 1
LARGEST = 2**30  # bytes of an index, unpacked

Key = tuple[int, int, int, int]  # size, mtime_ns, ctime_ns, inode
Found = tuple[tuple[int, str], ...]  # line and kind of what looks like a secret


@dataclass(slots=True)
class Index:
    """What was read before: a file that looks the same is not read again."""

    known: dict[str, tuple[Key, str]] = field(default_factory=dict)
    findings: dict[str, Found] = field(default_factory=dict)  # by SHA-256, of contents that have some
    fresh: int = 0  # files that were read since it was saved

    def recall(self, path: str, now: os.stat_result) -> str | None:
        """Return the SHA-256 of a file that did not change since it was read."""
        before = self.known.get(path)
        return before[1] if before and before[0] == key_of(now) else None

    def remember(self, path: str, now: os.stat_result, sha256: str, read_ns: int) -> bool:
        """Keep what was read at `read_ns`; return False when the file's times are too near to it to be trusted."""
        trusted = abs(read_ns - now.st_mtime_ns) > RACY_NS and read_ns - now.st_ctime_ns > RACY_NS
        if trusted:
            self.known[path] = (key_of(now), sha256)
            self.fresh += 1
        else:
            self.known.pop(path, None)
        return trusted

    def save(self, path: Path) -> None:
        """Write the index for the next process; where that fails, it will read the files again."""
        told = {"version": VERSION, "files": self.known, "findings": self.findings}
        data = zstandard.ZstdCompressor(1, write_checksum=True).compress(json.dumps(told).encode())
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_whole(path, data)
            self.fresh = 0

    @classmethod
    def load(cls, path: Path) -> Index:
        """Return what another process has saved; an empty one where that is missing, damaged or of another version."""
        with suppress(OSError, ValueError, TypeError, LookupError, zstandard.ZstdError):
            told = json.loads(zstandard.ZstdDecompressor().decompress(_bytes(path), max_output_size=LARGEST))
            if told["version"] == VERSION:
                known = {name: (_key(key), _checked(sha256)) for name, (key, sha256) in told["files"].items()}
                findings = {_checked(sha): _findings(found) for sha, found in told["findings"].items()}
                return cls(known, findings)
        return cls()


def key_of(found: os.stat_result) -> Key:
    """Return that by which a file is taken to be unchanged."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _bytes(path: Path) -> bytes:
    """Return what a file holds, if it is one: a store may come from somebody else."""
    with io.FileIO(os.open(path, READ | getattr(os, "O_NONBLOCK", 0))) as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST:
            raise ValueError(path)
        return file.readall()


def _key(told: Any) -> Key:
    size, mtime, ctime, inode = told
    return size, mtime, ctime, inode


def _findings(told: Any) -> Found:
    return tuple((int(line), str(kind)) for line, kind in told)


def _checked(sha256: str) -> str:
    """It becomes part of a path."""
    if not SHA256.fullmatch(sha256):
        raise ValueError(sha256)
    return sha256
