"""Questions about datasets, their versions, and what was predicted on these: find one, and read its record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from renex_jupyter import ids
from renex_jupyter.errors import RenexError, ambiguous, invalid_argument, not_found, shown
from renex_jupyter.query import models
from renex_jupyter.records.datasets import ContentFile, Dataset, DatasetVersion, Field, PredictionSet
from renex_jupyter.records.experiments import DEFAULT_NAMESPACE
from renex_jupyter.records.models import Model, ModelVersion
from renex_jupyter.store.reader import Reader

if TYPE_CHECKING:
    import pandas as pd

LISTING = "%renex dataset ls"
DATASET_HINT = "Write 'adult' or 'vision/digits', its id, or give what rx.get_dataset() returned."
VERSION_HINT = "Write 'adult' for its newest version, 'adult:3', or 'vision/digits:3' with the namespace."
PREDICTIONS_HINT = "Give what rx.log_predictions() returned, its id or name, or a model version such as 'digits:3'."
_REFERENCE = re.compile(r"(?:(?P<namespace>.+)/)?(?P<name>[^/:@]+)(?::v?(?P<version>\d+)|[:@](?P<latest>latest))?")
_HIGHEST = 2**63 - 1
_VERSIONS = """
    (select v.*, d.namespace, d.name as dataset, d.task
     from inside.dataset_versions v join inside.datasets d using (dataset_id))"""
_PREDICTIONS = """
    (select p.*, d.namespace || '/' || d.name || ':' || v.version as dataset,
            m.namespace || '/' || m.name || ':' || mv.version as model
     from inside.prediction_sets p
     join inside.dataset_versions v using (dataset_version_id) join inside.datasets d using (dataset_id)
     left join inside.model_versions mv using (model_version_id)
     left join inside.models m on m.model_id = mv.model_id)"""
_NEWEST = "order by created_at desc, prediction_set_id limit 1"


@dataclass(frozen=True, slots=True)
class Reference:
    """A dataset, or a version of it, as a text names it."""

    namespace: str
    name: str
    version: int | None = None  # None: the newest


def parse_reference(text: str, namespace: str = DEFAULT_NAMESPACE) -> Reference:
    """Return what `[namespace/]name[:version]` says; `:latest` is the newest version.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    found = _REFERENCE.fullmatch(text.strip())
    if found is None:
        raise invalid_argument(f"{shown(text)} names no dataset and no version of one.", VERSION_HINT)
    version = min(int(found["version"][:20]), _HIGHEST) if found["version"] else None
    return Reference(found["namespace"] or namespace, found["name"].strip(), version)


def find_dataset(read: Reader, wanted: object, namespace: str = DEFAULT_NAMESPACE) -> dict[str, Any]:
    """Return the row of a dataset by `[namespace/]name`, id or unique prefix, or of a record; a name goes before an id.

    Of two that have one name, as an import may leave them, it means the older.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    if isinstance(wanted, Dataset | DatasetVersion):
        name = wanted.name if isinstance(wanted, Dataset) else wanted.dataset
        return _of_id(read, wanted.dataset_id, f"{wanted.namespace}/{name}")
    word = _word(wanted, DATASET_HINT)
    meant = parse_reference(word, namespace)
    if meant.version is not None:
        raise invalid_argument(f"'{word}' names a version, and a dataset is asked for.", DATASET_HINT)
    found = _named(read, meant) or _by_prefix(read, "inside.datasets", "dataset_id", word)
    if not found:
        raise _unknown_dataset(read, meant)
    return found[0]


def find_dataset_version(read: Reader, wanted: object, namespace: str = DEFAULT_NAMESPACE) -> dict[str, Any]:
    """Return the row of a version, with namespace, dataset and task, that a reference, an id or a record means.

    A dataset alone means its newest version. A name goes before an id, which may be that of the dataset, too.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    if isinstance(wanted, DatasetVersion):
        rows = _versions(read, "dataset_version_id = ?", [wanted.dataset_version_id])
        if not rows:
            raise not_found("dataset version", wanted.reference, listing=LISTING)
        return rows[0]
    if isinstance(wanted, Dataset):
        return _numbered(read, find_dataset(read, wanted), None)
    word = _word(wanted, VERSION_HINT)
    meant = parse_reference(word, namespace)
    datasets = _named(read, meant)
    if not datasets and meant.version is None:
        by_id = _by_prefix(read, _VERSIONS, "dataset_version_id", word)
        if by_id:
            return by_id[0]
    if not datasets and "/" not in word:
        datasets = _by_prefix(read, "inside.datasets", "dataset_id", meant.name)
    if not datasets:
        raise _unknown_dataset(read, meant)
    return _numbered(read, datasets[0], meant.version)


