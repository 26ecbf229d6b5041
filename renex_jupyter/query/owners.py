"""What a user means by `on=`: any object that metrics, artifacts, notes, tags and events can belong to."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches

from renex_jupyter import ids
from renex_jupyter.errors import RenexError, ambiguous, invalid_argument, not_found, shown
from renex_jupyter.query import datasets, experiments, models
from renex_jupyter.query.objects import find_object
from renex_jupyter.records.datasets import Dataset, DatasetVersion, PredictionSet
from renex_jupyter.records.drift import DriftReport
from renex_jupyter.records.experiments import DEFAULT_NAMESPACE, Namespace
from renex_jupyter.records.failure_patterns import FailurePattern, NamedPattern
from renex_jupyter.records.owners import Owner
from renex_jupyter.store.reader import Reader

HINT = (
    "Give what rx.start_run(), rx.register_model() and their like returned, or a word such as 'run:train', "
    "'experiment:digits', 'vision/digits:3', 'vision/digits@champion', 'dataset_version:adult:2' or 'checkpoint:ID'."
)
# The attribute that names an object of a kind; one that has several is of the first kind.
_ATTRIBUTES = {
    "model_version_id": "model_version",
    "evaluation_id": "evaluation",
    "checkpoint_id": "checkpoint",
    "artifact_id": "artifact",
    "model_id": "model",
    "experiment_id": "experiment",
    "snapshot_id": "snapshot",
    "run_id": "run",
    "prediction_set_id": "prediction_set",
    "workspace_id": "workspace",
}
_OF_DATASETS: dict[type, tuple[str, str]] = {  # by type: many records of others say their dataset version, too
    Dataset: ("dataset_id", "dataset"),
    DatasetVersion: ("dataset_version_id", "dataset_version"),
    PredictionSet: ("prediction_set_id", "prediction_set"),
    FailurePattern: ("failure_pattern_id", "failure_pattern"),
    NamedPattern: ("named_pattern_id", "named_pattern"),
    DriftReport: ("drift_report_id", "drift_report"),
}
_BY_ID = {  # kind -> table, key, and what its title says beside the id
    "evaluation": ("evaluations", "evaluation_id", "'on ' || dataset"),
    "checkpoint": ("checkpoints", "checkpoint_id", "'of step ' || step"),
    "artifact": ("artifacts", "artifact_id", "name"),
    "failure_pattern": ("failure_patterns", "failure_pattern_id", "predicate_text"),
    "named_pattern": ("named_patterns", "named_pattern_id", "name"),
    "drift_report": ("drift_reports", "drift_report_id", "'that proposes: ' || proposal"),
    "workspace": ("workspaces", "workspace_id", "name"),
}
_NUMBER = re.compile(r"v?\d+")  # of a version
_NAMESPACE_OF_RUN = "coalesce((select namespace from inside.runs r where r.run_id = o.run_id), $otherwise)"
_NAMESPACE_OF_DATASET = (
    "coalesce((select namespace from inside.datasets d where d.dataset_id = o.dataset_id), $otherwise)"
)
_NAMESPACE_OF_DATASET_VERSION = """coalesce((
    select d.namespace from inside.datasets d join inside.dataset_versions v using (dataset_id)
    where v.dataset_version_id = o.dataset_version_id), $otherwise)"""
_PLACES = {  # kind -> the SQL of its namespace, where it is not that of its run
    "evaluation": "$otherwise",
    "failure_pattern": _NAMESPACE_OF_DATASET_VERSION,
    **dict.fromkeys(("named_pattern", "drift_report", "workspace"), _NAMESPACE_OF_DATASET),
}


def find_owner(read: Reader, wanted: object, namespace: str = DEFAULT_NAMESPACE) -> Owner:
    """Return the object that a record, or a word, means.

    Parameters
    ----------
    wanted : what our functions return (a run, a model version, ...), `KIND:WORD` with the name or the id (or its
        beginning) of a run, experiment, namespace, snapshot, checkpoint, artifact, model, dataset, drift report, failure
        pattern (found or named) or workspace, a reference to a model version such as `digits:3` or
        `vision/digits@champion`, or the name or id of a run or snapshot.
    namespace : in which names of experiments and models without one are looked for.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument` for what means nothing.
    """
    if isinstance(wanted, Owner):
        return wanted
    if isinstance(wanted, Namespace):
        return _namespace(read, wanted.namespace_id)
    name = named(wanted)
    if name is not None and name[0]:
        return _FINDERS[name[0]](read, name[1], namespace)
    if not isinstance(wanted, str) or not wanted.strip():
        raise invalid_argument(f"{shown(wanted)} is nothing that can have metrics, artifacts, notes or tags.", HINT)
    kind, colon, word = wanted.partition(":")
    if colon and kind in _FINDERS:
        return _FINDERS[kind](read, word, namespace)
    if colon and not _NUMBER.fullmatch(word) and "@" not in wanted:
        raise _unknown_kind(kind, word)
    if colon or "@" in wanted:
        return _numbered(read, wanted, namespace)
    return _of_object(*find_object(read, wanted), read)


def named(wanted: object) -> tuple[str, str] | None:
    """Return the kind and the id of a record that has one, of a word "" and itself, and None for anything else."""
    if isinstance(wanted, str):
        return ("", wanted)
    for each, (attribute, kind) in _OF_DATASETS.items():
        if isinstance(wanted, each):
            return kind, getattr(wanted, attribute)
    for attribute, kind in _ATTRIBUTES.items():
        found = getattr(wanted, attribute, None)
        if isinstance(found, str) and found:
            return kind, found
    return None


def _numbered(read: Reader, word: str, namespace: str) -> Owner:
    """Return the version of a model that a word means, else that of a dataset; neither there: the error speaks of the model."""
    try:
        return _version(read, word, namespace)
    except RenexError as error:
        if error.code != "not_found" or "@" in word:
            raise
        with suppress(RenexError):
            return _FINDERS["dataset_version"](read, word, namespace)
        raise


def _unknown_kind(kind: str, word: str) -> RenexError:
    """Return the error for `KIND:WORD` of a kind that there is not, with the kind that may have been meant."""
    meant = [each for each in _FINDERS if each.startswith(kind)] or get_close_matches(kind, _FINDERS, n=1)
    near = f"Did you mean '{meant[0]}:{word}'? " if kind and meant else ""
    return invalid_argument(
        f"'{kind}:{word}' begins with no kind of object, and ends with no number of a version.", near + HINT
    )


def _run(read: Reader, word: str, *_: object) -> Owner:
    return _of_object(*find_object(read, word, ("run",)), read)


def _snapshot(read: Reader, word: str, *_: object) -> Owner:
    return _of_object(*find_object(read, word, ("snapshot",)), read)


def _of_object(kind: str, object_id: str, read: Reader) -> Owner:
    name = "name" if kind == "run" else "label"
    rows = read.rows(f"select namespace, {name} as name from inside.{kind}s where {kind}_id = ?", [object_id])
    row = rows[0]
    named = f" '{row['name']}'" if row["name"] else ""
    return Owner(kind, object_id, row["namespace"] or DEFAULT_NAMESPACE, f"{kind}{named} ({ids.short(object_id)})")


def _experiment(read: Reader, word: str, namespace: str) -> Owner:
    """Return an experiment by `NAME`, `NAMESPACE/NAME`, or id."""
    found = word if experiments.place_of_experiment(read, word) else experiments.find_experiment(read, word, namespace)
    home, name = experiments.place_of_experiment(read, found) or (namespace, word)
    return Owner("experiment", found, home, f"experiment '{home}/{name}'")


def _namespace(read: Reader, word: str, *_: object) -> Owner:
    found = experiments.find_namespace(read, word)
    name = experiments.name_of_namespace(read, found) or word
    return Owner("namespace", found, name, f"namespace '{name}'")


def _model(read: Reader, word: str, namespace: str) -> Owner:
    row = models.find_model(read, word, namespace)
    return Owner("model", row["model_id"], row["namespace"], f"model '{row['namespace']}/{row['name']}'")


def _version(read: Reader, word: str, namespace: str) -> Owner:
    row = models.find_version(read, word, namespace)
    title = f"model version {row['namespace']}/{row['model']}:{row['version']}"
    return Owner("model_version", row["model_version_id"], row["namespace"], title)


def _dataset(read: Reader, word: str, namespace: str) -> Owner:
    row = datasets.find_dataset(read, word, namespace)
    return Owner("dataset", row["dataset_id"], row["namespace"], f"dataset '{row['namespace']}/{row['name']}'")


def _dataset_version(read: Reader, word: str, namespace: str) -> Owner:
    row = datasets.find_dataset_version(read, word, namespace)
    title = f"dataset version {row['namespace']}/{row['dataset']}:{row['version']}"
    return Owner("dataset_version", row["dataset_version_id"], row["namespace"], title)


def _prediction_set(read: Reader, word: str, namespace: str) -> Owner:
    row = datasets.find_prediction_set(read, word, namespace=namespace)
    said = row["model"] or row["name"] or ids.short(row["prediction_set_id"])
    home = row["dataset"].rpartition("/")[0]
    return Owner("prediction_set", row["prediction_set_id"], home, f"predictions of {said} on {row['dataset']}")


def _by_id(kind: str) -> Callable[[Reader, str, str], Owner]:
    table, key, said = _BY_ID[kind]

    def find(read: Reader, word: str, namespace: str) -> Owner:
        prefix = ids.prefix(word)
        place = _PLACES.get(kind, _NAMESPACE_OF_RUN)
        query = f"""
            select {key} as id, {said} as said, {place} as namespace from inside.{table} o
            where starts_with({key}, $prefix) order by {key}"""
        rows = read.rows(query, {"prefix": prefix, "otherwise": namespace}) if prefix else []
        if not rows:
            raise not_found(kind.replace("_", " "), word, listing=f"rx.sql('select * from {table}')")
        if len(rows) > 1 and rows[0]["id"] != prefix:
            raise ambiguous("id", word, [ids.short(row["id"]) for row in rows])
        row = rows[0]
        title = f"{kind.replace('_', ' ')} {ids.short(row['id'])} {row['said']}"
        return Owner(kind, row["id"], row["namespace"], title)

    return find


_FINDERS: dict[str, Callable[[Reader, str, str], Owner]] = {
    "run": _run,
    "snapshot": _snapshot,
    "experiment": _experiment,
    "namespace": _namespace,
    "model": _model,
    "model_version": _version,
    "dataset": _dataset,
    "dataset_version": _dataset_version,
    "prediction_set": _prediction_set,
    **{kind: _by_id(kind) for kind in _BY_ID},
}
