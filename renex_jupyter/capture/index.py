"""What the reading process remembers of files, so that one which looks the same is not read again."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

# A file changed this shortly before it was read may change again with the same time of change; git calls it racy:
# https://git-scm.com/docs/racy-git
RACY_NS = 2_000_000_000

Key = tuple[int, int, int, int]  # size, mtime_ns, ctime_ns, inode


@dataclass(slots=True)
class Index:
    """What was read before: a file that looks the same is not read again."""

    known: dict[str, tuple[Key, str]] = field(default_factory=dict)

    def recall(self, path: str, now: os.stat_result) -> str | None:
        """Return the SHA-256 of a file that did not change since it was read."""
        before = self.known.get(path)
        return before[1] if before and before[0] == _key(now) else None

    def remember(self, path: str, now: os.stat_result, sha256: str, read_ns: int) -> None:
        """Keep what was read at `read_ns`, unless the file's times are too near to it to be trusted."""
        if abs(read_ns - now.st_mtime_ns) > RACY_NS and read_ns - now.st_ctime_ns > RACY_NS:
            self.known[path] = (_key(now), sha256)
        else:
            self.known.pop(path, None)


def _key(found: os.stat_result) -> Key:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
