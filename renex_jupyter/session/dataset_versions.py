"""Versions of a dataset: find, list, look at what they hold, compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis.dataset_diff import diff_versions
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.query import datasets as query
from renex_jupyter.query.contents import open_annotations, open_samples
from renex_jupyter.query.predicate_columns import known_column
from renex_jupyter.records.dataset_diffs import DatasetDiff
from renex_jupyter.records.datasets import Dataset, DatasetVersion
from renex_jupyter.records.predicates import Predicate
from renex_jupyter.session.current import current
from renex_jupyter.session.filters import as_predicate
from renex_jupyter.session.models import given_namespace
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import Workbench, quoted

if TYPE_CHECKING:
    import pandas as pd

Open = Callable[[Workbench, Blobs, DatasetVersion, str], None]


def get_dataset_version(ref: str | Dataset | DatasetVersion, namespace: str | None = None) -> DatasetVersion:
    """Return a version by `adult` (the newest), `adult:3`, `vision/digits:3`, its id or a unique prefix of it.

    Raises
    ------
    RenexError : `not_found` with what is near, `ambiguous`, `invalid_argument`.
    """
    session = current()
    return query.get_dataset_version(session.store.reader, ref, given_namespace(session, namespace))


def list_dataset_versions(name: str | Dataset | DatasetVersion, namespace: str | None = None) -> pd.DataFrame:
    """Return the versions of a dataset as a DataFrame, the newest first.

    Returns
    -------
    Columns: version, n_samples, n_annotations, message, splits [{name: samples}], fields [count], size [bytes], source,
    created_at [UTC], created_by, run_id, digest, dataset_version_id.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    import pandas as pd

    session = current()
    read = session.store.reader
    row = query.find_dataset(read, name, given_namespace(session, namespace))
    return pd.DataFrame([_listed(each) for each in query.versions_of(read, row["dataset_id"])], columns=list(_COLUMNS))


def dataset_samples(
    ref: str | Dataset | DatasetVersion,
    *,
    where: str | Mapping[str, Any] | Predicate | None = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """Return samples of a version as a DataFrame, in their order: `_key`, then the columns of the user.

    Parameters
    ----------
    where : a text such as "age >= 30 and sex = 'F'", a predicate, or a failure pattern; None: all of them.
    columns : None: all of them.
    limit : most rows; None: all of them.

    Raises
    ------
    RenexError : `invalid_argument` for a condition or a column that is none; `not_found`, `ambiguous`.
    """
    return _rows(ref, open_samples, where, columns, limit)


def dataset_annotations(
    ref: str | Dataset | DatasetVersion,
    *,
    where: str | Mapping[str, Any] | Predicate | None = None,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """Return annotations of a version as a DataFrame; its columns are those of docs/datasets.md.

    Parameters
    ----------
    where, columns, limit : as of `dataset_samples`.
    """
    return _rows(ref, open_annotations, where, columns, limit)


def diff_datasets(a: str | Dataset | DatasetVersion, b: str | Dataset | DatasetVersion) -> DatasetDiff:
    """Return what differs from one version to another: samples by their keys, columns, fields, annotations.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    session = current()
    read, blobs = session.store.reader, session.store.blobs
    versions = [query.get_dataset_version(read, each, session.namespace) for each in (a, b)]
    with Workbench() as bench:
        for each, side in zip(versions, "ab", strict=True):
            open_samples(bench, blobs, each, f"samples_{side}")
            open_annotations(bench, blobs, each, f"annotations_{side}")
        return diff_versions(bench, *versions)


def _rows(
    ref: str | Dataset | DatasetVersion,
    opened: Open,
    where: str | Mapping[str, Any] | Predicate | None,
    columns: Sequence[str] | None,
    limit: int | None,
) -> pd.DataFrame:
    session = current()
    version = query.get_dataset_version(session.store.reader, ref, session.namespace)
    if limit is not None and (type(limit) is not int or limit < 0):
        raise invalid_argument(f"limit {shown(limit)} is no number of rows.", "Give a whole number from 0, or None.")
    if isinstance(columns, str):
        columns = [columns]
    with Workbench() as bench:
        opened(bench, session.store.blobs, version, "held")
        there = bench.columns("held")
        chosen = "*" if columns is None else ", ".join(quoted(known_column(each, there)) for each in columns)
        sql, values = condition(as_predicate(where, there))
        most = "" if limit is None else f" limit {limit}"
        return bench.frame(f"select {chosen} from held where {sql}{most}", values)


_COLUMNS = (
    "version", "n_samples", "n_annotations", "message", "splits", "fields", "size", "source", "created_at", "created_by",
    "run_id", "digest", "dataset_version_id",
)  # fmt: skip


def _listed(version: DatasetVersion) -> dict[str, Any]:
    return {
        **{name: getattr(version, name) for name in _COLUMNS if name not in ("fields", "size", "splits")},
        "splits": dict(version.splits),
        "fields": len(version.fields),
        "size": sum(each.size for each in version.files),
    }
