"""Evaluations on datasets: what something reached on one. They own the metrics of that."""

from __future__ import annotations

from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.ids import content_id
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.owners import Owner
from renex_jupyter.session.current import Session
from renex_jupyter.session.points import checked_name

KIND = "evaluation"


def evaluation_id(owner: Owner, dataset: str) -> str:
    """Return the id of the evaluation of an object on a dataset, which there is one of."""
    return content_id([KIND, owner.kind, owner.id, dataset])[:32]


def checked_dataset(dataset: Any) -> str:
    """Return the name of a dataset, if it can be one.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    return checked_name("dataset", dataset, 'dataset="test"')


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
    after = {
        "evaluation_id": found.id,
        "owner_kind": owner.kind,
        "owner_id": owner.id,
        "dataset": checked_dataset(dataset),
        "created_at": now(),
    }
    try:
        session.store.ensure("evaluations", found.id, after, namespace=owner.namespace)
    except (RenexError, OSError):  # written with the next record that the store takes, before the points that wait
        session.unwritten.append(Change("evaluations", found.id, "create", after, namespace=owner.namespace))
        raise
    return found
