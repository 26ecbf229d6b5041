"""Where everything lies in a store folder, and how a file gets there whole or not at all."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from renex_jupyter.config import STORE_FOLDER
from renex_jupyter.errors import RenexError, from_os_error, user_name, warn
from renex_jupyter.ids import new_id
from renex_jupyter.store.sharing import bits_of, make_folder, share

FORMAT = 1  # of journal records and public tables
MARKS = (".git", "pyproject.toml", ".renexignore")  # what lies at the top of a project
GENERATION = re.compile(r"\d{10}\.[0-9a-f]{64}\.duckdb")


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one store."""

    root: Path

    @property
    def about(self) -> Path:
        """`store.json`: format version and store id."""
        return self.root / "store.json"

    @property
    def journal(self) -> Path:
        """Folder of the journals, the truth."""
        return self.root / "journal"

    @property
    def blobs(self) -> Path:
        """Folder of file contents by SHA-256."""
        return self.root / "blobs"

    @property
    def index(self) -> Path:
        """Folder of what is remembered of the project's files, so that unchanged ones are not read again."""
        return self.root / "index"

    @property
    def archive(self) -> Path:
        """Folder of the packs: folded journals, kept for ever."""
        return self.root / "archive"

    @property
    def damaged(self) -> Path:
        """Folder of files in which something was damaged, as they were found."""
        return self.root / "damaged"

    @property
    def purged(self) -> Path:
        """File that is written at each purge: what a process knows to be recorded may be gone then."""
        return self.root / "PURGED"

    def purged_at(self) -> int:
        """Return when something was last purged, in nanoseconds; 0 when nothing was."""
        try:
            return self.purged.stat().st_mtime_ns
        except OSError:
            return 0

    @property
    def superseded(self) -> Path:
        """Folder of published databases that were replaced while a client may have had them open."""
        return self.root / "superseded"

    @property
    def segments(self) -> Path:
        """Folder of folded metric points, immutable Parquet files."""
        return self.root / "segments"

    @property
    def generations(self) -> Path:
        """Folder of the folded tables, immutable DuckDB files."""
        return self.root / "generations"

    @property
    def current(self) -> Path:
        """File that holds the name of the generation in force."""
        return self.root / "CURRENT"

    @property
    def history(self) -> Path:
        """The published database for every other DuckDB client."""
        return self.root / "history.duckdb"

    @property
    def fold_lock(self) -> Path:
        """File whose `flock` lets one folder work at a time."""
        return self.root / "fold.lock"

    @property
    def runs(self) -> Path:
        """Folder of what runs need while they run: their output so far, their outcome, values handed over."""
        return self.root / "runs"

    @property
    def downloads(self) -> Path:
        """Folder of artifacts as files that can be opened; a collection removes them, and the next question makes them again."""
        return self.root / "downloads"

    @property
    def unfinished_checkout(self) -> Path:
        """File that names the checkout in place that is under way, or was when its process died."""
        return self.root / "CHECKOUT"

    @property
    def checkout_lock(self) -> Path:
        """File whose `flock` lets one checkout in place work at a time."""
        return self.root / "checkout.lock"

    @property
    def shared(self) -> tuple[Path, ...]:
        """Every folder in which whoever records may have to make something."""
        names = (self.journal, self.blobs, self.segments, self.generations, self.archive, self.runs, self.index)
        return (*names, self.superseded, self.damaged, self.downloads)

    @property
    def project(self) -> Path:
        """Folder of the project that the store belongs to."""
        return self.root.parent

    def generation_in_force(self) -> str | None:
        """Return the file name of the generation in force; None before the first fold, and when there is no such file."""
        try:
            name = self.current.read_text().strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return name if GENERATION.fullmatch(name) and (self.generations / name).is_file() else None

    @property
    def published(self) -> Path:
        """File that says for which folder and from what `history.duckdb` was made: its views name segments by path."""
        return self.root / "PUBLISHED"

    @property
    def fold_error(self) -> Path:
        """File that holds why the last fold failed; not there when it succeeded."""
        return self.root / "fold.error"

    def has_moved(self) -> bool:
        """Say whether `history.duckdb` was published when the store lay in another folder."""
        here = str(self.root.resolve())
        return bool(json_object(self.published).get("folder", here) != here)

    def exists(self) -> bool:
        """Say whether there is a store in this folder, also when its `store.json` is lost.

        Raises
        ------
        RenexError : `permission` where we may not look, `invalid_argument` for what is no folder.
        """
        with os_errors("the store cannot be opened"):
            if self._mode_of(self.root) == 0:
                return False
            if not self.is_folder():
                raise RenexError("invalid_argument", f"{self.root} is no folder.", "Set RENEX_STORE to a folder.")
            return any(map(self._mode_of, (self.about, self.current))) or self._holds_records()

    def is_folder(self) -> bool:
        """Say whether a store may be in this place.

        Raises
        ------
        RenexError : `permission` where we may not look.
        """
        with os_errors("the store cannot be opened"):
            return stat.S_ISDIR(self._mode_of(self.root))

    @staticmethod
    def _mode_of(path: Path) -> int:
        """Return the mode of a file, 0 when there is none; `Path.exists` says no, or raises, where we may not look."""
        try:
            return path.stat().st_mode
        except FileNotFoundError:
            return 0

    def _holds_records(self) -> bool:
        return any(
            entry.name[0] != "."
            for folder in (self.journal, self.archive)
            if folder.is_dir()
            for entry in folder.iterdir()
        )


