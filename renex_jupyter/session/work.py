"""The folder that a rerun works in: a kept state, checked out for it alone, and what became of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from renex_jupyter.capture import cells, files, hardware
from renex_jupyter.capture import notebook as notebooks
from renex_jupyter.config import settings
from renex_jupyter.ids import short
from renex_jupyter.query import environments
from renex_jupyter.query import snapshots as query
from renex_jupyter.records.changes import Change
from renex_jupyter.records.paths import from_text
from renex_jupyter.records.runs import Run
from renex_jupyter.records.snapshots import FileEntry, FileTree, Snapshot
from renex_jupyter.session import purges, snapshots
from renex_jupyter.session.current import Session, never_in_the_way
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.store.layout import Layout, os_errors
from renex_jupyter.store.run_folders import SHARE, WORK
from renex_jupyter.tasks.checkout import write_tree
from renex_jupyter.tasks.order import Outcome
from renex_jupyter.tasks.replayed import Replayed, Tree, replayed_run

OUTSIDE = ("../", "/")  # how a path begins that does not lie in the project
WORK_SEEN, SHARE_SEEN = "/work", "/renex"  # where a container sees WORK and SHARE
SCRATCH = (
    "store"  # in the folder of a replay, or in what is shared: the store that its `import renex_jupyter` logs into
)
NTH = "nth"  # of a rerun's action: which of the runs that the cells or the script open it is
NOT_OPENED = "what was done again did not open the run"
# In a process of its own: a file that is closed here loses the locks that DuckDB or SQLite may have on it in this one.
COPY = """
import json, shutil, sys
for source, target in json.load(sys.stdin):
    shutil.copy2(source, target)
