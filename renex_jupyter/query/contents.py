"""The rows of datasets and of predictions, where they lie: views on a workbench over Parquet files among the contents.

Nothing is read by opening one. A dataset version without annotations has an empty table with the columns of such.
"""

from __future__ import annotations

from collections.abc import Sequence

from renex_jupyter.errors import RenexError
from renex_jupyter.records.datasets import (
    ANNOTATION_COLUMNS,
    ANNOTATIONS,
    KEY,
    PREDICTION_COLUMNS,
    PREDICTIONS,
    SAMPLES,
    ContentFile,
    DatasetVersion,
    PredictionSet,
)
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.store.workbench import Workbench, quoted


def open_samples(bench: Workbench, blobs: Blobs, version: DatasetVersion, name: str = "samples") -> None:
    """Name the samples of a dataset version on a workbench: `_key`, then the columns of `version.fields`.

    Raises
    ------
    RenexError : `not_found` for a content that is not here.
    """
    _open(bench, blobs, version.files, SAMPLES, {KEY: "VARCHAR"}, name)


def open_annotations(bench: Workbench, blobs: Blobs, version: DatasetVersion, name: str = "annotations") -> None:
    """Name the annotations of a dataset version on a workbench: `ANNOTATION_COLUMNS`; an empty table where it has none.

    Raises
    ------
    RenexError : `not_found` for a content that is not here.
    """
    _open(bench, blobs, version.files, ANNOTATIONS, ANNOTATION_COLUMNS, name)


def open_predictions(bench: Workbench, blobs: Blobs, predictions: PredictionSet, name: str = "predictions") -> None:
    """Name what was predicted on a workbench: `PREDICTION_COLUMNS`, a row per sample, or per box.

    Raises
    ------
    RenexError : `not_found` for a content that is not here.
    """
    _open(bench, blobs, predictions.files, PREDICTIONS, PREDICTION_COLUMNS, name)


def _open(
    bench: Workbench, blobs: Blobs, files: Sequence[ContentFile], role: str, columns: dict[str, str], name: str
) -> None:
    wanted = [each for each in files if each.role == role]
    if not wanted:
        nothing = ", ".join(f"null::{kind} as {quoted(column)}" for column, kind in columns.items())
        bench.run(f"create or replace view {quoted(name)} as select {nothing} limit 0")
        return
    try:
        bench.files(name, [blobs.as_file(each.sha256, bench.folder) for each in wanted])
    except RenexError as error:
        if error.code != "not_found":
            raise
        hint = "It was purged or lost; renex fsck says what is missing. A backup of the store may have it."
        raise RenexError("not_found", f"the {role} are gone: {error.message}", hint) from error