def find_prediction_set(
    read: Reader,
    wanted: object = None,
    *,
    dataset_version_id: str | None = None,
    namespace: str = DEFAULT_NAMESPACE,
) -> dict[str, Any]:
    """Return the row of a set of predictions, with the references of its dataset and model.

    Parameters
    ----------
    wanted : a record, an id or unique prefix, a name, or a model version (a record, or such as "digits:3"), whose newest
        set is meant; None: the newest set of all. A model alone means its newest version that predicted.
    dataset_version_id : on which it was predicted; None: on any.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    if isinstance(wanted, PredictionSet):
        rows = _sets(read, "prediction_set_id = ?", [wanted.prediction_set_id])
        if not rows:
            raise not_found("set of predictions", ids.short(wanted.prediction_set_id), listing=LISTING)
        if dataset_version_id not in (None, rows[0]["dataset_version_id"]):
            raise invalid_argument(
                f"these are predictions on {rows[0]['dataset']}, another dataset version than the one asked for.",
                PREDICTIONS_HINT,
            )
        return rows[0]
    here, params = "true", list[Any]()
    if dataset_version_id is not None:
        here, params = "dataset_version_id = ?", [dataset_version_id]
    if wanted is None:
        rows = _sets(read, f"{here} {_NEWEST}", params)
    elif isinstance(wanted, Model | ModelVersion):
        rows = _of_model(read, wanted, here, params, namespace)
    else:
        rows = _by_word(read, _word(wanted, PREDICTIONS_HINT), here, params, namespace)
    if not rows:
        on = _said(read, dataset_version_id)
        of = "" if wanted is None else f" of {wanted.reference if isinstance(wanted, ModelVersion) else shown(wanted)}"
        raise RenexError("not_found", f"there are no predictions{of}{on}.", "Log them with rx.log_predictions().")
    return rows[0]


def as_dataset(read: Reader, row: Mapping[str, Any]) -> Dataset:
    """Return the record of a row of `datasets`, with how many versions it has."""
    query = "select count(*) as n, max(version) as latest from inside.dataset_versions where dataset_id = ?"
    counted = read.rows(query, [row["dataset_id"]])[0]
    said = _set(row)
    if "metadata" in said:
        said["metadata"] = json.loads(said["metadata"])
    return Dataset(**said, versions=int(counted["n"]), latest=counted["latest"])


def as_dataset_version(read: Reader, row: Mapping[str, Any]) -> DatasetVersion:  # noqa: ARG001  as its neighbours
    """Return the record of a row of `find_dataset_version`."""
    said = _set(row)
    said["fields"] = tuple(Field(**each) for each in json.loads(said.get("fields", "[]")))
    said["classes"] = tuple(json.loads(said.get("classes", "[]")))
    said["splits"] = json.loads(said.get("splits", "{}"))
    said["files"] = _files(said)
    return DatasetVersion(**said)


def as_prediction_set(read: Reader, row: Mapping[str, Any]) -> PredictionSet:  # noqa: ARG001  as its neighbours
    """Return the record of a row of `find_prediction_set`."""
    said = _set(row)
    said["classes"] = tuple(json.loads(said.get("classes", "[]")))
    said["files"] = _files(said)
    return PredictionSet(**said)


def get_dataset_version(read: Reader, wanted: object, namespace: str = DEFAULT_NAMESPACE) -> DatasetVersion:
    """Return the record of the version that `wanted` means, see `find_dataset_version`."""
    return as_dataset_version(read, find_dataset_version(read, wanted, namespace))


def versions_of(read: Reader, dataset_id: str) -> list[DatasetVersion]:
    """Return the versions of a dataset, the newest first."""
    rows = _versions(read, "dataset_id = ? order by version desc, created_at desc", [dataset_id])
    return [as_dataset_version(read, each) for each in rows]


def version_with(read: Reader, dataset_id: str, digest: str) -> DatasetVersion | None:
    """Return the newest version of a dataset that has this content, if one has."""
    where = "dataset_id = ? and digest = ? order by version desc limit 1"
    rows = _versions(read, where, [dataset_id, digest])
    return as_dataset_version(read, rows[0]) if rows else None


def list_prediction_sets(
    read: Reader, *, dataset_version_ids: Iterable[str] | None = None, model_version_ids: Iterable[str] | None = None
) -> list[PredictionSet]:
    """Return sets of predictions, the newest first: on some dataset versions, of some model versions; None: of all."""
    where, params = ["true"], list[Any]()
    for name, wanted in (("dataset_version_id", dataset_version_ids), ("model_version_id", model_version_ids)):
        if wanted is not None:
            where.append(f"{name} in (select unnest(?::varchar[]))")
            params.append(list(wanted))
    rows = _sets(read, f"{' and '.join(where)} order by created_at desc, prediction_set_id", params)
    return [as_prediction_set(read, each) for each in rows]


def table_of_datasets(read: Reader, namespace: str | None = None, *, archived: bool = False) -> pd.DataFrame:
    """Return datasets as a DataFrame: see `rx.list_datasets`."""
    where = ["true"] if archived else ["not coalesce(archived, false)"]
    params = []
    if namespace is not None:
        where.append("namespace = ?")
        params.append(namespace)
    return read.frame(
        f"""
        select namespace, name, coalesce(versions, 0)::bigint as versions, latest, n_samples, n_annotations, task, description,
               owner, coalesce(starred, false) as starred, coalesce(archived, false) as archived, created_at, changed_at,
               dataset_id
        from inside.datasets left join (
            select dataset_id, count(*) as versions, max(version) as latest, arg_max(n_samples, version) as n_samples,
                   arg_max(n_annotations, version) as n_annotations, max(created_at) as changed_at
            from inside.dataset_versions group by dataset_id) using (dataset_id)
        where {" and ".join(where)}
        order by coalesce(starred, false) desc, coalesce(changed_at, created_at) desc, namespace, name""",
        params,
    )


def _by_word(read: Reader, word: str, here: str, params: list[Any], namespace: str) -> list[dict[str, Any]]:
    """Return the set that a text means: a name, the beginning of an id, a model version, in this order."""
    rows = _sets(read, f"name = ? and {here} {_NEWEST}", [word, *params])
    if rows:
        return rows
    prefix = ids.prefix(word)
    if prefix:
        rows = _sets(
            read, f"starts_with(prediction_set_id, ?) and {here} order by prediction_set_id", [prefix, *params]
        )
        if len(rows) > 1 and rows[0]["prediction_set_id"] != prefix:
            raise ambiguous("id", word, [ids.short(row["prediction_set_id"]) for row in rows])
        if rows:
            return rows
    return _of_model(read, word, here, params, namespace)


def _of_model(
    read: Reader, wanted: str | Model | ModelVersion, here: str, params: list[Any], namespace: str
) -> list[dict[str, Any]]:
    """Return the newest set of a model version; of a model alone that of its newest version which predicted."""
    named = isinstance(wanted, ModelVersion) or (isinstance(wanted, str) and models.parse(wanted).names_a_version)
    if named:
        row = models.find_version(read, wanted, namespace)
        return _sets(read, f"model_version_id = ? and {here} {_NEWEST}", [row["model_version_id"], *params])
    try:
        model = models.find_model(read, wanted, namespace)
    except RenexError as error:
        if error.code != "not_found" or isinstance(wanted, Model):
            raise
        return []
    query = f"""
        model_version_id in (select model_version_id from inside.model_versions where model_id = ?) and {here}
        order by (select version from inside.model_versions v where v.model_version_id = p.model_version_id) desc,
                 created_at desc, prediction_set_id limit 1"""
    return _sets(read, query, [model["model_id"], *params])


def _numbered(read: Reader, dataset: Mapping[str, Any], version: int | None) -> dict[str, Any]:
    said = f"{dataset['namespace']}/{dataset['name']}"
    if version is None:
        rows = _versions(read, "dataset_id = ? order by version desc, created_at limit 1", [dataset["dataset_id"]])
        if not rows:
            hint = f"Make one: rx.create_dataset('{said}', data). List with {LISTING}."
            raise RenexError("not_found", f"dataset '{said}' has no versions.", hint)
        return rows[0]
    rows = _versions(
        read, "dataset_id = ? and version = ? order by created_at limit 1", [dataset["dataset_id"], version]
    )
    if not rows:
        query = "select max(version) as newest from inside.dataset_versions where dataset_id = ?"
        newest = read.rows(query, [dataset["dataset_id"]])[0]["newest"]
        told = f"Its newest is '{said}:{newest}'. " if newest else "It has no versions. "
        raise RenexError("not_found", f"no dataset version '{said}:{version}'.", f"{told}List with {LISTING} {said}.")
    return rows[0]


def _versions(read: Reader, where: str, params: list[Any]) -> list[dict[str, Any]]:
    return read.rows(f"select * from {_VERSIONS} v where {where}", params)


def _sets(read: Reader, where: str, params: list[Any]) -> list[dict[str, Any]]:
    return read.rows(f"select * from {_PREDICTIONS} p where {where}", params)


def _named(read: Reader, meant: Reference) -> list[dict[str, Any]]:
    query = "select * from inside.datasets where namespace = ? and name = ? order by created_at, dataset_id limit 1"
    return read.rows(query, [meant.namespace, meant.name])


def _of_id(read: Reader, dataset_id: str, said: str) -> dict[str, Any]:
    rows = read.rows("select * from inside.datasets where dataset_id = ?", [dataset_id])
    if not rows:
        raise not_found("dataset", said, listing=LISTING)
    return rows[0]


def _by_prefix(read: Reader, table: str, key: str, word: str) -> list[dict[str, Any]]:
    """Return the row of the object whose id begins so, or none."""
    prefix = ids.prefix(word)
    rows = read.rows(f"select * from {table} t where starts_with({key}, ?) order by {key}", [prefix]) if prefix else []
    if len(rows) > 1 and rows[0][key] != prefix:
        raise ambiguous("id", word, [ids.short(row[key]) for row in rows])
    return rows[:1]


def _unknown_dataset(read: Reader, meant: Reference) -> RenexError:
    """Return the error for a dataset that is not there: one of its name in another namespace is the nearest."""
    said = f"{meant.namespace}/{meant.name}"
    known = read.rows("select namespace, name from inside.datasets order by created_at desc")
    names = [f"{row['namespace']}/{row['name']}" for row in known]
    elsewhere = [name for row, name in zip(known, names, strict=True) if row["name"] == meant.name]
    if elsewhere:
        return RenexError("not_found", f"no dataset '{said}'.", f"did you mean '{elsewhere[0]}'? List with {LISTING}.")
    return not_found("dataset", said, names, listing=LISTING)


def _said(read: Reader, dataset_version_id: str | None) -> str:
    rows = _versions(read, "dataset_version_id = ?", [dataset_version_id]) if dataset_version_id else []
    return f" on {rows[0]['namespace']}/{rows[0]['dataset']}:{rows[0]['version']}" if rows else ""


def _word(wanted: object, hint: str) -> str:
    if not isinstance(wanted, str) or not wanted.strip():
        raise invalid_argument(f"{shown(wanted)} names no dataset, no version of one, and no predictions.", hint)
    return wanted.strip()


def _set(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a row that say something."""
    return {name: value for name, value in row.items() if value is not None}


def _files(said: Mapping[str, Any]) -> tuple[ContentFile, ...]:
    return tuple(ContentFile(**each) for each in json.loads(said.get("files", "[]")))
