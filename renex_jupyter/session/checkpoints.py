"""Checkpoints: keep what a training can go on from, and find the newest or the best again after a crash.

Contents come first, then the metrics, then one write with the artifact and the checkpoint: whoever is killed in between
leaves no checkpoint, and a checkpoint that is listed is whole.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renex_jupyter.errors import RenexError, invalid_argument, not_found, text_argument, warn
from renex_jupyter.ids import new_id
from renex_jupyter.query import artifacts as artifact_query
from renex_jupyter.query import checkpoints as query
from renex_jupyter.query.goals import goal_of
from renex_jupyter.query.objects import RUN, find_object
from renex_jupyter.query.owners import find_owner
from renex_jupyter.records.arrays import keep
from renex_jupyter.records.artifacts import Artifact, Checkpoint
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.deletions import DeletedCheckpoint
from renex_jupyter.records.keys import checked
from renex_jupyter.records.metrics import Point
from renex_jupyter.session import artifacts, uploads
from renex_jupyter.session.alone import alone
from renex_jupyter.session.artifact_words import checked_name, checked_path, checked_step, default_name
from renex_jupyter.session.current import Session, current, never_in_the_way
from renex_jupyter.session.downloads import bring, checked_place, note_use
from renex_jupyter.session.runs import active_run

if TYPE_CHECKING:
    import pandas as pd

KIND = "checkpoint"
STEP_HINT = "Give the number of the epoch, or of the batch, after which it was saved."


def log_checkpoint(
    path: str | os.PathLike[str],
    step: int,
    metrics: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Checkpoint | None:
    """Keep a file or a folder as a checkpoint of the open run; when this returns, it survives the death of the process.

    A full disk or a file that somebody still writes is told with a warning and does not stop the program: the checkpoint
    is NOT kept then, and None is returned.

    Parameters
    ----------
    path : what the training wrote, such as "last.pt"; the next step may write over it.
    step : after which it was saved.
    metrics : what it reached, by key; `best_checkpoint` goes by them.
    name : None: the name of the file.
    metadata : whatever else JSON can say.

    Raises
    ------
    RenexError : `not_found` for a path where nothing is, `invalid_argument`.
    """
    path = checked_path(path)
    chosen = checked_name(name) if name is not None else default_name(path)
    number = checked_step(step)
    if number is None:
        raise invalid_argument("a checkpoint without a step.", STEP_HINT)
    if metrics is not None and not isinstance(metrics, Mapping):
        raise invalid_argument(f"metrics are no {type(metrics).__name__}.", "Give a dict, such as {'loss': 0.1}.")
    for key in metrics or {}:
        checked("metric", key)
    session = current()
    made: list[Checkpoint] = []
    with uploads.kept_or_told(f"the checkpoint of step {number}"):
        owner, run_id = uploads.owner_of(session, None)
        uploads.keep_path(
            session,
            path,
            name=chosen,
            kind=KIND,
            step=number,
            metadata=metadata,
            owner=owner,
            run_id=run_id,
            more=partial(_changes, session, owner.id, owner.namespace, number, metrics or {}, made),
        )
    if not made:
        return None
    with never_in_the_way("that a checkpoint is durable"):
        session.store.journal.sync()
    with never_in_the_way("what policies say of a checkpoint"):
        from renex_jupyter.session import triggers  # which registers models, and these load much

        triggers.checkpoint_logged(session, made[0])
    return made[0]


def _changes(
    session: Session,
    run_id: str,
    namespace: str,
    step: int,
    metrics: Mapping[str, Any],
    made: list[Checkpoint],
    artifact: Artifact,
) -> list[Change]:
    """Write the metrics of a new checkpoint; return its record, which is written at once with that of its artifact."""
    checkpoint = Checkpoint(new_id(), run_id, step, artifact.artifact_id, artifact.created_at)
    points = [point for key, value in metrics.items() if (point := _point(checkpoint, key, value)) is not None]
    if points:
        session.store.write_points(points)
    numbers = {point.key: point.value for point in points if point.value is not None}
    made.append(replace(checkpoint, metrics=numbers))
    return [Change("checkpoints", checkpoint.checkpoint_id, "create", fields(checkpoint), namespace=namespace)]


def _point(checkpoint: Checkpoint, key: str, value: Any) -> Point | None:
    """Return a metric of a checkpoint; a value that cannot be kept is told and left out."""
    try:
        kept = keep(f"metric '{key}'", value)
    except RenexError as error:
        warn(f"{error.message} It is not kept with the checkpoint of step {checkpoint.step}. {error.hint}")
        return None
    return Point("checkpoint", checkpoint.checkpoint_id, key, checkpoint.step, now(), *kept)


def list_checkpoints(run: object = None, *, experiment: str | None = None) -> pd.DataFrame:
    """Return checkpoints as a DataFrame with `metrics.KEY` columns, the newest first.

    Parameters
    ----------
    run : id or name, or what `start_run` returned; None: the open run, and without one those of the experiment.
    experiment : name or id; those of all its runs.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    session = current()
    read = session.store.reader
    if run is not None and experiment is not None:
        raise invalid_argument("both a run and an experiment.", "Give one of them.")
    if experiment is not None:
        owner = find_owner(read, f"experiment:{experiment}", session.namespace)
        row = read.rows("select namespace, name from inside.experiments where experiment_id = ?", [owner.id])[0]
        return query.list_checkpoints(read, experiment=(row["namespace"], row["name"]))
    active = active_run() if run is None else None
    if run is None and active is None:
        return query.list_checkpoints(read, experiment=(session.namespace, session.experiment))
    run_id = active.run_id if active is not None else find_object(read, run, (RUN,))[1]
    return query.list_checkpoints(read, run_id=run_id)


