"""Say what a snapshot would keep. Nothing is written, not even the folder of a store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from renex_jupyter.analysis.diff import diff_files
from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import RenexError
from renex_jupyter.records.diffs import FileChange
from renex_jupyter.records.dry_run import Amount, DryRun, LargeFile
from renex_jupyter.records.snapshots import FileEntry, cells_in_words
from renex_jupyter.session import findings
from renex_jupyter.session.current import Session
from renex_jupyter.session.diffs import kept_files, last_snapshot
from renex_jupyter.session.snapshots import Captured, capture, summary_of
from renex_jupyter.tasks.plan import NOTEBOOK

LARGEST = 10  # files that are named


def look(
    session: Session,
    include: Sequence[str],
    message: str | None,
    label: str | None,
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> DryRun:
    """Return what a snapshot of this moment would keep."""
    state = capture(session, include, keep=False)
    entries = [*_notebook(state), *(each for each in state.files.entries if each.sha256 is not None)]
    last, changes = _changes(session, entries, state.code.notebook)
    return DryRun(
        summary=summary_of(state),
        notebook=state.code.notebook or state.code.script,
        notebook_source=state.code.source,
        cells=cells_in_words(state.code.cells),
        files={role: _amount(each.size for each in entries if each.role == role) for role in _roles(entries)},
        largest=_largest(entries),
        compared_with=last,
        new=sum(each.kind in ("added", "renamed") for each in changes),
        changed=sum(each.kind == "changed" for each in changes),
        gone=sum(each.kind in ("removed", "renamed") for each in changes),
        added=_added(session, entries),
        python=state.environment.python,
        packages=len(state.environment.packages),
        lock_files=tuple(sorted(state.environment.lock_files or {})),
        config=dict(config),
        metrics=dict(metrics),
        left_out=state.files.left_out,
        findings=state.files.findings,
        refused=findings.blocked() and bool(state.files.findings),
        message=redact_text(message) if message else message,
        label=label,
    )


def _notebook(state: Captured) -> list[FileEntry]:
    document = state.code.document
    if document is None:
        return []
    content = document.encode()
    sha256 = hashlib.sha256(content).hexdigest()
    return [FileEntry(state.code.notebook or findings.NO_NOTEBOOK, NOTEBOOK, "file", sha256, len(content), 0o644)]


def _changes(
    session: Session, entries: Iterable[FileEntry], notebook: str | None
) -> tuple[str | None, tuple[FileChange, ...]]:
    """Return the id of the last snapshot, the one that a diff without words takes, and how the files differ from it.

    Cells that were executed without a notebook are no file of the project.
    """
    now = {each.path: each for each in entries if each.role != NOTEBOOK or notebook}
    try:
        last = last_snapshot(session)
    except RenexError:  # there is none yet
        return None, diff_files({}, now)
    kept = (each for each in kept_files(session, last) if each.role != NOTEBOOK or each.path == notebook)
    return last, diff_files({each.path: each for each in kept if each.sha256 is not None}, now)


def _roles(entries: Iterable[FileEntry]) -> list[str]:
    there = {each.role for each in entries}
    return [role for role in ("notebook", "code", "file") if role in there]


def _amount(sizes: Iterable[int]) -> Amount:
    counted = list(sizes)
    return Amount(len(counted), sum(counted))


def _largest(entries: Iterable[FileEntry]) -> tuple[LargeFile, ...]:
    ordered = sorted(entries, key=lambda each: (-each.size, each.path))
    return tuple(LargeFile(each.path, each.size) for each in ordered[:LARGEST])


def _added(session: Session, entries: Iterable[FileEntry]) -> Amount:
    """Return the contents that the store does not have, each once."""
    contents = {each.sha256: each.size for each in entries if each.sha256}
    if session.store.exists:
        blobs = session.store.blobs
        contents = {sha256: size for sha256, size in contents.items() if not blobs.is_there(sha256)}
    return _amount(contents.values())
