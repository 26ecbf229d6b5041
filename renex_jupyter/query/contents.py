"""The rows of datasets and of predictions, where they lie: views on a workbench over Parquet files among the contents.

Nothing is read by opening one. A dataset version without annotations has an empty table with the columns of such.
"""

from __future__ import annotations

from collections.abc import Sequence

from renex_jupyter.errors import RenexError
from renex_jupyter.records.datasets import (
    ANNOTATIONS,
    KEY,
    PREDICTIONS,
    SAMPLES,
    ContentFile,
    DatasetVersion,
    PredictionSet,
)
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.store.workbench import Workbench, quoted

ANNOTATION_COLUMNS = {
    KEY: "VARCHAR",
    "annotation_id": "VARCHAR",
    "annotator": "VARCHAR",
    "kind": "VARCHAR",  # class, box, polygon, mask, span, value
    "label": "VARCHAR",
    "value": "DOUBLE",
    "x": "DOUBLE",  # pixels, of the left edge
    "y": "DOUBLE",  # pixels, of the top edge
    "w": "DOUBLE",
    "h": "DOUBLE",
    "polygon": "DOUBLE[]",  # pixels: x, y, x, y, ...
    "mask": "VARCHAR",  # run lengths, as JSON of COCO
    "begin_at": "BIGINT",  # characters of the text
    "end_at": "BIGINT",
    "text": "VARCHAR",
    "is_crowd": "BOOLEAN",
    "attributes": "VARCHAR",  # JSON
}
PREDICTION_COLUMNS = {
    KEY: "VARCHAR",
    "label": "VARCHAR",
    "score": "DOUBLE",
    "value": "DOUBLE",
    "probabilities": "DOUBLE[]",  # in the order of the classes of the set
    "x": "DOUBLE",
    "y": "DOUBLE",
    "w": "DOUBLE",
    "h": "DOUBLE",
    "begin_at": "BIGINT",
    "end_at": "BIGINT",
    "text": "VARCHAR",
}


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
