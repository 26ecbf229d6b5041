"""Model versions: register, find, describe, delete. A version is immutable but for its words and its status."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.ids import new_id
from renex_jupyter.query import model_tables
from renex_jupyter.query import models as query
from renex_jupyter.records.artifacts import TRACKED, Artifact, Checkpoint
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.model_words import checked_word
from renex_jupyter.records.models import Model, ModelVersion
from renex_jupyter.records.owners import Owner
from renex_jupyter.records.runs import Run
from renex_jupyter.session import purges, triggers
from renex_jupyter.session.aliases import labels_changes, taken_words
from renex_jupyter.session.alone import alone
from renex_jupyter.session.artifact_entries import contents_of
from renex_jupyter.session.belongings import deletions
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.dataset_evaluations import checked_dataset, trained_on
from renex_jupyter.session.described import changed, described
from renex_jupyter.session.models import given_namespace, named, new_model, place_of
from renex_jupyter.session.version_sources import Source, find_source, lineage_of
from renex_jupyter.session.version_values import kept_metrics, kept_params

if TYPE_CHECKING:
    import pandas as pd

    from renex_jupyter.session.active_run import ActiveRun

T = TypeVar("T")
WHAT = "the versions of a model"  # as a message names what cannot be changed
TRIES = 6  # times that a registration waits for its turn: its contents are in the store by then


def register_model(
    name: str,
    *,
    run: str | Run | ActiveRun | None = None,
    checkpoint: str | Checkpoint | None = None,
    artifact: str | Artifact | None = None,
    path: str | os.PathLike[str] | None = None,
    dataset: str | None = None,
    namespace: str | None = None,
    description: str | None = None,
    framework: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    labels: Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
) -> ModelVersion:
    """Make a new version of a model: it gets the next number, and never changes.

    Where it comes from is filled in by itself: run, snapshot, environment, checkpoint, dataset, params and metrics as they
    are now. Of a checkpoint its own metrics go before those of its run.

    Parameters
    ----------
    name : of the model, created on first use; or with its namespace, `vision/digits`.
    run : whose newest checkpoint, or artifact of kind "model", is taken; with `path` or `artifact` only where it comes from.
    checkpoint, artifact, path : what is taken instead, just one of them; an artifact also by its name in the run.
        None of the four: what the open run has.
    dataset : what it was trained on: a name, or a dataset version such as "adult:2"; None: the param `dataset` of the run,
        if that is a text, or the dataset that the run said it uses.
    namespace : created on first use; None: that of `set_experiment`.
    framework : None: that of the run's experiment.
    labels : words that only this version of the model has then.
    params, metrics : beside those of the run, and before these.

    Raises
    ------
    RenexError : `invalid_argument` for no source or several, for a word that is none; `not_found`, `ambiguous`;
        `conflict` for a file that changes while it is read. No version is made then, and no number used.
    """
    session = current()
    sources = {"run": run, "checkpoint": checkpoint, "artifact": artifact, "path": path}
    given = {"description": description, "framework": framework, "metadata": metadata}
    return register(session, name, sources, namespace=namespace, dataset=dataset, labels=labels, params=params,
                    metrics=metrics, **given)  # fmt: skip


def register(
    session: Session,
    name: str,
    sources: Mapping[str, object],
    *,
    namespace: str | None = None,
    dataset: str | None = None,
    labels: Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    **given: object,
) -> ModelVersion:
    """Register a version, see `register_model`.

    Parameters
    ----------
    sources : `run`, `checkpoint`, `artifact`, `path`: what is given of them.
    given : description, framework, metadata.
    """
    namespace, name = place_of(session, name, namespace)
    facts = described("model version", given)
    facts |= {"dataset": checked_dataset(dataset)} if dataset is not None else {}
    words = checked_labels(labels)
    own_params, own_metrics = kept_params(params or {}), kept_metrics(metrics or {})
    session.begin()
    version = Owner("model_version", new_id(), namespace, f"version of model '{namespace}/{name}'")
    every = dict.fromkeys(("run", "checkpoint", "artifact", "path"))
    source = find_source(session, version, **{**every, **sources})
    lineage = lineage_of(session, source)
    facts = {**lineage, **{key: value for key, value in facts.items() if value is not None}}
    facts |= trained_on(session, dataset if dataset is not None else facts.get("dataset"), facts.get("run_id"))
    facts["params"] = {**lineage.get("params", {}), **own_params}
    facts["metrics"] = {**source.metrics, **own_metrics}
    facts |= {"checkpoint_id": source.checkpoint_id, "registered_by": session.store.journal.actor}
    record = in_turn(lambda: _numbered(session, version, name, source, facts, words))
    if source.purged_at != session.store.layout.purged_at() and source.contents.mode != TRACKED:
        purges.note_again(session.store, contents_of(source.contents))  # one of them may be gone meanwhile
    triggers.version_registered(session, record)
    read = session.store.reader
    return query.as_version(read, query.find_version(read, record))


def _numbered(
    session: Session, version: Owner, name: str, source: Source, facts: Mapping[str, Any], labels: Sequence[str]
) -> ModelVersion:
    """Give a version its number and write it, with all that belongs to it, at once."""
    store = session.store
    with alone(store, what=WHAT):
        model, changes = named(store, version.namespace, name), list[Change]()
        if model is None:
            model, changes = new_model(session, version.namespace, name)
        record = ModelVersion(
            model_version_id=version.id,
            model_id=model["model_id"],
            model=name,
            version=_next_number(session, model["model_id"]),
            artifact_id=source.contents.artifact_id,
            created_at=now(),
            namespace=version.namespace,
            **facts,
        )
        action = "create" if not source.uploaded else "upload"
        contents = fields(source.contents)
        changes += [
            Change("artifacts", record.artifact_id, action, contents, namespace=version.namespace),
            Change("model_versions", record.model_version_id, "register", fields(record), namespace=version.namespace),
            *labels_changes(session, model, labels, record.version),
        ]
        store.write(*changes)
    return record


def _next_number(session: Session, model_id: str) -> int:
    """Return one more than the highest number that a version of the model ever had, also one that was deleted."""
    last = """
        select max(json_extract_string(after, '$.version')::bigint) as last from inside.changes
        where kind = 'model_versions' and json_extract_string(after, '$.model_id') = ?"""
    return int(session.store.reader.rows(last, [model_id])[0]["last"] or 0) + 1


def in_turn(do: Callable[[], T]) -> T:
    """Do what waits for its turn, also when many others are before it.

    Raises
    ------
    RenexError : `locked` at last; nothing was written then.
    """
    for _ in range(TRIES - 1):
        try:
            return do()
        except RenexError as error:
            if error.code != "locked":
                raise
    return do()


def checked_labels(labels: object) -> tuple[str, ...]:
    """Return labels, each once.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    if labels is None:
        return ()
    if isinstance(labels, str) or not isinstance(labels, Sequence | set | frozenset):
        raise invalid_argument(f"labels {shown(labels)} are no list.", "Use labels=['quantised'].")
    return tuple(dict.fromkeys(checked_word("label", each) for each in labels))


