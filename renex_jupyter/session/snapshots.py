"""Snapshots: take one and keep it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from renex_jupyter.capture import cells, environment, files, hardware, values
from renex_jupyter.capture import notebook as notebooks
from renex_jupyter.capture.secrets import redact
from renex_jupyter.config import settings
from renex_jupyter.errors import text_argument
from renex_jupyter.ids import content_id, new_id
from renex_jupyter.query import snapshots as query
from renex_jupyter.records.changes import Change, fields, now, plain
from renex_jupyter.records.environments import Environment, Hardware
from renex_jupyter.records.snapshots import Code, FileTree, LeftOut, Snapshot
from renex_jupyter.session import purges
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.points import checked_name
from renex_jupyter.store.store import Store

PART = 5000  # file entries in one record: a line of the journal stays far below its limit


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
    session: Session, include: Sequence[str] = (), *, keep: bool = True, notebook: str | None = None
) -> Captured:
    """Return the state of this moment; with `keep` the contents of files are stored as blobs.

    Parameters
    ----------
    notebook : path relative to the project of the notebook that is meant where this process has none, as in a terminal.
    """
    purged_at = session.store.layout.purged_at()
    path = session.notebook
    if path is None and session.shell is None and notebook and (session.project / notebook).is_file():
        path = session.project / notebook
    live = notebooks.live_notebook(settings().live_notebook_timeout)
    document = notebooks.read_document(path) if path is not None else None
    if live is not None:
        live = dataclasses.replace(live, document=purges.without(live.document, session.purges.blots))
    if document is not None:
        document = purges.without(document, session.purges.blots)
    code = cells.capture_code(session.project, path, session.executions(), live=live, document=document)
    excluded = frozenset({code.notebook} if code.notebook else ())
    if keep:
        session.store.journal  # noqa: B018  the store's folder must exist before its blobs
    tree = files.capture_files(
        session.project,
        session.store.layout.blobs if keep else None,
        exclude=excluded,
        include=include,
        max_file_size=settings().max_file_size,
        timeout=settings().capture_timeout,
        purged=purges.contents_gone(session.store),
    )
    made, machine = environment.capture_environment(session.project), hardware.capture_hardware()
    return Captured(code, made, machine, tree, purged_at)


def snapshot(
    message: str | None = None,
    *,
    label: str | None = None,
    files: str | Sequence[str] | None = None,
    config: Any = None,
    metrics: Any = None,
) -> Snapshot:
    """Keep the state of this moment: code, environment, files, config and metrics.

    Parameters
    ----------
    message, label : words that may be changed later; a label names a snapshot wherever an id is taken.
    files : paths relative to the project (or patterns) to keep although an ignore or secret rule leaves them out.
    config : mapping, dataclass, namespace, path of a JSON/YAML/TOML file, or `"key=value"`.
    metrics : the same, with numbers as values; None: what the open run logged, last value by key.

    Raises
    ------
    RenexError : `unsupported_value`, `not_found`, `disk_full`, `permission`, `timeout`. Nothing half-kept is ever listed.
    """
    check_words(message, label)
    chosen_config = read_given(config, "config")
    chosen_metrics = read_given(metrics, "metrics")
    include = [files] if isinstance(files, str) else list(files or ())
    session = current()
    if metrics is None and session.runs:
        chosen_metrics = session.runs[-1].last_values()
    return keep(session, capture_for(session, include), message, label, chosen_config, chosen_metrics)


def capture_for(session: Session, include: Sequence[str] = ()) -> Captured:
    """Open the store, then capture."""
    session.begin()
    session.ensure_experiment()
    return capture(session, include)


def read_given(given: Any, what: str, names: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return config or metrics as a dict from whatever the user gave; `names` are the variables that a word may mean."""
    names = current().names if names is None else names
    if given is None:
        return {}
    if isinstance(given, str):
        found = values.read_values(given, names)
    elif isinstance(given, (list, tuple)):
        found = {key: value for each in given for key, value in read_given(each, what, names).items()}
    elif isinstance(given, Path):
        found = values.read_values(str(given), {})
    else:
        found = values.from_object(given, what)
    return (
        values.metrics_from(found) if what == "metrics" else {key: redact(value, key) for key, value in found.items()}
    )


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
) -> Snapshot:
    """Write a captured state: contents first, then the record that names them."""
    store = session.store
    document = state.code.document
    digest, left_out = keep_document(session, state)
    keep_parts(store, state)
    record = Snapshot(
        snapshot_id=new_id(),
        state_id=state.state_id,
        created_at=now(),
        namespace=session.namespace,
        message=message,
        label=label,
        parent_id=session.last_snapshot_id,
        run_id=run_id or (session.runs[-1].run_id if session.runs else None),
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
        notebook_sha256=digest,
        notebook_size=len(document.encode()) if document is not None and digest else None,
        left_out=left_out,
        summary=summary_of(state),
    )
    after = fields(record)
    del after["summary"]
    after["cell_states"] = [
        {
            "execution_count": cell.execution_count,
            "executed_at": cell.executed_at,
            "duration_s": cell.duration_s,
            "status": cell.status,
            "stale": cell.stale,
            "out_of_order": cell.out_of_order,
        }
        for cell in state.code.cells
    ]
    store.write(Change("snapshots", record.snapshot_id, "create", after, namespace=session.namespace))
    if store.layout.purged_at() != state.purged_at:  # beside us: what was there when we looked may be gone
        keep_parts(store, state)
        purges.note_again(store, {digest, *(entry.sha256 for entry in state.files.entries)})
    session.last_snapshot_id = record.snapshot_id
    if not hidden:
        store.settle()
    return record


