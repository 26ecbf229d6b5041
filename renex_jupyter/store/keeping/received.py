"""An exported file as it came from elsewhere: looked at from end to end before anything of it is taken in."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import zstandard

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.store.blobs import CHUNK, Readable
from renex_jupyter.store.keeping import trial
from renex_jupyter.store.scratch import scratch_folder

FORMAT = 1
ABOUT, CHANGES, POINTS, BLOBS = "renex.json", "changes.parquet", "points.parquet", "blobs/"
MEMBER = re.compile(r"renex\.json|changes\.parquet|points\.parquet|blobs/([0-9a-f]{64})(\.zst)?")
LARGEST_ABOUT = 2**20  # bytes
ENCRYPTED = 0x1  # flag of a member (APPNOTE.TXT 6.3.10, section 4.4.4)
DAMAGED = "Was it cut off on its way? Export it again, or copy it again."


@dataclass(frozen=True, slots=True)
class Received:
    """A file that was found sound."""

    zip: zipfile.ZipFile
    changes: Path  # Parquet
    points: Path  # Parquet
    counts: dict[str, int]  # of changes and points
    blobs: dict[str, zipfile.ZipInfo]  # by SHA-256
    store_id: object  # of the store that was exported, as the file says

    @contextmanager
    def content(self, sha256: str) -> Iterator[Readable]:
        """Give what the content is read from."""
        member = self.blobs[sha256]
        with self.zip.open(member) as raw:
            if not member.filename.endswith(".zst"):
                yield cast("Readable", raw)
                return
            with zstandard.ZstdDecompressor().stream_reader(raw) as plain:
                yield plain


@contextmanager
def received(path: Path) -> Iterator[Received]:
    """Open an exported file, check all of it, and give it for the block.

    Raises
    ------
    RenexError : `invalid_argument` for a file that is no export, `newer_store` for one of a newer program, `corrupt`
        for one with something in it that no export has.
    """
    with scratch_folder() as folder, _opened(path) as opened:
        members = _members(opened)
        about = _checked_about(opened, members[ABOUT])
        for name in (CHANGES, POINTS):
            with opened.open(members[name]) as source, (folder / name).open("wb") as sink:
                shutil.copyfileobj(source, sink, CHUNK)
        counts = trial.check_lines(folder / CHANGES, folder / POINTS)
        blobs = {name.removeprefix(BLOBS)[:64]: member for name, member in members.items() if name.startswith(BLOBS)}
        given = Received(opened, folder / CHANGES, folder / POINTS, counts, blobs, about.get("store_id"))
        for sha256 in blobs:
            _check_content(given, sha256)
        yield given


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file; whatever is wrong with it is told as an error of ours."""
    try:
        opened = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise invalid_argument(f"{path} is no exported store: {error}.", "renex export makes one.") from error
    with opened:
        try:
            yield opened
        except (zipfile.BadZipFile, zlib.error, zstandard.ZstdError, EOFError, NotImplementedError) as error:
            raise corrupt(f"{path} is damaged: {error}") from error


def _members(opened: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the members by name, contents by theirs without suffix; a name that no export has is refused."""
    found: dict[str, zipfile.ZipInfo] = {}
    for member in opened.infolist():
        name = MEMBER.fullmatch(member.filename)
        if not name or member.compress_type != zipfile.ZIP_STORED or member.flag_bits & ENCRYPTED:
            raise corrupt(f"{opened.filename} has a member {member.filename[:100]!r}, as no exported store has")
        key = f"{BLOBS}{name[1]}" if name[1] else name[0]
        if key in found:
            raise corrupt(f"{opened.filename} has two members {key!r}")
        found[key] = member
    missing = [name for name in (ABOUT, CHANGES, POINTS) if name not in found]
    if missing:
        raise invalid_argument(
            f"{opened.filename} is no exported store: it has no {missing[0]}.", "renex export makes one."
        )
    return found


def _checked_about(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> dict[str, Any]:
    try:
        about: Any = json.loads(opened.read(member)) if member.file_size <= LARGEST_ABOUT else None
        version = about["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise corrupt(f"{ABOUT} in {opened.filename} cannot be read") from error
    if type(version) is not int or version < 1:
        raise corrupt(f"{ABOUT} in {opened.filename} says format {str(version)[:20]!r}")
    if version > FORMAT:
        hint = "Upgrade with: pip install -U renex_jupyter"
        raise RenexError("newer_store", f"{opened.filename} has format {version}, this program knows {FORMAT}.", hint)
    return dict(about)


def _check_content(given: Received, sha256: str) -> None:
    digest = hashlib.sha256()
    with given.content(sha256) as source:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != sha256:
        raise corrupt(f"the content {sha256} in {given.zip.filename} has another hash")


def corrupt(fact: str) -> RenexError:
    """Return the error for a file that is not as an export made it."""
    return RenexError("corrupt", f"{fact}.", DAMAGED)
