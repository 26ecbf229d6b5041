"""Snapshots: take one and keep it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, overload

from renex_jupyter.capture import cells, environment, files, hardware, lock_files, modules, outputs
from renex_jupyter.capture import notebook as notebooks
from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.config import settings
from renex_jupyter.ids import content_id, new_id
from renex_jupyter.query import snapshots as query
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.dry_run import DryRun
from renex_jupyter.records.environments import Environment, Hardware
from renex_jupyter.records.runs import Run
from renex_jupyter.records.snapshots import Code, FilePart, FileTree, LeftOut, Snapshot
from renex_jupyter.session import findings, purges
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.environments import keep_environment
from renex_jupyter.session.given import check_words, chosen_paths, read_given
from renex_jupyter.session.labels import settle_label
from renex_jupyter.store.store import Store

CELL_STATE = ("execution_count", "executed_at", "duration_s", "status", "stale", "out_of_order")


@dataclasses.dataclass(frozen=True, slots=True)
class Captured:
    """The state of this moment, not yet kept."""

    code: Code
    environment: Environment
    hardware: Hardware
    files: FileTree
    purged_at: int = 0  # when something was last purged before it was captured

    @property
    def state_id(self) -> str:
        """The id of code, environment and files together."""
        return content_id([self.code.code_id, self.environment.environment_id, self.files.files_id])


def capture(
    session: Session,
    include: Sequence[str] = (),
    *,
    keep: bool = True,
    notebook: str | None = None,
    also: Sequence[str] = (),
) -> Captured:
    """Return the state of this moment; with `keep` the contents of files are stored as blobs, unless some are refused.

    Parameters
    ----------
    notebook : path relative to the project of the notebook that is meant where this process has none, as in a terminal.
    also : paths of files that are taken although they are ignored, as those are that were imported.
    """
    if keep:
        refuse_secrets(session, include)
    return _capture(session, include, keep=keep, notebook=notebook, also=also)


def refuse_secrets(session: Session, include: Sequence[str] = ()) -> None:
    """Look before anything is kept, where what looks like a secret is to be refused.

    Raises
    ------
    RenexError : `conflict`.
    """
    if findings.blocked():
        findings.refuse(_capture(session, include, keep=False).files.findings)


def _capture(
    session: Session, include: Sequence[str], *, keep: bool, notebook: str | None = None, also: Sequence[str] = ()
) -> Captured:
    purged_at = session.store.layout.purged_at()
    path = session.notebook
    if path is None and session.shell is None and notebook and (session.project / notebook).is_file():
        path = session.project / notebook
    live = notebooks.live_notebook(settings().live_notebook_timeout)
    document = notebooks.read_document(path) if path is not None else None
    if live is not None:
        told = purges.without(outputs.without_secrets(live.document), session.purges.blots)
        live = dataclasses.replace(live, document=told)
    if document is not None:
        document = purges.without(outputs.without_secrets(document), session.purges.blots)
    if keep:
        session.store.journal  # noqa: B018  the store's folder must exist before its blobs
    expected = session.shell is not None and notebooks.server_session() is not None
    blobs, gone = session.store.blobs if keep else None, purges.contents_gone(session.store)
    beside = path.parent if path else None
    made = environment.capture_environment(session.project, beside=beside, blobs=blobs, purged=gone)
    imported = modules.local_modules(session.project, environment.editable_folders(made))
    code = cells.capture_code(
        session.project,
        path,
        session.executions(),
        live=live,
        document=document,
        expected=expected,
        script=modules.running_script(imported, session.project),
    )
    excluded = frozenset({code.notebook} if code.notebook else ())
    tree = files.capture_files(
        session.project,
        session.store.layout.blobs if keep else None,
        exclude=excluded,
        include=include,
        imported=[*imported.inside, *also],
        max_file_size=settings().max_file_size,
        timeout=settings().capture_timeout,
        purged=gone,
        index=session.store.layout.index if keep or session.store.exists else None,
    )
    looks = lock_files.lock_findings(session.project, made.lock_files or {}, tree)
    left_out = (*tree.left_out, *imported.outside)
    tree = findings.with_cells(dataclasses.replace(tree, left_out=left_out, findings=(*tree.findings, *looks)), code)
    return Captured(code, made, hardware.capture_hardware(), tree, purged_at)


@overload
def snapshot(
    message: str | None = None,
    *,
    label: str | None = None,
    files: str | Sequence[str] | None = None,
    config: Any = None,
    metrics: Any = None,
    dry_run: Literal[False] = False,
) -> Snapshot: ...


@overload
def snapshot(
    message: str | None = None,
    *,
    label: str | None = None,
    files: str | Sequence[str] | None = None,
    config: Any = None,
    metrics: Any = None,
    dry_run: Literal[True],
) -> DryRun: ...


def snapshot(
    message: str | None = None,
    *,
    label: str | None = None,
    files: str | Sequence[str] | None = None,
    config: Any = None,
    metrics: Any = None,
    dry_run: bool = False,
) -> Snapshot | DryRun:
    """Keep the state of this moment: code, environment, files, config and metrics.

    Parameters
    ----------
    message, label : words that may be changed later; a label names a snapshot wherever an id is taken.
    files : paths in the project, or patterns such as `data/*.csv`, to keep although an ignore rule leaves them out. What
        is named like a secret is kept only when its own path is given.
    config : mapping, dataclass, namespace, path of a JSON/YAML/TOML file, or `"key=value"`.
    metrics : the same, with numbers as values; None: what the open run logged, last value by key.
    dry_run : only say what would be kept and what left out; nothing is written.

    Raises
    ------
    RenexError : `invalid_argument` for words that cannot be, `unsupported_value`, `not_found`, `conflict` for what looks
        like a secret where `Renex.secrets_in_files` is "block", `disk_full`, `permission`, `timeout`. Nothing half-kept is
        ever listed.
    """
    check_words(message, label)
    chosen_config = read_given(config, "config")
    chosen_metrics = read_given(metrics, "metrics")
    session = current()
    include = chosen_paths(session.project, files)
    label = label or None
    if metrics is None and session.innermost is not None:
        chosen_metrics = session.innermost.last_values()
    if dry_run:
        from renex_jupyter.session.dry_run import look  # it captures as we do

        return look(session, include, message, label, chosen_config, chosen_metrics)
    kept = keep(session, capture_for(session, include), message, label, chosen_config, chosen_metrics)
    if label:
        settle_label(session.store, label, kept.snapshot_id, kept.namespace)
    return kept


def capture_for(session: Session, include: Sequence[str] = ()) -> Captured:
    """Open the store, then capture."""
    refuse_secrets(session, include)
    session.begin()
    session.ensure_experiment(session.namespace, session.experiment)
    return _capture(session, include, keep=True)


def keep(
    session: Session,
    state: Captured,
    message: str | None,
    label: str | None,
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    *,
    run_id: str | None = None,
    hidden: bool = False,
    rerun: Run | None = None,
) -> Snapshot:
    """Write a captured state: contents first, then the record that names them.

    Parameters
    ----------
    rerun : the one whose state it is: it follows the state before that, and nothing here follows it.
    """
    store = session.store
    namespace = rerun.namespace if rerun else session.namespace
    document = state.code.document
    digest, left_out = keep_document(session, state)
    keep_parts(store, state)
    record = Snapshot(
        snapshot_id=new_id(),
        state_id=state.state_id,
        created_at=now(),
        namespace=namespace,
        message=redact_text(message) if message else message,
        label=label,
        parent_id=rerun.before_snapshot_id if rerun else session.last_snapshot_id,
        run_id=run_id or (session.innermost.run_id if session.innermost else None),
        session_id=session.session_id,
        notebook=state.code.notebook,
        code_id=state.code.code_id,
        environment_id=state.environment.environment_id,
        files_id=state.files.files_id,
        hardware_id=state.hardware.hardware_id,
        config=dict(config),
        metrics=dict(metrics),
        partial=state.files.partial,
        hidden=hidden,
        notebook_source=state.code.source,
        script=state.code.script,
        notebook_sha256=digest,
        notebook_size=len(document.encode()) if document is not None and digest else None,
        left_out=left_out,
        findings=state.files.findings,
        summary=summary_of(state),
        project=session.project_name,
    )
    store.write(Change("snapshots", record.snapshot_id, "create", _columns(record, state), namespace=namespace))
    if store.layout.purged_at() != state.purged_at:  # beside us: what was there when we looked may be gone
        keep_parts(store, state)
        purges.note_again(store, {digest, *(entry.sha256 for entry in state.files.entries)})
    if rerun is None:
        session.last_snapshot_id = record.snapshot_id
    findings.tell(session, record.findings)
    if not hidden:
        store.settle()
    return record


def _columns(record: Snapshot, state: Captured) -> dict[str, Any]:
    """Return what is written of a snapshot: its code and its files are records of their own, shared with others."""
    after = fields(record)
    del after["summary"]
    after["parts"] = [part.part_id for part in state.files.parts]
    after["cell_states"] = [{name: getattr(cell, name) for name in CELL_STATE} for cell in state.code.cells]
    return after


def keep_document(session: Session, state: Captured) -> tuple[str | None, tuple[LeftOut, ...]]:
    """Keep the notebook, unless it is one that was purged; return its SHA-256, and all that is left out."""
    document, left_out = state.code.document, state.files.left_out
    if document is None:
        return None, left_out
    content = document.encode()
    if hashlib.sha256(content).hexdigest() in purges.contents_gone(session.store):
        return None, (*left_out, LeftOut(state.code.notebook or findings.NO_NOTEBOOK, "purged"))
    return session.store.blobs.put(content), left_out


def keep_parts(store: Store, state: Captured) -> None:
    """Write code, environment, hardware and file tree, each once for its id."""
    code, made, machine, tree = state.code, state.environment, state.hardware, state.files
    cells = [{"cell_id": c.cell_id, "cell_type": c.cell_type, "source": c.source} for c in code.cells]
    store.ensure("codes", code.code_id, {"code_id": code.code_id, "notebook": code.notebook, "cells": cells})
    keep_environment(store, made)
    store.ensure("hardware", machine.hardware_id, fields(machine))
    store.ensure_all("file_parts", {part.part_id: partial(_entries, part) for part in tree.parts})


def _entries(part: FilePart) -> dict[str, Any]:
    return {"part_id": part.part_id, "entries": part.entries}


def summary_of(state: Captured) -> str:
    """Return what a captured state holds, in a few words."""
    document, parts = state.code.document, state.files.parts
    size = sum(part.size for part in parts) + len((document or "").encode())
    n_files = sum(part.files for part in parts) + (document is not None)
    return query.summarise(state.code.cells, n_files, size, len(state.environment.packages))