def keep_document(session: Session, state: Captured) -> tuple[str | None, tuple[LeftOut, ...]]:
    """Keep the notebook, unless it is one that was purged; return its SHA-256, and all that is left out."""
    document, left_out = state.code.document, state.files.left_out
    if document is None:
        return None, left_out
    content = document.encode()
    if hashlib.sha256(content).hexdigest() in purges.contents_gone(session.store):
        return None, (*left_out, LeftOut(state.code.notebook or "executed-cells.ipynb", "purged"))
    return session.store.blobs.put(content), left_out


def keep_parts(store: Store, state: Captured) -> None:
    """Write code, environment, hardware and file tree, each once for its id."""
    code, made, machine, tree = state.code, state.environment, state.hardware, state.files
    cells = [{"cell_id": c.cell_id, "cell_type": c.cell_type, "source": c.source} for c in code.cells]
    store.ensure("codes", code.code_id, {"code_id": code.code_id, "notebook": code.notebook, "cells": cells})
    keep_environment(store, made)
    store.ensure("hardware", machine.hardware_id, fields(machine))
    for part, start in enumerate(range(0, len(tree.entries) or 1, PART)):
        key = f"{tree.files_id}/{part}"
        entries = plain(tree.entries[start : start + PART])
        store.ensure("file_trees", key, {"part_id": key, "files_id": tree.files_id, "entries": entries})


def keep_environment(store: Store, made: Environment) -> None:
    """Write an environment once for its id."""
    store.ensure("environments", made.environment_id, fields(made))


def summary_of(state: Captured) -> str:
    """Return what a captured state holds, in a few words."""
    document = state.code.document
    size = sum(entry.size for entry in state.files.entries) + len((document or "").encode())
    n_files = sum(entry.kind != "dir" for entry in state.files.entries) + (document is not None)
    return query.summarise(state.code.cells, n_files, size, len(state.environment.packages))


def check_words(message: str | None, label: str | None) -> None:
    """Refuse what is no text, or no name."""
    if message is not None:
        text_argument(message, "the message of a snapshot", 'Use a text, such as "before the new loss".')
    if label is not None and label != "":
        checked_name("snapshot", label, '"baseline"')
