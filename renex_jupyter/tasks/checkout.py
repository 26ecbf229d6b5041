"""Write an earlier state into a folder: all of it or nothing, and never a byte outside of that folder.

The tree is written beside the target and renamed into place. Every name is checked by its parts and every folder is
opened relative to its parent without following links, so that neither a hostile store nor a link that somebody puts
there meanwhile leads out. Nothing is executed.
"""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from renex_jupyter.errors import RenexError, from_os_error
from renex_jupyter.records import display
from renex_jupyter.records.changes import now
from renex_jupyter.records.paths import from_text
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.tasks.folders import Folder, opened, unsafe

MARKER = ".renex-checkout"
RESERVED = frozenset({".git", ".renex", MARKER})
LONGEST_LINK = 4096  # bytes of a link's target, PATH_MAX on Linux
NOTHING: Mapping[str, str] = MappingProxyType({})
Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckoutResult:
    """What a checkout wrote."""

    path: str
    files: int  # files and links
    size: int  # bytes
    skipped: tuple[tuple[str, str], ...]  # path, reason

    def _rows(self) -> list[tuple[str, str]]:
        left = ", ".join(f"{path} ({reason})" for path, reason in self.skipped[:10])
        return [
            ("folder", self.path),
            ("wrote", f"{display.count(self.files, 'file')} ({display.size(self.size)})"),
            ("skipped", left),
        ]

    def __str__(self) -> str:
        return display.text_card("checked out", self._rows())

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return display.card("Checked out", self._rows())


@dataclass(slots=True)
class Plan:
    """What is to be written, checked before anything is."""

    files: dict[Parts, FileEntry | bytes]
    links: dict[Parts, str]
    folders: dict[Parts, int]  # empty ones and their modes
    skipped: list[tuple[str, str]]

    @property
    def leaves(self) -> list[Parts]:
        """All files and links, ordered by path."""
        return sorted([*self.files, *self.links])