def last_checkpoint(
    run: object = None, *, to: str | os.PathLike[str] | None = None, force: bool = False
) -> Checkpoint | None:
    """Return the newest checkpoint of a run with its verified contents at `.path`; None where it has none yet.

    One that is damaged is passed over with a warning.

    Parameters
    ----------
    run : id or name, or what `start_run` returned; None: the open run.
    to, force : where the contents go, as in `download_artifact`; None: a place of the store's own.

    Raises
    ------
    RenexError : `corrupt` when all that there are are damaged; `invalid_argument` without a run, `not_found`, `conflict`.
    """
    session = current()
    return _first_whole(session, query.checkpoints_of(session.store.reader, _run_id(session, run)), to, force=force)


def best_checkpoint(
    metric: str,
    *,
    goal: str | None = None,
    run: object = None,
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Checkpoint | None:
    """Return the checkpoint of a run that is best by a metric, with its verified contents at `.path`.

    Of several that are as good the newest one. One without the metric, or with NaN, is passed over.

    Parameters
    ----------
    metric : as given to `log_checkpoint`, or logged on the checkpoint later.
    goal : "min" or "max"; None: what `define_metric` said, else "max".
    run, to, force : as in `last_checkpoint`.

    Returns
    -------
    The checkpoint; None where the run has none.

    Raises
    ------
    RenexError : `not_found` when none of the run's checkpoints has this metric; `invalid_argument` for a goal that is
        none, or that must be said: nobody wants the greatest loss. And as `last_checkpoint`.
    """
    text_argument(metric, "the key of a metric", 'Give one such as "accuracy".')
    session = current()
    read = session.store.reader
    found = query.checkpoints_of(read, _run_id(session, run))
    sign = -1 if goal_of(read, metric, goal) == "max" else 1
    if not found:
        return None
    having = [each for each in found if not math.isnan(each.metrics.get(metric, math.nan))]
    if not having:
        known = sorted({key for each in found for key in each.metrics})
        raise not_found("metric of a checkpoint", metric, known, listing="rx.list_checkpoints()")
    having.sort(key=lambda each: sign * each.metrics[metric])  # a stable sort leaves the newest first
    return _first_whole(session, having, to, force=force)


def delete_checkpoint(checkpoint: str | Checkpoint, dry_run: bool = False) -> DeletedCheckpoint:
    """Delete a checkpoint with its artifact; what only that held is freed by the next `gc`.

    A model version that was made of it has contents of its own and stays.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`, `locked`.
    """
    session = current()
    store = session.store
    record = find_checkpoint(session, checkpoint)
    artifact = artifact_query.get_artifact(store.reader, record.artifact_id)
    if dry_run:
        return DeletedCheckpoint(True, record, artifact)
    with alone(store, what="the checkpoints"):
        namespace = artifact_query.namespace_of(store.reader, artifact)
        gone = Change("checkpoints", record.checkpoint_id, "delete", {}, fields(record), namespace)
        if len(artifact_query.holders(store.reader, artifact.artifact_id)) > 1:  # besides this one
            store.write(gone)
        else:
            artifacts.remove(store, artifact, gone)
    return DeletedCheckpoint(False, record, artifact)


def find_checkpoint(session: Session, wanted: object) -> Checkpoint:
    """Return the checkpoint that a record, an id or its beginning means.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    given = getattr(wanted, "checkpoint_id", None) or wanted
    word = text_argument(given, "a checkpoint", "Give what rx.log_checkpoint() returned, or its id.")
    read = session.store.reader
    return query.get_checkpoint(read, find_owner(read, f"checkpoint:{word.removeprefix('checkpoint:')}").id)


def _run_id(session: Session, run: object) -> str:
    if run is not None:
        return find_object(session.store.reader, run, (RUN,))[1]
    active = active_run()
    if active is None:
        hint = 'Open one with rx.start_run("train", resume=True), or give run="train".'
        raise invalid_argument("no run is open whose checkpoints are meant.", hint)
    return active.run_id


def _first_whole(
    session: Session, found: list[Checkpoint], to: str | os.PathLike[str] | None, *, force: bool
) -> Checkpoint | None:
    """Return the first checkpoint whose contents are there and as they were, with their path."""
    place = None if to is None else checked_place(to)
    damaged: RenexError | None = None
    for each in found:
        try:
            path, artifact = _contents(session, each, place, force=force)
        except RenexError as error:
            if error.code not in ("corrupt", "not_found"):
                raise
            warn(f"{each.title} is passed over: {error.line}")
            damaged = damaged or error
            continue
        note_use(session, artifact, path)
        return replace(each, path=path)
    if damaged is not None:
        raise damaged
    return None


def _contents(session: Session, checkpoint: Checkpoint, place: Path | None, *, force: bool) -> tuple[Path, Artifact]:
    artifact = artifact_query.get_artifact(session.store.reader, checkpoint.artifact_id)
    return bring(session, artifact, place, force=force), artifact
