"""Contents of an artifact into a place of the user's: verified while they are written, each whole or not at all.

Everything is written beside its place first. What is there with the same content stays as it is, anything else is
replaced only with `force`. Who writes holds the place (`held`) from the look at what is there to the end. As in a
checkout, no link is gone through.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from renex_jupyter.errors import RenexError, from_os_error
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.store import locks
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.tasks.folders import Branch, Folder, opened
from renex_jupyter.tasks.plan import NOTHING, Plan, plan_of
from renex_jupyter.tasks.staging import make_folders, staged, sweep, write_contents

CONTENTS = "contents"  # folder of what is staged; beside it lies the marker
PATIENCE = 86_400.0  # seconds to wait for a place that another process fills; who waits can interrupt it
OUTSIDE = "it is a link that leads out of the folder"


def plan_download(entries: Sequence[FileEntry], blobs: Blobs, gone: Mapping[str, str] = NOTHING) -> Plan:
    """Return what is to be written; a link that leads out is noted in `skipped`.

    Raises
    ------
    RenexError : `unsafe_path`, `not_found`.
    """
    plan = plan_of(entries, blobs, gone)
    for parts, target in list(plan.targets.items()):
        if not _stays_inside("/".join(parts), target):
            plan.skip(plan.links.pop(parts), parts, OUTSIDE)
            del plan.targets[parts]
    return plan


@contextmanager
def held(target: Path) -> Iterator[None]:
    """Hold a place for the block, so that processes which fill the same one follow each other.

    A folder that is there is held itself. Of one that is not yet, that above it is, where it appears all at once.

    Raises
    ------
    RenexError : `permission`, `not_found` and their like, when the place cannot be there.
    """
    with ExitStack() as stack:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            while True:
                place = target if target.is_dir() else target.parent
                stack.enter_context(locks.hold_folder(place, timeout=PATIENCE))
                if place == target or not target.is_dir():
                    break
                stack.close()  # somebody was faster
        except OSError as error:
            raise _refused(target, error) from error
        yield


def write(
    plan: Plan, blobs: Blobs, target: Path, *, name: str, same: Collection[str] = (), force: bool = False
) -> None:
    """Write files, links and empty folders into `target`.

    Parameters
    ----------
    target : a folder, made where it is missing; a new one gets everything at once.
    name : of what is written, for the marker by which what a killed process leaves is found and removed.
    same : paths of files that are there as they are to be.
    force : replace other files that are there.

    Raises
    ------
    RenexError : `corrupt`, `not_found` for a content, `disk_full` and its like; nothing is in place then. `conflict` for
        what is there, `unsafe_path` for a link where a folder has to be.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        is_there = target.is_dir()
        place = target if is_there else target.parent
        sweep(place)
        with staged(place, target.name[:100] or "root", name) as top:
            top.make(CONTENTS)
            inside = top.open(CONTENTS)
            try:
                write_contents(inside, plan, blobs, durable=True)
                if is_there:
                    _merge(inside, target, plan, frozenset(same), force=force)
                else:
                    _appear(inside, target, plan, force=force)
            finally:
                inside.close()
    except OSError as error:
        raise _refused(target, error) from error


def taken(place: Path) -> RenexError:
    """Return the refusal to replace what is there."""
    if place.is_dir() and not place.is_symlink():
        return RenexError("conflict", f"{place} is a folder.", "Choose another place with to=...")
    hint = "Choose another place with to=..., or replace it with force=True."
    return RenexError("conflict", f"{place} is there, with another content.", hint)


def _appear(inside: Folder, target: Path, plan: Plan, *, force: bool) -> None:
    """Give the new folder its name; what somebody made there meanwhile, where nothing can be held, is not replaced."""
    make_folders(inside, plan)
    try:
        inside.path.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        _merge(inside, target, plan, frozenset(), force=force)


def _merge(inside: Folder, target: Path, plan: Plan, same: Collection[str], *, force: bool) -> None:
    with opened(target) as goal, Branch(inside, make=False) as source, Branch(goal, make=True) as there:
        for parts in plan.leaves:
            if "/".join(parts) in same:
                continue
            folder, name = there.at(parts[:-1]), parts[-1]
            try:
                if force:
                    source.at(parts[:-1]).move(name, folder)
                else:
                    source.at(parts[:-1]).put(name, folder)
            except (FileExistsError, IsADirectoryError) as error:
                raise taken(folder.path / name) from error
        make_folders(goal, plan)


def _refused(target: Path, error: OSError) -> RenexError:
    return from_os_error(error, f"{target} cannot be written")


def _stays_inside(path: str, target: str) -> bool:
    """Say whether a link leads to what lies in the same folder, by its text."""
    if target.startswith("/") or (os.name == "nt" and (":" in target or "\\" in target)):
        return False
    reached = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return reached != ".." and not reached.startswith("../")
