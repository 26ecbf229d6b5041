"""Evaluations on datasets: what something reached on one. They own the metrics of that."""

from __future__ import annotations

from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.ids import content_id
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.datasets import Dataset, DatasetVersion
from renex_jupyter.records.owners import Owner
from renex_jupyter.session.current import Session
from renex_jupyter.session.points import checked_name

KIND = "evaluation"


def evaluation_id(owner: Owner, dataset: str) -> str:
    """Return the id of the evaluation of an object on a dataset, which there is one of."""
    return content_id([KIND, owner.kind, owner.id, dataset])[:32]


def checked_dataset(dataset: Any) -> str:
    """Return the name of a dataset, if it can be one; of a record its reference.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    if isinstance(dataset, Dataset | DatasetVersion):
        return dataset.reference
    return checked_name("dataset", dataset, 'dataset="test"')


def dataset_version_of(session: Session, dataset: Any) -> str | None:
    """Return the id of the version that the name of a dataset means now: a name alone its newest; None where none does."""
    if isinstance(dataset, DatasetVersion):
        return dataset.dataset_version_id
    if not session.store.exists:
        return None
    from renex_jupyter.query.datasets import find_dataset_version  # a name is enough for most who log

    try:
        found = find_dataset_version(session.store.reader, dataset, session.namespace)
    except RenexError:  # it is just a name
        return None
    return str(found["dataset_version_id"])


def trained_on(session: Session, dataset: Any, run_id: str | None) -> dict[str, str]:
    """Return `dataset` and `dataset_version_id` of a model version: as it is said, else what its run used at last."""
    if dataset is not None:
        version_id = dataset_version_of(session, dataset)
        return {} if version_id is None else {"dataset_version_id": version_id}
    query = """
        select dataset_version_id, v.namespace || '/' || v.dataset || ':' || v.version as said
        from inside.links l join dataset_versions v on v.dataset_version_id = l.to_id
        where from_kind = 'run' and from_id = ? and relation = 'trained_on' and to_kind = 'dataset_version'
        order by l.created_at desc limit 1"""
    rows = session.store.reader.rows(query, [run_id]) if run_id is not None else []
    return {"dataset": rows[0]["said"], "dataset_version_id": rows[0]["dataset_version_id"]} if rows else {}


def evaluation_of(owner: Owner, dataset: Any) -> Owner:
    """Return the evaluation of an object on a dataset; nothing is written.

    Raises
    ------
    RenexError : `invalid_argument` for a dataset that is none, or for the evaluation of an evaluation.
    """
    name = checked_dataset(dataset)
    if owner.kind == KIND:
        raise invalid_argument(f"{owner.title} is on a dataset already.", "Leave out dataset=, or name what it is of.")
    return Owner(KIND, evaluation_id(owner, name), owner.namespace, f"{owner.title} on '{name}'")


def ensure_evaluation(session: Session, owner: Owner, dataset: Any) -> Owner:
    """Return the evaluation of an object on a dataset, which is created on its first use.

    Raises
    ------
    RenexError : `invalid_argument` as `evaluation_of`; what the store says when it cannot be written.
    """
    found = evaluation_of(owner, dataset)
    after: dict[str, Any] = {
        "evaluation_id": found.id,
        "owner_kind": owner.kind,
        "owner_id": owner.id,
        "dataset": checked_dataset(dataset),
        "created_at": now(),
    }

    def whole() -> dict[str, Any]:
        version_id = dataset_version_of(session, dataset)
        return after if version_id is None else {**after, "dataset_version_id": version_id}

    try:
        session.store.ensure_all("evaluations", {found.id: whole}, namespace=owner.namespace)
    except (RenexError, OSError):  # written with the next record that the store takes, before the points that wait
        session.unwritten.append(Change("evaluations", found.id, "create", after, namespace=owner.namespace))
        raise
    return found
