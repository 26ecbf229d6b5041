"""Versions of a dataset: find, list, and look at what they hold."""

from __future__ import annotations

from renex_jupyter.query import datasets as query
from renex_jupyter.records.datasets import Dataset, DatasetVersion
from renex_jupyter.session.current import current
from renex_jupyter.session.models import given_namespace


def get_dataset_version(ref: str | Dataset | DatasetVersion, namespace: str | None = None) -> DatasetVersion:
    """Return a version by `adult` (the newest), `adult:3`, `vision/digits:3`, its id or a unique prefix of it.

    Raises
    ------
    RenexError : `not_found` with what is near, `ambiguous`, `invalid_argument`.
    """
    session = current()
    return query.get_dataset_version(session.store.reader, ref, given_namespace(session, namespace))
