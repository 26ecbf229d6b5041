"""Bring an artifact to a place where it can be opened, and look whether one is what it was."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from renex_jupyter.capture import files
from renex_jupyter.errors import RenexError, invalid_argument, shown, warn
from renex_jupyter.ids import content_id
from renex_jupyter.query import artifacts as query
from renex_jupyter.records.artifacts import TRACKED, Artifact, ArtifactCheck
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.paths import from_text
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.session import purges, tracked
from renex_jupyter.session.artifact_entries import contents_of
from renex_jupyter.session.artifacts import get_artifact
from renex_jupyter.session.current import Session, current
from renex_jupyter.store import download_folders
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.tasks import downloads
from renex_jupyter.tasks.plan import Plan, folded
from renex_jupyter.tasks.staging import staged, sweep

NOT_OURS = frozenset({"read_only", "permission"})  # errors where somebody else's store can only be read
OWN_PLACE = "Bring it to a place of your own: to=... (--to)."
FILE_MODE = 0o644


def download_artifact(
    artifact: str | Artifact, to: str | os.PathLike[str] | None = None, *, force: bool = False
) -> Path:
    """Write an artifact to a place where it can be opened; every byte is verified by its SHA-256.

    Parameters
    ----------
    to : of a file its new path, or the folder that it goes into; of a folder the folder that gets what is in it. None: a
        place of the store's own, which stays until a collection.
    force : replace what is there with another content.

    Returns
    -------
    The path of the file, or of the folder.

    Raises
    ------
    RenexError : `corrupt` for a content that is damaged, `not_found` for one that is gone, `conflict` for what is there or
        for a tracked thing that is no more what it was; nothing is written then.
    """
    session = current()
    record = get_artifact(artifact)
    path = bring(session, record, None if to is None else checked_place(to), force=force)
    note_use(session, record, path)
    return path


def bring(session: Session, record: Artifact, to: Path | None = None, *, force: bool = False) -> Path:
    """Write an artifact to a place and return its path; see `download_artifact`, but nothing is recorded."""
    try:
        return (_bring_tracked if record.mode == TRACKED else _bring_kept)(session, record, to, force=force)
    except RenexError as error:
        if to is None and error.code in NOT_OURS:
            raise RenexError(error.code, error.message, OWN_PLACE) from error
        raise


def _bring_kept(session: Session, record: Artifact, to: Path | None, *, force: bool) -> Path:
    gone = purges.gone(session.store, contents_of(record))
    if gone:
        hint = "Whoever purged it knows why; another version may be there: rx.list_artifacts()."
        raise RenexError("not_found", f"what {record.title} holds was {next(iter(gone.values()))}.", hint)
    goal = _goal(session, record, to)
    with _held(session, record, goal, to):
        _write(record, entries_of(record, goal.name), session.store.blobs, goal, force=force or to is None)
    return goal


def _bring_tracked(session: Session, record: Artifact, to: Path | None, *, force: bool) -> Path:
    here = tracked.local_path(session, record)
    if to is None and here is not None:
        check = verify_artifact(record)
        if not check:
            raise tracked.no_more(check)
        return here
    goal = _goal(session, record, to)
    beside = _nearest(goal)
    sweep(beside)
    with staged(beside, goal.name[:100], record.artifact_id) as place:
        blobs = Blobs(place.path)
        seen = tracked.read_into(session, record, blobs)
        with _held(session, seen, goal, to):
            _write(seen, entries_of(seen, goal.name), blobs, goal, force=force or to is None)
    return goal


def _held(session: Session, record: Artifact, goal: Path, to: Path | None) -> AbstractContextManager[object]:
    """Hold the place of an artifact, in which several processes may write at once."""
    if to is None:
        return download_folders.held(session.store.layout, goal.parent.name)
    return downloads.held(_top(record, goal))


def _top(record: Artifact, goal: Path) -> Path:
    """Return the folder in which something is written."""
    return goal.parent if record.files is None else goal


def _nearest(path: Path) -> Path:
    """Return the nearest folder above a path that is there."""
    return next(each for each in path.parents if each.is_dir())


def _goal(session: Session, record: Artifact, to: Path | None) -> Path:
    """Return the path that an artifact gets."""
    name = Path(from_text(record.name)).name
    if to is None:
        place = download_folders.folder_for(session.store.layout, content_id([record.sha256, name])[:32])
        return place / name
    is_file = record.files is None
    goal = to / name if is_file and to.is_dir() else to
    return goal.parent.resolve() / goal.name if is_file else goal.resolve()


def _write(record: Artifact, entries: list[FileEntry], blobs: Blobs, goal: Path, *, force: bool) -> None:
    plan = downloads.plan_download(entries, blobs)
    top = _top(record, goal)
    same = _same(plan, top, force=force)
    if not plan.leaves or len(same) < len(plan.leaves):
        downloads.write(plan, blobs, top, name=record.artifact_id, same=same, force=force)
    for path, why in plan.skipped:
        warn(f"'{path}' of {record.title} is not written: {why}.")


def entries_of(record: Artifact, name: str) -> list[FileEntry]:
    """Return the entries of an artifact; of a file just one with this name."""
    if record.files is None:
        return [FileEntry(name, "file", "file", record.sha256, record.size or 0, FILE_MODE)]
    return [
        FileEntry(e.path, "file", e.kind, e.sha256, e.size or 0, FILE_MODE if e.mode is None else e.mode)
        for e in record.files
    ]


def _same(plan: Plan, top: Path, *, force: bool) -> set[str]:
    """Return the files that are there as they are to be.

    Raises
    ------
    RenexError : `conflict` for another one, unless it may be replaced.
    """
    there = ["/".join(parts) for parts in plan.leaves if os.path.lexists(top.joinpath(*parts))]
    if not there:
        return set()
    found = files.upload(top, None, only=there, hide_secrets=False)
    now_there = {from_text(each.path): (each.kind, each.sha256) for each in found.entries}
    same = set()
    for path in there:
        entry = plan.entry(tuple(path.split("/")))
        if entry is not None and now_there.get(path) == (entry.kind, entry.sha256):
            same.add(path)
        elif not force:
            raise downloads.taken(top / path)
    return same


def note_use(session: Session, record: Artifact, path: Path) -> None:
    """Record that an artifact was downloaded, and that the open run uses it; a store that is only read takes no notes."""
    store, active = session.store, session.innermost
    try:
        session.begin()
        namespace = query.namespace_of(store.reader, record)
        store.write(Change("artifacts", record.artifact_id, "download", {"to": str(path)}, namespace=namespace))
        if active is not None and active.run_id != record.run_id:
            note_link(session, active.run_id, "artifact", record.artifact_id, namespace)
    except RenexError as error:
        if error.code not in NOT_OURS:
            warn(f"the download of {record.title} is not recorded: {error.line}")


def note_link(session: Session, run_id: str, kind: str, object_id: str, namespace: str | None) -> None:
    """Record that a run uses an object, once."""
    link_id = content_id([run_id, "uses", kind, object_id])[:32]
    after = {
        "from_kind": "run",
        "from_id": run_id,
        "relation": "uses",
        "to_kind": kind,
        "to_id": object_id,
        "created_at": now(),
    }
    session.store.ensure("links", link_id, after, namespace=namespace)


def verify_artifact(artifact: str | Artifact) -> ArtifactCheck:
    """Look whether an artifact is what it was: an uploaded one is read from end to end, a tracked one hashed again.

    Returns
    -------
    A verdict of "ok", "changed", "missing" or "unreachable" with its reason; true where it is "ok".
    """
    session = current()
    record = get_artifact(artifact)
    if record.mode == TRACKED:
        return tracked.verify(session, record)
    store = session.store
    gone = purges.gone(store, contents_of(record))
    for entry in entries_of(record, record.name):
        if entry.sha256 is None:
            continue
        if entry.sha256 in gone:
            return ArtifactCheck(record, "missing", f"the content of '{entry.path}' was {gone[entry.sha256]}")
        try:
            store.blobs.verify(entry.sha256)
        except RenexError as error:
            if error.code not in ("not_found", "corrupt"):
                raise
            verdict = "missing" if error.code == "not_found" else "changed"
            why = "is not in the store" if error.code == "not_found" else "is damaged in the store"
            return ArtifactCheck(record, verdict, f"the content of '{entry.path}' {why}")
    return ArtifactCheck(record, "ok", "every content has its SHA-256")


def checked_place(to: object) -> Path:
    """Return the absolute path that a user wants something at.

    Raises
    ------
    RenexError : `invalid_argument`, `unsafe_path` for a place in a store or in version control.
    """
    if not isinstance(to, (str, os.PathLike)) or not isinstance(text := os.fspath(to), str) or not text or "\0" in text:
        raise invalid_argument(f"to={shown(to)} is no path.", 'Give one such as to="models/best.pt".')
    place = Path(text).expanduser().absolute()
    with suppress(OSError):
        place = place.parent.resolve() / place.name if place.name else place
    if any(folded(part) in (".git", ".renex") for part in place.parts):
        raise RenexError("unsafe_path", f"{place} lies in a store or in version control.", "Choose another place.")
    return place