def write_tree(
    entries: Sequence[FileEntry],
    notebook: tuple[str, bytes] | None,
    blobs: Blobs,
    target: Path,
    *,
    snapshot_id: str,
    force: bool = False,
    gone: Mapping[str, str] = NOTHING,
) -> CheckoutResult:
    """Write a tree of files into `target`.

    Parameters
    ----------
    entries : files, links and empty folders; one without a kept content is reported in `skipped`.
    notebook : path and content of the notebook; it stands in for an entry of the same path.
    target : a new or an empty folder; with `force` also another one, in which the files of the tree are replaced one
        by one and all others stay.
    gone : why contents that were kept are there no more, by SHA-256; their files are reported in `skipped`.
    snapshot_id : written into the file `.renex-checkout` at the top, by which a capture knows such a folder.

    Raises
    ------
    RenexError : `conflict` when the target is not empty, or has a folder where a file has to go; `unsafe_path` for a
        path that leads out, into `.git` or `.renex`, or through a link; `not_found` or `corrupt` when a content is
        missing or damaged. Nothing was put in place then.
    """
    target = _resolved(target)
    plan = _plan(entries, notebook, blobs, gone)
    _check_target(target, plan, force=force)
    staging = target.with_name(f".{target.name}.renex-tmp-{uuid4().hex[:8]}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging.mkdir()
        with opened(staging) as top:
            size = _write_all(top, plan, blobs)
            _write_file(top, MARKER, _marker(snapshot_id), blobs)
        _put_in_place(staging, target, plan, merge=force and target.is_dir())
    except OSError as error:
        raise from_os_error(error, f"{target} cannot be written") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return CheckoutResult(str(target), len(plan.files) + len(plan.links), size, tuple(plan.skipped))


def safe_parts(path: str) -> Parts:
    """Return the parts of a kept path.

    Raises
    ------
    RenexError : `unsafe_path` when it is absolute, leads upward, or names something that a checkout never writes.
    """
    parts = tuple(from_text(path).split("/"))
    for part in parts:
        if part in ("", ".", "..") or "\0" in part or _folded(part) in RESERVED:
            raise unsafe(path, f"'{part}' is not a name that a checkout writes")
        if os.name == "nt" and any(each in part for each in '\\:*?"<>|'):
            raise unsafe(path, f"'{part}' is not a name on Windows")
    return parts


def _resolved(target: Path) -> Path:
    """Return the target with its parents resolved; that it is no link itself is checked later."""
    place = target.absolute()
    return place.resolve() if place.name == ".." else place.parent.resolve() / place.name


def _folded(part: str) -> str:
    """Return a name as a forgiving file system reads it: `.GIT` and `.git.` were taken for `.git` (CVE-2014-9390)."""
    plain = "".join(each for each in unicodedata.normalize("NFKC", part) if unicodedata.category(each) != "Cf")
    return plain.casefold().rstrip(". ")


def _plan(
    entries: Sequence[FileEntry], notebook: tuple[str, bytes] | None, blobs: Blobs, gone: Mapping[str, str]
) -> Plan:
    plan = Plan({}, {}, {}, [])
    for entry in entries:
        _plan_entry(plan, entry, blobs, gone)
    if notebook:
        parts = safe_parts(notebook[0])
        plan.links.pop(parts, None)
        plan.files[parts] = notebook[1]
        plan.skipped = [each for each in plan.skipped if each[0] != notebook[0]]
    _check_nesting(plan)
    return plan


def _plan_entry(plan: Plan, entry: FileEntry, blobs: Blobs, gone: Mapping[str, str]) -> None:
    parts = safe_parts(entry.path)
    if parts in plan.files or parts in plan.links or parts in plan.folders:
        raise unsafe(entry.path, "it is there twice")
    if entry.kind == "dir":
        plan.folders[parts] = entry.mode
    elif entry.kind not in ("file", "link"):
        raise unsafe(entry.path, f"it is a '{entry.kind}'")
    elif entry.sha256 is None:
        plan.skipped.append((entry.path, "its content was not kept"))
    elif entry.sha256 in gone:
        plan.skipped.append((entry.path, gone[entry.sha256]))
    elif not blobs.is_there(entry.sha256):
        hint = "Bring back another state (%renex ls snapshots -a lists them), or restore the store from a backup."
        raise RenexError("not_found", f"the content of '{entry.path}' is not in the store.", hint)
    elif entry.kind == "file":
        plan.files[parts] = entry
    elif target := _link_target(entry, blobs):
        plan.links[parts] = target
    else:
        plan.skipped.append((entry.path, "its target is not the name of a file"))


def _link_target(entry: FileEntry, blobs: Blobs) -> str | None:
    data = blobs.get(entry.sha256 or "") if entry.size <= LONGEST_LINK else b""
    return os.fsdecode(data) if data and b"\0" not in data else None


def _check_nesting(plan: Plan) -> None:
    leaves = {*plan.files, *plan.links}
    for parts in (*leaves, *plan.folders):
        for depth in range(1, len(parts)):
            if parts[:depth] in leaves:
                raise unsafe("/".join(parts), f"'{'/'.join(parts[:depth])}' is a file or a link")


def _check_target(target: Path, plan: Plan, *, force: bool) -> None:
    """Refuse a target that is not ours to write; name what would be overwritten."""
    if not target.name or any(_folded(part) in RESERVED for part in target.parts):
        raise unsafe(str(target), "that is no place for a checkout")
    if target.is_symlink():
        raise unsafe(str(target), "it is a link")
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise RenexError("conflict", f"{target} is a file.", "Choose another folder with to=...")
    if force:
        _check_merge(target, plan)
    elif any(target.iterdir()):
        there = ["/".join(parts) for parts in plan.leaves if os.path.lexists(target.joinpath(*parts))]
        shown = f": {', '.join(there[:5])}{' ...' if len(there) > 5 else ''}" if there else ""
        fact = f"{target} is not empty; {len(there)} of its files would be overwritten{shown}."
        raise RenexError("conflict", fact, "Choose a new folder with to=..., or use force to replace these files only.")


def _check_merge(target: Path, plan: Plan) -> None:
    for parts in (*plan.leaves, *plan.folders):
        for depth in range(1, len(parts) + (parts in plan.folders)):
            path = target.joinpath(*parts[:depth])
            if path.is_symlink():
                raise unsafe("/".join(parts), f"{path} is a link")
            if os.path.lexists(path) and not path.is_dir():
                raise RenexError("conflict", f"{path} is a file, a folder has to go there.", "Move it away first.")
        path = target.joinpath(*parts)
        if parts not in plan.folders and path.is_dir() and not path.is_symlink():
            raise RenexError("conflict", f"{path} is a folder, a file has to go there.", "Move it away first.")


def _write_all(top: Folder, plan: Plan, blobs: Blobs) -> int:
    """Write files, then links, so that no file can go through one."""
    size = 0
    for parts, content in plan.files.items():
        with top.below(parts[:-1]) as folder:
            size += _write_file(folder, parts[-1], content, blobs)
    for parts, target in plan.links.items():
        with top.below(parts[:-1]) as folder:
            folder.link(parts[-1], target)
    return size


def _write_file(folder: Folder, name: str, content: FileEntry | bytes, blobs: Blobs) -> int:
    with os.fdopen(folder.create(name), "wb") as file:
        if isinstance(content, bytes):
            size, mode = file.write(content), 0o644
        else:
            size, mode = blobs.copy_to(content.sha256 or "", file), content.mode & 0o777  # no setuid, no setgid
        os.chmod(file.fileno() if os.chmod in os.supports_fd else folder.path / name, mode)
    return size


def _make_folders(top: Folder, plan: Plan) -> None:
    """Make the empty folders, inner ones first and after all else: their modes may forbid it."""
    for parts, mode in sorted(plan.folders.items(), reverse=True):
        with top.below(parts) as folder:
            folder.set_mode(mode & 0o777)


def _put_in_place(staging: Path, target: Path, plan: Plan, *, merge: bool) -> None:
    if not merge:
        with opened(staging) as top:
            _make_folders(top, plan)
        if os.name == "nt" and target.exists():
            target.rmdir()  # Windows renames onto nothing only
        staging.rename(target)
        return
    with opened(staging) as source, opened(target) as goal:
        for parts in (*plan.leaves, (MARKER,)):
            with source.below(parts[:-1]) as old, goal.below(parts[:-1]) as new:
                old.move(parts[-1], new)
        _make_folders(goal, plan)


def _marker(snapshot_id: str) -> bytes:
    return json.dumps({"snapshot_id": snapshot_id, "created_at": now().isoformat()}).encode() + b"\n"
