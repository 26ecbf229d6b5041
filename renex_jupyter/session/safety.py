"""The snapshot before a checkout in place: it holds everything that is going to be replaced or removed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from renex_jupyter.capture import cells, environment, files, modules, outputs
from renex_jupyter.capture import notebook as notebooks
from renex_jupyter.capture.secrets import SECRET_FOLDERS, is_secret_file
from renex_jupyter.config import settings
from renex_jupyter.records.paths import from_text
from renex_jupyter.records.snapshots import FileEntry, Snapshot
from renex_jupyter.session import purges, snapshots
from renex_jupyter.session.current import Session
from renex_jupyter.session.snapshots import Captured
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.tasks.folders import Parts
from renex_jupyter.tasks.in_place import Changes, Present, is_same
from renex_jupyter.tasks.plan import NOTEBOOK, Plan

MADE_UP = ("history", "script", "none", None)  # sources of a notebook that was no file


@dataclass(frozen=True, slots=True)
class State:
    """The state of this moment, not yet kept."""

    captured: Captured
    present: Present
    notebook: Parts | None  # the session's, or the one that a browser shows
    unasked: frozenset[Parts] = frozenset()  # ignored modules, kept since this process imported them: they stay
    unsaved: Captured | None = None  # the same with what the browser shows, when that is not what is on disk


def capture(session: Session, plan: Plan, project: Path) -> State:
    """Capture the state of this moment, files included that no snapshot takes unasked but a checkout would replace."""
    captured = snapshots.capture_for(session)
    if names := list(_asked(session, plan, captured, project)):
        captured = snapshots.capture(session, names)
    return replace(with_notebook(session, captured, project), unasked=_unasked(session, plan, captured, project))


def keep(session: Session, state: State, message: str) -> str:
    """Keep a captured state as a snapshot and return its id; edits that no file has get a snapshot of their own."""
    if state.unsaved:
        snapshots.keep(session, state.unsaved, f"unsaved edits {message}", None, {}, {})
    return snapshots.keep(session, state.captured, message, None, {}, {}).snapshot_id


def not_held(state: State, changes: Changes, known: Iterable[FileEntry], blobs: Blobs) -> Iterator[str]:
    """Yield the paths that go and that none of the entries of some snapshots can bring back as they are now."""
    held: dict[str, list[FileEntry]] = {}
    for entry in known:
        held.setdefault(entry.path, []).append(entry)
    for parts in changes.seen:
        here = state.present.held[parts]
        if not any(is_same(each, here) for each in held.get(here.path, ())) or not blobs.is_there(here.sha256 or ""):
            yield here.path


def kept_out(snapshot: Snapshot) -> Iterator[Parts]:
    """Yield the paths that a snapshot knows of, but does not hold: nobody can say that they were not there."""
    for each in snapshot.left_out:
        yield _parts(each.path)
    if snapshot.notebook and snapshot.notebook_source in MADE_UP:
        yield _parts(snapshot.notebook)


def _asked(session: Session, plan: Plan, captured: Captured, project: Path) -> Iterator[str]:
    """Yield the paths that are in the way of the plan and that a snapshot takes only by their name."""
    held = {_parts(entry.path) for entry in captured.files.entries}
    told = {_parts(each.path) for each in captured.files.left_out}
    leaves = set(plan.leaves)
    above = {parts[:depth] for parts in (*leaves, *plan.folders) for depth in range(1, len(parts))}
    names = [
        "/".join(parts)
        for parts in sorted((leaves | above | plan.folders.keys()) - held - told)
        if _is_in_the_way(project, parts, is_leaf=parts in leaves)
    ]
    names = [name for name in names if name != captured.code.notebook and not _is_secret(name)]
    purged = purges.contents_gone(session.store)
    if names and purged:  # what was taken out of the store does not come back by this
        again = snapshots.capture(session, names, keep=False).files.entries
        back = {_parts(entry.path) for entry in again if entry.sha256 in purged}
        names = [name for name in names if not any(parts[: name.count("/") + 1] == _parts(name) for parts in back)]
    yield from names


def _unasked(session: Session, plan: Plan, captured: Captured, project: Path) -> frozenset[Parts]:
    """Return the files that a snapshot of this process takes though they are ignored, and that the plan has not."""
    editable = environment.editable_folders(captured.environment)
    imported = {tuple(each.split("/")) for each in modules.local_modules(session.project, editable).inside}
    doubtful = (imported & {_parts(entry.path) for entry in captured.files.entries}) - set(plan.leaves)
    if not doubtful:
        return frozenset()
    limits, notebook = settings(), captured.code.notebook
    asked = files.capture_files(
        project,
        None,
        exclude=(notebook,) if notebook else (),
        max_file_size=limits.max_file_size,
        timeout=limits.capture_timeout,
    )
    return frozenset(doubtful - {_parts(entry.path) for entry in asked.entries})


def _is_in_the_way(project: Path, parts: Parts, *, is_leaf: bool) -> bool:
    try:
        found = os.lstat(project.joinpath(*parts))
    except OSError:
        return False
    return is_leaf or not stat.S_ISDIR(found.st_mode)


def _is_secret(name: str) -> bool:
    return is_secret_file(name) or any(part.lower() in SECRET_FOLDERS for part in name.split("/"))


def with_notebook(session: Session, captured: Captured, project: Path) -> State:
    """Take the notebook as its file has it, byte for byte: that is what goes."""
    held = {_parts(entry.path): entry for entry in captured.files.entries}
    left_out = {_parts(each.path): each.reason for each in captured.files.left_out}
    name = captured.code.notebook
    path = project / name if name else None
    if name is None or path is None or not path.is_file() or path.is_symlink():
        return State(captured, Present(held, left_out), _parts(name) if name else None)
    parts, found, data = _parts(name), path.stat(), path.read_bytes()
    text, why = _text_to_keep(session, path, data), "a secret in it is not kept"
    if text is not None and hashlib.sha256(data).hexdigest() in purges.contents_gone(session.store):
        text, why = None, "purged"
    if text is None:
        return State(captured, Present(held, {**left_out, parts: why}), parts)
    document = notebooks.read_document(path)
    code = cells.capture_code(project, path, session.executions(), live=None, document=document)
    source = "disk" if captured.code.source == "live" else captured.code.source
    saved = replace(captured, code=replace(code, document=text, source="disk" if source in MADE_UP else source))
    held[parts] = _entry(name, data, found)
    unsaved = captured if captured.code.source == "live" and captured.code.code_id != code.code_id else None
    return State(saved, Present(held, left_out), parts, unsaved=unsaved)


def _text_to_keep(session: Session, path: Path, data: bytes) -> str | None:
    """Return the text of a notebook; None where it is none, or where something stands in it that no snapshot keeps."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    document = notebooks.read_document(path)
    blots = session.purges.blots
    if document is not None and purges.without(outputs.without_secrets(document), blots) != document:
        return None
    if any(blot(text) != text for blot in blots):
        return None
    return text


def _entry(name: str, data: bytes, found: os.stat_result) -> FileEntry:

    sha256, mode = hashlib.sha256(data).hexdigest(), stat.S_IMODE(found.st_mode)
    return FileEntry(name, NOTEBOOK, "file", sha256, found.st_size, mode, found.st_mtime_ns)


def _parts(path: str) -> Parts:
    return () if path == "." else tuple(from_text(path).split("/"))
