"""Both sides of a look at drift with what a model said of them."""

from __future__ import annotations

from dataclasses import dataclass

from renex_jupyter.errors import RenexError
from renex_jupyter.query import datasets as query
from renex_jupyter.records.datasets import DatasetVersion, PredictionSet
from renex_jupyter.session.current import Session


@dataclass(frozen=True, slots=True)
class Side:
    """A dataset version with what a model said of it."""

    name: str  # reference, current
    version: DatasetVersion
    predictions: PredictionSet


def find_sides(
    session: Session, reference: DatasetVersion, current: DatasetVersion, model: object
) -> tuple[Side | None, Side]:
    """Return both sides with the predictions of a model; the reference may have none.

    Raises
    ------
    RenexError : `not_found` where there are none on the current version.
    """
    read, namespace = session.store.reader, session.namespace
    row = query.find_prediction_set(read, model, dataset_version_id=current.dataset_version_id, namespace=namespace)
    found = Side("current", current, query.as_prediction_set(read, row))
    same = reference.dataset_version_id == current.dataset_version_id
    wanted = found.predictions if same else _again(model, found.predictions)
    try:
        row = query.find_prediction_set(
            read, wanted, dataset_version_id=reference.dataset_version_id, namespace=namespace
        )
    except RenexError as error:
        if error.code not in ("not_found", "invalid_argument"):
            raise
        return None, found
    return Side("reference", reference, query.as_prediction_set(read, row)), found


def _again(model: object, found: PredictionSet) -> object:
    """Return what names the predictions of the same model on another version: the model, not one set of it."""
    return found.model if found.model is not None else found.name or model
