"""Write an earlier state into a folder: all of it or nothing, and never a byte outside of that folder.

The tree is written beside the target and renamed into place. Every name is checked by its parts and every folder is
opened relative to its parent without following links, so that neither a hostile store nor a link that somebody puts
there meanwhile leads out. Nothing is executed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from renex_jupyter.errors import RenexError, from_os_error
from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.tasks.folders import Branch, Folder, opened, unsafe
from renex_jupyter.tasks.plan import MARKER, NOTHING, RESERVED, Plan, folded, plan_of
from renex_jupyter.tasks.staging import make_folders, staged, sweep, write_contents


@dataclass(frozen=True, slots=True)
class CheckoutResult:
    """What a checkout wrote."""

    path: str
    files: int  # files and links
    size: int  # bytes
    skipped: tuple[tuple[str, str], ...]  # path, reason
    removed: int = 0  # files and links
    safety_id: str | None = None  # snapshot that holds what was replaced and removed
    notes: tuple[str, ...] = ()  # what the reader should know or do

    @property
    def title(self) -> str:
        return "checked out"

    def rows(self) -> Rows:
        left = ", ".join(f"{path} ({reason})" for path, reason in self.skipped[:10])
        more = f" and {len(self.skipped) - 10:,} more" if len(self.skipped) > 10 else ""
        return [
            ("folder", self.path),
            ("wrote", f"{display.count(self.files, 'file')} ({display.size(self.size)})"),
            ("removed", display.count(self.removed, "file") if self.removed else ""),
            ("skipped", left + more),
            ("to go back", f"%renex checkout {short(self.safety_id)} --in-place" if self.safety_id else ""),
            ("note", "\n".join(self.notes)),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


def write_tree(
    entries: Sequence[FileEntry],
    blobs: Blobs,
    target: Path,
    *,
    snapshot_id: str,
    force: bool = False,
    gone: Mapping[str, str] = NOTHING,
    notes: Sequence[str] = (),
    within: Path | None = None,
) -> CheckoutResult:
    """Write a tree of files into `target`.

    Parameters
    ----------
    entries : files, links, empty folders and the notebook; one without a kept content is reported in `skipped`.
    target : a new or an empty folder; with `force` also another one, in which the files of the tree are replaced one
        by one and all others stay.
    gone : why contents that were kept are there no more, by SHA-256; their files are reported in `skipped`.
    snapshot_id : written into the file `.renex-checkout` at the top, by which a capture knows such a folder.
    notes : what the result has to say besides.
    within : a folder of the store's own in which the target lies, such as that of a run; else none lies in a store.

    Raises
    ------
    RenexError : `conflict` when the target is not empty, or has a folder where a file has to go; `unsafe_path` for a
        path that leads out, into `.git` or `.renex`, or through a link; `not_found` or `corrupt` when a content is
        missing or damaged. Nothing was put in place then.
    """
    target = _resolved(target)
    plan = plan_of(entries, blobs, gone)
    _check_target(target, plan, force=force, within=within)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        with staged(target.parent, target.name, snapshot_id) as top:
            size = write_contents(top, plan, blobs)
            _put_in_place(top, target, plan, merge=force and target.is_dir())
    except OSError as error:
        raise from_os_error(error, f"{target} cannot be written") from error
    return CheckoutResult(str(target), len(plan.files) + len(plan.links), size, tuple(plan.skipped), notes=tuple(notes))


def _resolved(target: Path) -> Path:
    """Return the target with its parents resolved; that it is no link itself is checked later."""
    place = target.absolute()
    return place.resolve() if place.name == ".." else place.parent.resolve() / place.name


def _check_target(target: Path, plan: Plan, *, force: bool, within: Path | None) -> None:
    """Refuse a target that is not ours to write; name what would be overwritten."""
    named = target if within is None else target.relative_to(within.resolve())
    if not target.name or any(folded(part) in RESERVED for part in named.parts):
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
        there = ["/".join(parts) for parts in sorted(plan.leaves) if os.path.lexists(target.joinpath(*parts))]
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


def _put_in_place(staging: Folder, target: Path, plan: Plan, *, merge: bool) -> None:
    if not merge:
        make_folders(staging, plan)
        if os.name == "nt" and target.exists():
            target.rmdir()  # Windows renames onto nothing only
        staging.path.rename(target)
        return
    with opened(target) as goal, Branch(staging, make=False) as source, Branch(goal, make=True) as there:
        for parts in (*plan.leaves, (MARKER,)):
            source.at(parts[:-1]).move(parts[-1], there.at(parts[:-1]))
        make_folders(goal, plan)