def json_object(path: Path) -> dict[str, Any]:
    """Return the JSON object that a file of ours holds; {} when there is none, or it is damaged."""
    try:
        found = json.loads(path.read_text())
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair could be in no name of a file
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def create(root: Path) -> Layout:
    """Make the folders of a store, or accept the ones that another process made in the same moment."""
    layout = Layout(root)
    with os_errors("the store cannot be created"):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (layout.journal, layout.blobs, layout.segments, layout.generations, layout.runs):
            make_folder(folder)
        ignore = root / ".gitignore"
        if not ignore.exists():
            write_whole(ignore, b"*\n")
        if not layout.exists():  # whose `store.json` is lost keeps its id: see `check`
            write_whole(
                layout.about, json.dumps({"format": FORMAT, "store_id": new_id()}).encode() + b"\n", replace=False
            )
    return layout


def check(layout: Layout) -> None:
    """Refuse a store that is another user's or newer than this program; a lost `store.json` is made again.

    Raises
    ------
    RenexError : `foreign_store`, `newer_store`.
    """
    found = layout.root.stat()
    if hasattr(os, "getuid") and found.st_uid != os.getuid() and not _is_of_our_group(found):
        owner = user_name(found.st_uid)
        hint = (
            "Set RENEX_STORE to a folder of your own; its owner lets a group in with: renex access group --group NAME"
        )
        raise RenexError("foreign_store", f"{layout.root} belongs to {owner}.", hint)
    version = int(describe(layout)["format"])
    if version > FORMAT:
        hint = "Upgrade with: pip install -U renex_jupyter"
        raise RenexError("newer_store", f"{layout.root} has format {version}, this program knows {FORMAT}.", hint)


def _is_of_our_group(found: os.stat_result) -> bool:
    """Say whether a folder is given to a group that we are in."""
    return bool(bits_of(found)) and found.st_gid in (os.getegid(), *os.getgroups())


def describe(layout: Layout) -> dict[str, Any]:
    """Return `format` and `store_id`; what is lost of `store.json` is made again from what was published, or the records."""
    found, told = json_object(layout.about), json_object(layout.published)
    versions = [each["format"] for each in (found, told) if isinstance(each.get("format"), int)]
    ids = [each["store_id"] for each in (found, told) if isinstance(each.get("store_id"), str)]
    made = {
        "format": versions[0] if versions else max(FORMAT, *_versions(layout)),
        "store_id": ids[0] if ids else new_id(),
    }
    if not made.items() <= found.items():
        warn(f"{layout.about} was damaged or missing, and is made again")
        with suppress(OSError):  # nothing may be written here; the next one who may does it
            write_whole(layout.about, json.dumps(made).encode() + b"\n")
    return made


def _versions(layout: Layout) -> Iterator[int]:
    """Yield the format versions that the first lines of the journals bear."""
    yield 0
    for path in layout.journal.glob("*.jsonl") if layout.journal.is_dir() else ():
        if path.is_file():
            with suppress(OSError, ValueError, TypeError, AttributeError), path.open("rb") as file:
                yield int(json.loads(file.readline(2**24)).get("v", 0))


def find(start: Path) -> Path | None:
    """Return the nearest store folder from `start` upward, or None.

    Raises
    ------
    RenexError : `permission` for one that we may not look into; it is not passed over, as if nothing were recorded.
    """
    for layout in (Layout(folder / STORE_FOLDER) for folder in (start, *start.parents)):
        if layout.is_folder() and layout.exists():
            return layout.root
    return None


def place_for_new(start: Path) -> Path:
    """Return where a new store belongs: beside the nearest mark of a project (see `MARKS`), else in `start`."""
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in MARKS):
            return folder / STORE_FOLDER
    return start / STORE_FOLDER


def write_whole(path: Path, data: bytes, *, replace: bool = True, mode: int = 0o600) -> None:
    """Write a file under a temporary name, fsync it and rename it into place; with `replace=False` the first one wins."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0), mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        share(temporary)
        put_in_place(temporary, path, replace=replace)
    finally:
        temporary.unlink(missing_ok=True)


def put_in_place(temporary: Path, path: Path, *, replace: bool = True) -> None:
    """Rename a finished file to its name and make the name durable."""
    if replace:
        temporary.replace(path)
    else:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
        except OSError:  # a file system without hard links
            if not path.exists():
                temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (Windows has no such call and needs none)."""
    if os.name == "posix":
        sync_file(folder)


def sync_file(path: Path) -> None:
    """Make a closed file (or, on POSIX, a folder) durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def os_errors(what: str) -> Iterator[None]:
    """Turn an `OSError` of the block into a `RenexError` that names the cause."""
    try:
        yield
    except OSError as error:
        raise from_os_error(error, what) from error
