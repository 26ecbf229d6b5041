"""What models predicted on dataset versions: logged, listed, found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis.row_digest import digest, sum_of
from renex_jupyter.capture.predictions import make_predictions
from renex_jupyter.ids import new_id
from renex_jupyter.query import datasets as query
from renex_jupyter.query import models
from renex_jupyter.query.contents import open_samples
from renex_jupyter.query.objects import find_object
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.datasets import PREDICTION_COLUMNS, PREDICTIONS, Dataset, DatasetVersion, PredictionSet
from renex_jupyter.records.models import Model, ModelVersion
from renex_jupyter.records.runs import Run
from renex_jupyter.session import purges
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.dataset_keeping import keep_file
from renex_jupyter.session.points import checked_name
from renex_jupyter.store.workbench import Workbench

if TYPE_CHECKING:
    import pandas as pd


def log_predictions(
    dataset: str | Dataset | DatasetVersion,
    predictions: Any,
    *,
    model: str | Model | ModelVersion | None = None,
    run: str | Run | None = None,
    probabilities: Any = None,
    scores: Any = None,
    classes: Sequence[Any] | None = None,
    key: str | None = None,
    name: str | None = None,
) -> PredictionSet:
    """Keep what was predicted on a dataset version; the same of the same model and run is kept once.

    Parameters
    ----------
    dataset : a version: "adult" (the newest), "adult:3", or what `create_dataset` returned.
    predictions : an array of labels or values in the order of the samples, one of probabilities (n, classes), or a table (or
        its path) with a key and the columns of docs/datasets.md, for boxes a row per box.
    model : the version that predicted, such as "digits:3" or "digits@champion"; None: nobody knows, or `name` says it.
    run : in which it did; None: the open run, if there is one.
    probabilities : (n, classes) in the order of `classes`, or (n,) of the second of two classes.
    scores : (n,), how sure it was of each.
    classes : in the order of the probabilities, such as `model.classes_`; None: those of the dataset version.
    key : the column of a table that says the sample; None: `_key`, or the name of the dataset's own key.
    name : under which it is found again, such as "baseline".

    Raises
    ------
    RenexError : `invalid_argument` for other numbers of rows, unknown classes, keys that are unknown or there twice (it
        names the rows); `not_found`, `ambiguous`.
    """
    session = current()
    read = session.store.reader
    version = query.get_dataset_version(read, dataset, session.namespace)
    model_id = models.find_version(read, model, session.namespace)["model_version_id"] if model is not None else None
    run_id = _run_id(session, run)
    name = checked_name("name", name, 'log_predictions("adult", labels, name="baseline")') if name is not None else None
    with Workbench() as bench:
        open_samples(bench, session.store.blobs, version)
        made = make_predictions(
            bench, version, predictions, probabilities=probabilities, scores=scores, classes=classes, key=key
        )
        summed = sum_of(bench, PREDICTIONS, PREDICTION_COLUMNS)
        found = digest([(each, "class", str(at)) for at, each in enumerate(made.classes)], [summed])
        session.begin()
        there = _same(session, version, model_id, run_id, name, found)
        if there is not None:
            return there
        purged_at = session.store.layout.purged_at()
        file = keep_file(session, made.file, PREDICTIONS, made.rows)
    record = PredictionSet(
        prediction_set_id=new_id(),
        dataset_version_id=version.dataset_version_id,
        created_at=now(),
        name=name,
        model_version_id=model_id,
        run_id=run_id,
        task=made.task,
        classes=made.classes,
        n_predictions=made.rows,
        n_samples=made.samples,
        digest=found,
        files=(file,),
        created_by=session.store.journal.actor,
    )
    session.store.write(
        Change("prediction_sets", record.prediction_set_id, "create", fields(record), namespace=version.namespace)
    )
    if session.store.layout.purged_at() != purged_at:
        purges.note_again(session.store, [file.sha256])
    record = get_predictions(record)
    _tell(session, record)
    return record


def list_predictions(
    dataset: str | Dataset | DatasetVersion | None = None, *, model: str | Model | ModelVersion | None = None
) -> pd.DataFrame:
    """Return sets of predictions as a DataFrame, the newest first.

    Parameters
    ----------
    dataset : "adult": on any of its versions; "adult:3": on this one; None: on all datasets.
    model : of this model, or of one version of it; None: of all.

    Returns
    -------
    Columns: dataset and model [references], name, task, n_predictions, n_samples, created_at [UTC], created_by, run_id,
    model_version_id, dataset_version_id, prediction_set_id.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    import pandas as pd

    session = current()
    read = session.store.reader
    versions = _versions_meant(session, dataset) if dataset is not None else None
    of = _model_versions_meant(session, model) if model is not None else None
    found = query.list_prediction_sets(read, dataset_version_ids=versions, model_version_ids=of)
    columns = [
        "dataset", "model", "name", "task", "n_predictions", "n_samples", "created_at", "created_by", "run_id",
        "model_version_id", "dataset_version_id", "prediction_set_id",
    ]  # fmt: skip
    return pd.DataFrame([[getattr(each, column) for column in columns] for each in found], columns=columns)


