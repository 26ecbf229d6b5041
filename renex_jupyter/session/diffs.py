"""Compare two moments, or one with now."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from renex_jupyter.analysis.diff import Diff, State, diff_states
from renex_jupyter.analysis.file_lines import LARGEST, comparable, with_lines
from renex_jupyter.capture.files import read_texts
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.ids import short
from renex_jupyter.query import runs as run_query
from renex_jupyter.query import snapshots as query
from renex_jupyter.query.objects import SNAPSHOT, checked_word, find_object
from renex_jupyter.query.snapshot_lists import run_of_state
from renex_jupyter.records.diffs import FileChange
from renex_jupyter.records.paths import from_text
from renex_jupyter.records.snapshots import FileEntry, Snapshot
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.given import NOW
from renex_jupyter.session.purges import contents_gone
from renex_jupyter.session.snapshots import capture


def diff(a: object = None, b: object = NOW) -> Diff:
    """Compare two snapshots (or runs: their state after) over code, environment, files, config and metrics.

    Parameters
    ----------
    a, b : snapshot or run, itself or by id, unique prefix, label or name; "now" is the present state, which is not kept.
        No `a` means the last snapshot: of this notebook, of this kernel where it has none, or else of the project.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    session = current()
    found = [None if _is_now(each) else _find(session, each) for each in (a, b)]
    kept = {each: kept_state(session, each) for each in found if each is not None}
    against = next(iter(kept.values()), None)
    present = _present(session, against) if None in found else None
    one, other = (state for each in found if (state := present if each is None else kept[each]))
    difference = _with_lines(session, diff_states(one, other), one, other)
    unknown = present is not None and against is not None and present.cells is against.cells and bool(against.cells)
    note = ("The notebook is not known here, so its cells are not compared.",) if unknown else ()
    return replace(difference, notes=(*difference.notes, *note))


def last_snapshot(session: Session) -> str:
    """Return the id of the last snapshot that somebody took of this notebook, or where it has none, of the project.

    Raises
    ------
    RenexError : `not_found`.
    """
    read = session.store.reader
    notebook, project = session.relative(session.notebook), session.project_name
    own = None if notebook else session.session_id  # without a notebook the cells are those of this kernel only
    wanted = ((notebook, project, own), (None, project), (None, None))
    found = next(filter(None, (query.newest_snapshot(read, *each) for each in wanted)), None)
    if found is None:
        raise RenexError("not_found", "there is no snapshot yet to compare with.", "Take one: %snapshot")
    return found


def find_state(session: Session, wanted: object) -> str:
    """Return the id of the snapshot that a word means; a run means its state after, or before where it has no other."""
    read = session.store.reader
    kind, object_id = find_object(read, wanted)
    if kind == SNAPSHOT:
        return object_id
    run = run_query.get_run(read, object_id)
    found = run.after_snapshot_id or run.before_snapshot_id
    if found is None:
        raise RenexError(
            "not_found", f"run '{checked_word(wanted)}' has no snapshot.", "Its state could not be captured."
        )
    return found


def _is_now(word: object) -> bool:
    return isinstance(word, str) and word == NOW


def _find(session: Session, wanted: object) -> str:
    return last_snapshot(session) if wanted is None else find_state(session, wanted)


def kept_files(session: Session, snapshot_id: str) -> list[FileEntry]:
    """Return the files of a snapshot without the hash of what was purged since: so a later snapshot has them, and now."""
    purged = contents_gone(session.store)
    files = query.snapshot_files(session.store.reader, snapshot_id)
    return [replace(each, sha256=None) if each.sha256 in purged else each for each in files]


def kept_state(session: Session, snapshot_id: str) -> State:
    """Return a snapshot as it can be compared; the params of the run whose state it is belong to its config."""
    read = session.store.reader
    snapshot = query.get_snapshot(read, snapshot_id)
    environment = query.environment_of(read, snapshot_id)
    config = dict(snapshot.config)
    run = run_of_state(read, snapshot_id)
    if run:
        config = {**run_query.get_run(read, run["run_id"]).params, **config}
    return State(
        title=_title(snapshot, run),
        cells=query.snapshot_cells(read, snapshot_id),
        files={e.path: e for e in kept_files(session, snapshot_id) if e.role != "notebook"},
        packages={package.name: package for package in query.snapshot_packages(read, snapshot_id)},
        python=environment.get("python") or "",
        config=config,
        metrics=dict(snapshot.metrics),
        notebook=snapshot.notebook,
    )


def _present(session: Session, against: State | None) -> State:
    """Return the state of this moment. What nobody can know of it is taken from the other side: it is no difference.

    That is config and metrics, which were not named, and in a terminal the cells, where the notebook is not there.
    """
    notebook = against.notebook if against else None
    state = capture(session, keep=False, notebook=notebook)
    there = {entry.path for entry in state.files.entries}
    missing = against.files.keys() - there if against else ()
    ignored = [path for each in missing if os.path.lexists(session.project / (path := from_text(each)))]
    if ignored:  # a module that was imported then, such as no capture of a terminal takes
        state = capture(session, keep=False, notebook=notebook, also=ignored)
    logged = session.innermost.last_values() if session.innermost else None
    known = state.code.source != "none"
    return State(
        title=NOW,
        cells=state.code.cells if known or against is None else against.cells,
        files={entry.path: entry for entry in state.files.entries},
        packages={package.name: package for package in state.environment.packages},
        python=state.environment.python,
        config=against.config if against else {},
        metrics=logged if logged is not None else against.metrics if against else {},
        notebook=state.code.notebook,
    )


def _title(snapshot: Snapshot, run: Mapping[str, Any] | None) -> str:
    """Return by what a snapshot is known: its words, or the run whose state it is."""
    words = [each for each in (snapshot.label, f'"{snapshot.message}"' if snapshot.message else None) if each]
    if run and not words:
        return f"run {short(run['run_id'])} {run['name']} ({run['side']})"
    return " ".join([short(snapshot.snapshot_id), *words])


def _with_lines(session: Session, found: Diff, one: State, other: State) -> Diff:
    """Return the diff with the lines of its small files: as the store has them, and for now as the project has them."""
    some = comparable(found, one, other)
    present: dict[str, bytes] = {}
    if some and NOW in (one.title, other.title):
        with suppress(RenexError):  # the files are compared by their hashes all the same
            paths, limits = [each.path for each in some], settings()
            present = read_texts(session.project, paths, limit=LARGEST, timeout=limits.capture_timeout)

    def content(state: State, change: FileChange) -> bytes | None:
        return present.get(change.path) if state.title == NOW else _kept_content(session, state.files[change.path])

    return with_lines(found, {each.path: (content(one, each), content(other, each)) for each in some})


def _kept_content(session: Session, entry: FileEntry) -> bytes | None:
    """Return what a file held, where the store has it."""
    found = _Bounded()
    with suppress(RenexError):  # purged or damaged: fsck tells
        if entry.sha256:
            session.store.blobs.copy_to(entry.sha256, found)
            return found.getvalue()
    return None


class _Bounded(io.BytesIO):
    """Takes a content that is as small as its record says."""

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        if self.tell() + len(data) > LARGEST:
            raise RenexError("too_large", "a content is larger than its record says.")
        return super().write(data)
