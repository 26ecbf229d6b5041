"""A version of a dataset and what was predicted on it, laid on a workbench."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from renex_jupyter.errors import invalid_argument
from renex_jupyter.query import datasets as query
from renex_jupyter.query.contents import open_annotations, open_predictions, open_samples
from renex_jupyter.records.datasets import DatasetVersion, PredictionSet
from renex_jupyter.session.current import Session
from renex_jupyter.store.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Laid:
    """Views of a workbench: `samples`, `annotations`, and those of predictions."""

    bench: Workbench
    version: DatasetVersion
    sets: dict[str, PredictionSet]  # by the name of their view

    @property
    def predictions(self) -> PredictionSet:
        """The one set of predictions, whose view is `predictions`."""
        return self.sets["predictions"]


def chosen(predictions: object, model: object) -> object:
    """Return what is asked for: predictions, or the newest ones of a model; None: the newest of all.

    Raises
    ------
    RenexError : `invalid_argument` for both.
    """
    if predictions is not None and model is not None:
        raise invalid_argument("predictions and model= both name what was predicted.", "Give one of them.")
    return model if predictions is None else predictions


@contextmanager
def laid_open(session: Session, dataset: object, **wanted: object) -> Iterator[Laid]:
    """Lay a version of a dataset and predictions on a workbench, which is gone after the block.

    Parameters
    ----------
    dataset : reference, id or record; without a version the newest that is.
    wanted : by the name of a view, predictions as `chosen` returns them.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    read, home = session.store.reader, session.namespace
    version = query.as_dataset_version(read, query.find_dataset_version(read, dataset, home))
    sets = {
        view: query.as_prediction_set(
            read,
            query.find_prediction_set(read, each, dataset_version_id=version.dataset_version_id, namespace=home),
        )
        for view, each in wanted.items()
    }
    blobs = session.store.blobs
    with Workbench() as bench:
        open_samples(bench, blobs, version)
        open_annotations(bench, blobs, version)
        for view, each in sets.items():
            open_predictions(bench, blobs, each, view)
        yield Laid(bench, version, sets)