def get_model_version(ref: str | ModelVersion | Model, namespace: str | None = None) -> ModelVersion:
    """Return a version by `digits:3`, `digits@champion`, `vision/digits@latest`, its id or a unique prefix of it.

    Parameters
    ----------
    ref : the name of a model alone means its latest version: the newest that is not retired.
    namespace : of a reference without one; None: that of `set_experiment`.

    Raises
    ------
    RenexError : `not_found` with what is near, `ambiguous`, `invalid_argument`.
    """
    session = current()
    read = session.store.reader
    return query.as_version(read, query.find_version(read, ref, given_namespace(session, namespace)))


def list_model_versions(model: str | Model | ModelVersion, namespace: str | None = None) -> pd.DataFrame:
    """Return the versions of a model as a DataFrame, the newest first.

    Returns
    -------
    Columns: version, aliases and labels [lists], status, description, run [its name], created_at, registered_by, dataset,
    framework, run_id, model_version_id, then `metrics.KEY` (as registered, or as logged on the version since) and
    `metrics.KEY@DATASET`.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    session = current()
    read = session.store.reader
    row = query.find_model(read, model, given_namespace(session, namespace))
    return model_tables.list_versions(read, row["model_id"])


def update_model_version(
    ref: str | ModelVersion, *, description: str | None = None, metadata: Mapping[str, Any] | None = None
) -> ModelVersion:
    """Change what is said of a version; all else of it stays as it was registered.

    Parameters
    ----------
    description, metadata : an empty one takes away what was said.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`, `locked`.
    """
    after = described("model version", {"description": description, "metadata": metadata})
    if not after:
        raise invalid_argument("nothing to change.", "Give a description or metadata; all else of a version stays.")
    session = current()
    store = session.store
    found = query.find_version(store.reader, ref, session.namespace)
    session.begin()
    with alone(store, what=WHAT):
        before = query.as_version(store.reader, query.find_version(store.reader, found["model_version_id"]))
        after = changed(after, before)
        if after:
            was = {field: getattr(before, field) for field in after}
            store.write(Change("model_versions", before.model_version_id, "update", after, was, before.namespace))
    return query.as_version(store.reader, query.find_version(store.reader, found["model_version_id"]))


def delete_model_version(ref: str | ModelVersion, *, aliases: bool = False) -> ModelVersion:
    """Delete a version, and return what it was. Its number is never given again; its run and checkpoint stay.

    Contents that nothing else has are freed by the next `gc`.

    Parameters
    ----------
    aliases : also take away the aliases that name it.

    Raises
    ------
    RenexError : `conflict` while an alias names it; `not_found`, `ambiguous`, `locked`.
    """
    session = current()
    store = session.store
    found = query.find_version(store.reader, ref, session.namespace)
    session.begin()
    with alone(store, what=WHAT):
        record = query.as_version(store.reader, query.find_version(store.reader, found["model_version_id"]))
        if record.aliases and not aliases:
            said = " and ".join(f"'{each}'" for each in record.aliases)
            hint = "Set it on another version first, or take it away with it: aliases=True (--aliases)."
            raise RenexError("conflict", f"{said} of model '{record.model}' is v{record.version}.", hint)
        was = {name: value for name, value in fields(record).items() if name not in ("params", "metrics")}
        store.write(
            *taken_words(session, record),
            *deletions(store.reader, [("model_version", record.model_version_id)], record.namespace),
            Change("model_versions", record.model_version_id, "delete", {}, was, record.namespace),
        )
    return record