"""


def missing_files(session: Session, snapshot: Snapshot, *, of_command: bool) -> tuple[tuple[str, str], ...]:
    """Return path and reason of what a checkout of a snapshot will lack.

    Parameters
    ----------
    of_command : leave out what the process that started a command had imported from elsewhere.
    """
    entries = query.snapshot_files(session.store.reader, snapshot.snapshot_id)
    gone = purges.gone(session.store, {entry.sha256 for entry in entries})
    here = {entry.path for entry in _same_here(session, entries)}
    left_out = [each for each in snapshot.left_out if not (of_command and each.path.startswith(OUTSIDE))]
    found = {each.path: each.reason for each in left_out}
    for each in entries:
        if each.kind == "file" and each.sha256 is None and each.path not in here:
            found.setdefault(each.path, "its content was not kept")
        elif each.sha256 in gone:
            found[each.path] = gone[str(each.sha256)]
    if not query.is_whole(session.store.reader, snapshot.snapshot_id):
        found["(more)"] = "the list of files is not whole in the store; renex fsck says what is missing"
    return tuple((path, why) for path, why in found.items() if path not in here)


def check_out(session: Session, snapshot: Snapshot, folder: Path) -> Path:
    """Check a snapshot out into the folder of a run, and return where.

    A file of which only size and time were kept, since it is large, is copied from the project where it is still that one.

    Raises
    ------
    RenexError : what `write_tree` raises.
    """
    store = session.store
    entries = query.snapshot_files(store.reader, snapshot.snapshot_id)
    gone = purges.gone(store, {entry.sha256 for entry in entries})
    target = folder / WORK
    with os_errors("the state before the run cannot be checked out"):
        write_tree(entries, store.blobs, target, snapshot_id=snapshot.snapshot_id, gone=gone, within=store.layout.runs)
        pairs = [
            (str(session.project / from_text(each.path)), str(target / from_text(each.path)))
            for each in _same_here(session, entries)
        ]
        for _, place in pairs:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
        if pairs:
            told = json.dumps(pairs)
            subprocess.run([sys.executable, "-I", "-c", COPY], input=told, text=True, check=False, capture_output=True)
    return target


def _same_here(session: Session, entries: tuple[FileEntry, ...]) -> list[FileEntry]:
    """Return the files without a kept content which lie in the project as they did then, by size and time."""
    return [each for each in entries if each.kind == "file" and each.sha256 is None and is_same(session.project, each)]


def is_same(project: Path, entry: FileEntry) -> bool:
    """Say whether a file of the project is still the one of an entry, by size and time, and lies in the project."""
    path = project / from_text(entry.path)
    try:
        found = path.lstat()
        inside = path.resolve().is_relative_to(project.resolve())
    except OSError:
        return False
    same = (found.st_size, found.st_mtime_ns) == (entry.size, entry.mtime_ns)
    return inside and same and path.is_file() and not path.is_symlink()


def state_after(session: Session, run: Run, folder: Path, metrics: Mapping[str, Any]) -> Snapshot | None:
    """Take the hidden snapshot of what a rerun has made of its checkout; a fault of ours is a warning and no more.

    Of a replay these are the files of the moment in which its run ended. Where the cells before it left other ones than
    those of the recorded state before, as they do with the time of day in them, that state is taken, too: what a run did
    is what is between the two.
    """
    with never_in_the_way("the state after the rerun"):
        state = _captured(session, run, folder / WORK)
        replayed = _replayed(run, folder)
        if replayed is not None:
            _keep_before(session, run, state, *replayed)
            if replayed[0].after is not None:
                state = replace(state, files=_with_files(session, state.files, replayed[0].after, replayed[1]))
        return snapshots.keep(session, state, None, None, {}, metrics, run_id=run.run_id, hidden=True, rerun=run)
    return None  # type: ignore[unreachable]  # mypy does not see that the block may swallow


def _keep_before(session: Session, run: Run, state: snapshots.Captured, replayed: Replayed, scratch: Path) -> None:
    recorded = query.get_snapshot(session.store.reader, run.before_snapshot_id or "")
    if replayed.before is None or replayed.before.files_id == recorded.files_id:
        return
    state = replace(state, files=_with_files(session, state.files, replayed.before, scratch))
    kept = snapshots.keep(session, state, None, None, {}, {}, run_id=run.run_id, hidden=True, rerun=run)
    change = {"before_snapshot_id": kept.snapshot_id}
    session.store.write(Change("runs", run.run_id, "update", change, namespace=run.namespace))


def _captured(session: Session, run: Run, work: Path) -> snapshots.Captured:
    store = session.store
    purged_at, gone = store.layout.purged_at(), purges.contents_gone(store)
    before = query.get_snapshot(store.reader, run.before_snapshot_id or "")
    path = work / before.notebook if before.notebook else None
    document = notebooks.read_document(path) if path is not None and path.is_file() else None
    code = cells.capture_code(work, path, (), live=None, document=document, script=before.script)
    entries = query.snapshot_files(store.reader, before.snapshot_id)
    had = [each.path for each in entries if each.role != "notebook"]
    tree = files.capture_files(
        work,
        store.layout.blobs,
        exclude=frozenset(each.path for each in entries if each.role == "notebook"),
        imported=had,  # what the state before has is no less there for an ignore rule
        max_file_size=settings().max_file_size,
        timeout=settings().capture_timeout,
        purged=gone,
    )
    # Of what is in an image nothing is known: the state after a run there says what the one before it says.
    made = environments.get_environment(store.reader, run.environment_id or before.environment_id or "")
    return snapshots.Captured(replace(code, script=before.script), made, hardware.capture_hardware(), tree, purged_at)


def as_replayed(run: Run, folder: Path, outcome: Outcome) -> Outcome:
    """Return how the run of a replay ended: its process goes on after it, and outlives an exception that was caught."""
    if NTH not in (run.action or {}) or outcome.status == "stopped":
        return outcome
    found = _replayed(run, folder)
    if found is None:
        return replace(outcome, status="failed", error=NOT_OPENED) if outcome.status == "finished" else outcome
    if found[0].name != run.name:
        error = f"run '{found[0].name}' was opened in its place: runs of that session were purged, or opened elsewhere"
        return replace(outcome, status="failed", error=error, exit_code=None)
    if found[0].status == "running":
        return outcome
    return replace(outcome, status=found[0].status, error=found[0].error, exit_code=None)


def _replayed(run: Run, folder: Path) -> tuple[Replayed, Path] | None:
    nth = (run.action or {}).get(NTH)
    for store in (folder / SCRATCH, folder / SHARE / SCRATCH) if nth is not None else ():
        if store.is_dir() and (found := replayed_run(store, int(nth))):  # type: ignore[arg-type]  # checked above
            return found, store
    return None


def _with_files(session: Session, present: FileTree, tree: Tree, scratch: Path) -> FileTree:
    """Return the files of a state in the store of a replay instead of the present ones, their contents kept."""
    kept, theirs = session.store.blobs, Blobs(Layout(scratch).blobs)
    for part in tree.parts:
        for each in part.entries:
            if each.sha256 and not kept.is_there(each.sha256) and theirs.is_there(each.sha256):
                kept.put(theirs.get(each.sha256))
    return replace(present, files_id=tree.files_id, parts=tree.parts)


def told_missing(missing: tuple[tuple[str, str], ...], snapshot: Snapshot) -> str:
    """Return what is said before a rerun starts without some files."""
    names = ", ".join(f"{path} ({why})" for path, why in missing[:5])
    more = f" and {len(missing) - 5:,} more" if len(missing) > 5 else ""
    return f"renex: not in snapshot {short(snapshot.snapshot_id)}, so the rerun does without: {names}{more}"