def get_predictions(
    ref: str | PredictionSet | Model | ModelVersion, *, dataset: str | DatasetVersion | None = None
) -> PredictionSet:
    """Return a set of predictions by id, unique prefix, name, or the model version that made it: its newest set.

    Parameters
    ----------
    dataset : the version that it is on; None: any.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    session = current()
    read = session.store.reader
    on = None
    if dataset is not None:
        on = query.find_dataset_version(read, dataset, session.namespace)["dataset_version_id"]
    row = query.find_prediction_set(read, ref, dataset_version_id=on, namespace=session.namespace)
    return query.as_prediction_set(read, row)


def _run_id(session: Session, run: str | Run | None) -> str | None:
    if run is None:
        around = session.innermost
        return around.run_id if around else None
    word = run if isinstance(run, str) else run.run_id
    return find_object(session.store.reader, word, ("run",))[1]


def _same(
    session: Session, version: DatasetVersion, model_id: str | None, run_id: str | None, name: str | None, found: str
) -> PredictionSet | None:
    """Return the set that says just this already, if there is one."""
    query_text = """
        select prediction_set_id from inside.prediction_sets
        where dataset_version_id = ? and digest = ? and model_version_id is not distinct from ?
            and run_id is not distinct from ? and name is not distinct from ? order by created_at desc limit 1"""
    params = [version.dataset_version_id, found, model_id, run_id, name]
    rows = session.store.reader.rows(query_text, params)
    return get_predictions(rows[0]["prediction_set_id"]) if rows else None


def _tell(session: Session, record: PredictionSet) -> None:
    """Have kept patterns measured again, if anything does so."""
    from renex_jupyter.session import triggers

    logged = getattr(triggers, "predictions_logged", None)
    if logged is not None:
        logged(session, record)


def _versions_meant(session: Session, dataset: str | Dataset | DatasetVersion) -> list[str]:
    read = session.store.reader
    whole = isinstance(dataset, Dataset) or (
        isinstance(dataset, str) and query.parse_reference(dataset).version is None and ":" not in dataset
    )
    if not whole:
        return [query.find_dataset_version(read, dataset, session.namespace)["dataset_version_id"]]
    row = query.find_dataset(read, dataset, session.namespace)
    return [each.dataset_version_id for each in query.versions_of(read, row["dataset_id"])]


def _model_versions_meant(session: Session, model: str | Model | ModelVersion) -> list[str]:
    read = session.store.reader
    named = isinstance(model, ModelVersion) or (isinstance(model, str) and models.parse(model).names_a_version)
    if named:
        return [models.find_version(read, model, session.namespace)["model_version_id"]]
    row = models.find_model(read, model, session.namespace)
    rows = read.rows("select model_version_id from inside.model_versions where model_id = ?", [row["model_id"]])
    return [each["model_version_id"] for each in rows]
