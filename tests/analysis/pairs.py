"""Samples and predictions on a workbench, as a dataset version and a prediction set have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from renex_jupyter.records.datasets import DatasetVersion, Field, PredictionSet
from renex_jupyter.store.workbench import Workbench

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PREDICTED = pa.schema(
    [
        ("_key", pa.string()),
        ("label", pa.string()),
        ("score", pa.float64()),
        ("value", pa.float64()),
        ("probabilities", pa.list_(pa.float64())),
        *((name, pa.float64()) for name in "xywh"),
        ("begin_at", pa.int64()),
        ("end_at", pa.int64()),
        ("text", pa.string()),
    ]
)
ANNOTATED = pa.schema(
    [
        *((name, pa.string()) for name in ("_key", "annotation_id", "annotator", "kind", "label")),
        ("value", pa.float64()),
        *((name, pa.float64()) for name in "xywh"),
        ("polygon", pa.list_(pa.float64())),
        ("mask", pa.string()),
        ("begin_at", pa.int64()),
        ("end_at", pa.int64()),
        ("text", pa.string()),
        ("is_crowd", pa.bool_()),
        ("attributes", pa.string()),
    ]
)


def a_version(*, target: str | None = "y", task: str | None = None, **fields: str) -> DatasetVersion:
    """A version whose samples have a target, and fields of name and role."""
    roles = {**({target: "target"} if target else {}), **fields}
    found = tuple(Field(name, "VARCHAR", role) for name, role in roles.items())
    return DatasetVersion("v" * 8, "d" * 8, "some", 1, "0" * 64, 0, NOW, task=task, fields=found)


def some_predictions(*, classes: Sequence[str] = (), task: str | None = None) -> PredictionSet:
    return PredictionSet("p" * 8, "v" * 8, NOW, classes=tuple(classes), task=task)


@contextmanager
def laid_out(
    samples: Mapping[str, Any],
    predictions: Sequence[Mapping[str, Any]] | Mapping[str, Any],
    annotations: Sequence[Mapping[str, Any]] = (),
) -> Iterator[Workbench]:
    """A workbench with samples (columns), predictions (columns or rows) and annotations (rows); keys are row numbers."""
    with Workbench(threads=1) as bench:
        columns = dict(samples)
        columns.setdefault("_key", [str(n) for n in range(len(next(iter(columns.values()))))])
        bench.take("samples", pa.table(columns))
        lay(bench, "predictions", predictions, PREDICTED)
        lay(bench, "annotations", annotations, ANNOTATED)
        yield bench


def lay(bench: Workbench, name: str, given: Any, schema: pa.Schema = PREDICTED) -> None:
    """Name predictions on a workbench."""
    if isinstance(given, Mapping):
        columns = dict(given)
        columns.setdefault("_key", [str(n) for n in range(len(next(iter(columns.values()))))])
        n = len(columns["_key"])
        bench.take(
            name, pa.table({f.name: pa.array(columns.get(f.name, [None] * n), f.type) for f in schema}, schema=schema)
        )
    else:
        bench.take(name, pa.Table.from_pylist([dict(row) for row in given], schema=schema))
