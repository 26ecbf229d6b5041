"""What a version is made of, and where that comes from: a run, a checkpoint, an artifact or a path."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument, not_found, shown
from renex_jupyter.ids import new_id, short
from renex_jupyter.query import artifacts as artifact_query
from renex_jupyter.query import runs as run_query
from renex_jupyter.query.models import numbers
from renex_jupyter.query.owners import find_owner
from renex_jupyter.records.artifacts import UPLOADED, Artifact
from renex_jupyter.records.metrics import SYSTEM
from renex_jupyter.records.owners import Owner
from renex_jupyter.records.runs import Run
from renex_jupyter.session import artifact_words, found_runs, runs, uploads
from renex_jupyter.session.artifact_entries import contents_of
from renex_jupyter.session.current import Session

MODEL_KIND = "model"  # the kind of an artifact that a run registers by itself
DATASET = "dataset"  # a param of a run that names what it was trained on
SOURCES_HINT = (
    "Give one of path=, artifact=, checkpoint= and run= (--path, ...); in a run, rx.log_artifact(path, kind='model') or "
    "rx.log_checkpoint(path, step) before."
)


@dataclass(frozen=True, slots=True)
class Source:
    """The contents of a version that is to be, which are in the store already, and where they come from."""

    contents: Artifact  # with the id and the owner that it will have
    run: Run | None = None
    checkpoint_id: str | None = None
    uploaded: bool = False  # by this registration; else they were in the store before
    metrics: Mapping[str, float] = field(default_factory=dict)
    purged_at: int = 0  # when something was last purged, before the contents were looked for


def find_source(
    session: Session, version: Owner, *, run: object, checkpoint: object, artifact: object, path: object
) -> Source:
    """Find what is to be registered, and have its contents in the store.

    Parameters
    ----------
    version : the owner that the contents will have.

    Raises
    ------
    RenexError : `invalid_argument` for no source, or for several; `not_found`, `ambiguous`; what an upload raises.
    """
    given = {"path": path, "artifact": artifact, "checkpoint": checkpoint}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1 or (checkpoint is not None and run is not None):
        both = " and ".join([*named, *(["run"] if run is not None else [])])
        raise invalid_argument(f"a version is made of one thing, not of {both}.", SOURCES_HINT)
    if path is not None:
        return _of_path(session, version, path, _run(session, run))
    if checkpoint is not None:
        owner = find_owner(session.store.reader, _checkpoint_word(checkpoint), session.namespace)
        if owner.kind != "checkpoint":
            raise invalid_argument(f"{shown(checkpoint)} is a {owner.kind}, and no checkpoint.", SOURCES_HINT)
        return _of_checkpoint(session, version, owner.id)
    if artifact is not None:
        return _of_artifact(session, version, _artifact(session, artifact, run), run)
    return _of_run(session, version, _run(session, run))


def _of_path(session: Session, version: Owner, given: object, run: Run | None) -> Source:
    path = artifact_words.checked_path(given)
    name = artifact_words.default_name(path)
    purged_at, uri = session.store.layout.purged_at(), artifact_words.place(session, path)
    uploaded = uploads.taken(session, path, uri)
    contents = uploads.artifact_of(uploaded, name, version, None, mode=UPLOADED, kind=MODEL_KIND)
    contents = dataclasses.replace(contents, uri=uri)
    return Source(contents, run, None, uploaded=True, metrics=_run_metrics(run), purged_at=purged_at)


def _of_checkpoint(session: Session, version: Owner, checkpoint_id: str) -> Source:
    read = session.store.reader
    row = read.rows("select * from inside.checkpoints where checkpoint_id = ?", [checkpoint_id])[0]
    found = _known_run(session, row["run_id"])
    logged = read.rows(
        "select key, value from latest_metrics where owner_kind = 'checkpoint' and owner_id = ?", [checkpoint_id]
    )
    metrics = _run_metrics(found) | {each["key"]: each["value"] for each in logged}
    contents = artifact_query.get_artifact(read, row["artifact_id"])
    return _again(session, version, contents, found, checkpoint_id, metrics)


def _of_artifact(session: Session, version: Owner, found: Artifact, given_run: object) -> Source:
    run = _known_run(session, _made_in(session, found)) if given_run is None else _run(session, given_run)
    return _again(session, version, found, run, None, _run_metrics(run))


def _made_in(session: Session, found: Artifact) -> str | None:
    """Return the id of the run in which an artifact was made; the contents of a version say it by their version."""
    query = "select run_id from inside.model_versions where artifact_id = ?"
    rows = session.store.reader.rows(query, [found.artifact_id])
    return rows[0]["run_id"] if rows else found.run_id


def _of_run(session: Session, version: Owner, run: Run | None) -> Source:
    """Take the newest checkpoint of a run, or its newest artifact of kind model, whichever is newer."""
    if run is None:
        raise invalid_argument("nothing is given to register, and no run is open.", SOURCES_HINT)
    query = """
        select 'artifact' as kind, artifact_id as id, created_at from inside.artifacts
        where owner_kind = 'run' and owner_id = $run and kind = $model
        union all
        select 'checkpoint', checkpoint_id, created_at from inside.checkpoints where run_id = $run
        order by created_at desc limit 1"""
    rows = session.store.reader.rows(query, {"run": run.run_id, "model": MODEL_KIND})
    if not rows:
        fact = f"run '{run.name}' ({short(run.run_id)}) has no checkpoint and no artifact of kind '{MODEL_KIND}'."
        raise invalid_argument(fact, SOURCES_HINT)
    if rows[0]["kind"] == "checkpoint":
        return _of_checkpoint(session, version, rows[0]["id"])
    found = artifact_query.get_artifact(session.store.reader, rows[0]["id"])
    return _again(session, version, found, run, None, _run_metrics(run))


def _again(
    session: Session,
    version: Owner,
    found: Artifact,
    run: Run | None,
    checkpoint_id: str | None,
    metrics: Mapping[str, float],
) -> Source:
    """Return contents that are in the store as they will be recorded once more; no byte is copied.

    Raises
    ------
    RenexError : `not_found` when one of them is there no more.
    """
    store, purged_at = session.store, session.store.layout.purged_at()
    for sha256 in contents_of(found) if found.mode == UPLOADED else ():
        if not store.blobs.has(sha256):
            hint = "Log it again, or restore the store from a backup."
            raise RenexError("not_found", f"the content {short(sha256)} of {found.title} is gone.", hint)
    contents = dataclasses.replace(
        found,
        artifact_id=new_id(),
        owner_kind=version.kind,
        owner_id=version.id,
        kind=MODEL_KIND,
        run_id=None,  # a version outlives its run: what names the run goes with it
    )
    return Source(contents, run, checkpoint_id, metrics=metrics, purged_at=purged_at)


def _checkpoint_word(given: object) -> object:
    return f"checkpoint:{given}" if isinstance(given, str) and not given.startswith("checkpoint:") else given


def _artifact(session: Session, given: object, run: object) -> Artifact:
    """Return the artifact that is meant; by a name it is the newest one of the run, where that is given or open."""
    read = session.store.reader
    meant = _run(session, run)
    if isinstance(given, str) and meant is not None:
        query = """
            select artifact_id from inside.artifacts where run_id = ? and name = ?
            order by owner_kind <> 'run', created_at desc limit 1"""
        rows = read.rows(query, [meant.run_id, given])
        if rows:
            return artifact_query.get_artifact(read, rows[0]["artifact_id"])
        if run is not None:
            known = read.rows("select name from inside.artifacts where run_id = ?", [meant.run_id])
            listing = f"rx.list_artifacts('run:{short(meant.run_id)}')"
            raise not_found("artifact", given, [row["name"] for row in known], listing=listing)
    return artifact_query.get_artifact(read, artifact_query.find_artifact(read, given))


def _run(session: Session, given: object) -> Run | None:
    """Return the run that is meant, or without one the open run, as they are in the store now."""
    if given is not None:
        return found_runs.get_run(given)  # type: ignore[arg-type]  # it says what it takes
    active = runs.active_run()
    return _known_run(session, active.run_id) if active is not None else None


def _known_run(session: Session, run_id: str | None) -> Run | None:
    """Return a run, if it is still recorded: what was made in one may outlive it."""
    read = session.store.reader
    there = run_id and read.rows("select 1 from inside.runs where run_id = ?", [run_id])
    return run_query.get_run(read, str(run_id)) if there else None


def _run_metrics(run: Run | None) -> dict[str, float]:
    found = run.metrics if run else {}
    return {key: value for key, value in numbers(found).items() if not key.startswith(SYSTEM)}


def lineage_of(session: Session, source: Source) -> dict[str, Any]:
    """Return what a version says by itself of where it comes from, by the names of its columns."""
    run = source.run
    if run is None:
        return {}
    snapshot_id = run.after_snapshot_id or run.before_snapshot_id
    return {
        "run_id": run.run_id,
        "snapshot_id": snapshot_id,
        "environment_id": run.environment_id or _environment_of(session, snapshot_id),
        "dataset": run.params[DATASET] if isinstance(run.params.get(DATASET), str) else None,
        "framework": _framework(session, run),
        "params": dict(run.params),
    }


def _environment_of(session: Session, snapshot_id: str | None) -> str | None:
    query = "select environment_id from inside.snapshots where snapshot_id = ?"
    rows = session.store.reader.rows(query, [snapshot_id]) if snapshot_id else []
    return rows[0]["environment_id"] if rows else None


def _framework(session: Session, run: Run) -> str | None:
    query = "select framework from inside.experiments where namespace = ? and name = ? and framework is not null"
    rows = session.store.reader.rows(query, [run.namespace, run.experiment])
    return rows[0]["framework"] if rows else None
