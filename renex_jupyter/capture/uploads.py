"""A file or a folder that is kept as it is, or only hashed: whole or not at all. The worker reads it.

Unlike a capture of the project this asks no ignore file, and no size is too large. What a file was at one moment is what
is kept: one that changes while it is read is read again, and refused when it changes again. A link inside of a folder is
a link; where it leads is not looked at.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from renex_jupyter.capture.index import Index
from renex_jupyter.capture.reading import CHANGED, RELATIVE, Contents, LeaveOutError, open_folder
from renex_jupyter.capture.secrets import is_secret_file
from renex_jupyter.errors import RenexError, from_os_error
from renex_jupyter.records.paths import to_text
from renex_jupyter.store.batch import Batch
from renex_jupyter.store.blobs import Blobs

NO_LIMIT = 2**62  # bytes
SPECIAL = "it is no file, folder or link"
NAMED = "its name says that it holds a secret"
OURS = "version control and our own store are never kept"
Row = tuple[str, str, str | None, int, int]  # path, kind, sha256, size, mode


@dataclass(slots=True)
class Upload:
    """One file or folder on its way into the store."""

    path: str  # absolute
    contents: Contents
    reserved: frozenset[str]  # names, in lower case, of what is left out of a folder
    hide_secrets: bool
    only: tuple[str, ...] | None  # paths in the folder; None: all of it
    entries: list[Row] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)  # path, reason

    def take(self) -> dict[str, Any]:
        """Read everything, keep the contents, and say what was found.

        Raises
        ------
        RenexError : `not_found`, `permission`; `conflict` for what changes while it is read, and for a content that was
            purged; what the store says. Nothing is kept then that was not there before.
        """
        try:
            found = os.stat(self.path)  # noqa: PTH116  a link that is named itself is followed
            is_folder = stat.S_ISDIR(found.st_mode)
            if is_folder:
                self._take_folder()
            else:
                self.contents.root, _, name = os.path.realpath(self.path).rpartition("/")
                self._take_file(name, found)
            if self.contents.batch:
                self.contents.batch.flush()
        except OSError as error:
            raise from_os_error(error, f"{to_text(self.path)} cannot be read") from error
        finally:
            if self.contents.batch:
                self.contents.batch.give_up()
        entries = [(to_text(row[0]), *row[1:]) for row in self.entries]
        left_out = [(to_text(path), why) for path, why in self.left_out]
        known = self.contents.index.findings
        findings = [(path, *place) for path, _, sha256, *_ in entries for place in known.get(sha256 or "", ())]
        return {"is_folder": is_folder, "entries": entries, "left_out": left_out, "findings": findings}

    def _take_folder(self) -> None:
        self.contents.root = os.path.realpath(self.path)
        for path, seen in self._walk() if self.only is None else self._named(self.only):
            if stat.S_ISDIR(seen.st_mode):
                self.entries.append((path, "dir", None, 0, stat.S_IMODE(seen.st_mode)))
            elif stat.S_ISLNK(seen.st_mode):
                sha256, size = self.contents.of_link(path)
                self.entries.append((path, "link", sha256, size, 0o777))
            elif not stat.S_ISREG(seen.st_mode):
                self.left_out.append((path, SPECIAL))
            elif self.hide_secrets and is_secret_file(path):
                self.left_out.append((path, NAMED))
            else:
                self._take_file(path, seen)
        self.entries.sort()

    def _named(self, paths: tuple[str, ...]) -> Iterator[tuple[str, os.stat_result]]:
        for path in paths:
            with suppress(FileNotFoundError, NotADirectoryError):
                yield path, os.lstat(f"{self.contents.root}/{path}")

    def _walk(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield all below the folder; of folders those that have nothing in them. No link is gone through."""
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            with self._opened(folder) as place:
                with os.scandir(place) as found:
                    inside = [(each.name, each.stat(follow_symlinks=False)) for each in found]
                if not inside and folder:
                    yield folder, os.stat(place)  # noqa: PTH116  it may be a descriptor
                for name, seen in inside:
                    self.contents.go_on()
                    path = f"{folder}/{name}" if folder else name
                    if name.casefold().rstrip(". ") in self.reserved:
                        self.left_out.append((path, OURS))
                    elif stat.S_ISDIR(seen.st_mode):
                        waiting.append(path)
                    else:
                        yield path, seen

    @contextmanager
    def _opened(self, folder: str) -> Iterator[str | int]:
        """Hold a folder open, in which names are looked up then; give what a scan takes for it."""
        if not RELATIVE:
            yield f"{self.contents.root}/{folder}"
            return
        self.contents.at = open_folder(self.contents.root, folder)
        try:
            yield self.contents.at
        finally:
            os.close(self.contents.at)
            self.contents.at = None

    def _take_file(self, path: str, seen: os.stat_result) -> None:
        try:
            sha256, seen, _ = self.contents.of(path, seen, asked=False)
        except LeaveOutError as why:
            raise _refused(path, str(why)) from why
        if sha256 is None:  # it has more bytes than a file can have
            raise _refused(path, SPECIAL)
        if sha256 in self.contents.purged:
            hint = "Take the secret out of it, then log it again."
            raise RenexError("conflict", f"what is in '{to_text(path)}' held a secret and was purged.", hint)
        self.entries.append((path, "file", sha256, seen.st_size, stat.S_IMODE(seen.st_mode)))


def upload(request: dict[str, Any], go_on: Callable[[], None]) -> dict[str, Any]:
    """Keep what a request names; see `renex_jupyter.capture.files.upload`."""
    wanted = request["upload"]
    batch = Batch(Blobs(Path(wanted["blobs"]))) if wanted["blobs"] else None
    contents = Contents("", batch, Index(), NO_LIMIT, frozenset(wanted["purged"]), go_on)
    reserved = frozenset(wanted["reserved"])
    only = None if wanted["only"] is None else tuple(wanted["only"])
    return Upload(request["root"], contents, reserved, wanted["hide_secrets"], only).take()


def _refused(path: str, why: str) -> RenexError:
    if why == CHANGED:
        hint = "Log it when whoever writes it is done; write to another name and rename it, best of all."
        return RenexError("conflict", f"'{to_text(path)}' changed while it was read, twice.", hint)
    return RenexError("invalid_argument", f"'{to_text(path)}' cannot be kept: {why}.", "Give a file or a folder.")
