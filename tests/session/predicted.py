"""Datasets and predictions of a real store, laid down as the functions of datasets write them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from renex_jupyter.ids import new_id
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.datasets import ContentFile, DatasetVersion, Field, PredictionSet
from renex_jupyter.session.current import current
from renex_jupyter.store.workbench import Workbench

COLUMNS = (
    "_key varchar, label varchar, score double, value double, probabilities double[], x double, y double, w double, "
    "h double, begin_at bigint, end_at bigint, text varchar"
)


def kept(frame: pd.DataFrame, role: str, select: str = "*") -> ContentFile:
    """Keep a frame as a Parquet file among the contents."""
    with Workbench(threads=1) as bench:
        bench.take("frame", frame)
        path = Path(bench.folder) / "rows.parquet"
        rows = bench.write(f"select {select} from frame", path)
        data = path.read_bytes()
        types = bench.columns(f"(select {select} from frame)")
    sha256 = current().store.blobs.put(data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    kept.types = types  # type: ignore[attr-defined]
    return ContentFile(role, sha256, len(data), rows)


def a_dataset(
    frame: pd.DataFrame, name: str = "adult", *, version: int = 1, dataset_id: str | None = None, **roles: str
) -> DatasetVersion:
    """A version of a dataset; keys are row numbers unless there is a `_key`; roles by column, such as y="target"."""
    session = current()
    session.begin()
    frame = frame if "_key" in frame else frame.assign(_key=[str(n) for n in range(len(frame))])
    file = kept(frame[["_key", *(each for each in frame if each != "_key")]], "samples")
    types = kept.types  # type: ignore[attr-defined]
    said = tuple(Field(each, types[each], roles.get(each, "attribute")) for each in types if each != "_key")
    dataset_id = dataset_id or new_id()
    if version == 1:
        row = {"dataset_id": dataset_id, "namespace": "default", "name": name, "created_at": now()}
        session.store.write(Change("datasets", dataset_id, "create", row, namespace="default"))
    made = DatasetVersion(
        new_id(), dataset_id, name, version, file.sha256, len(frame), now(), fields=said, files=(file,)
    )
    session.store.write(
        Change("dataset_versions", made.dataset_version_id, "create", fields(made), namespace="default")
    )
    return made


def predicted(
    version: DatasetVersion, labels: Any, *, model_version_id: str | None = None, keys: Any = None, name: str | None = None,
    column: str = "label",
) -> PredictionSet:  # fmt: skip
    """A set of predictions on a version, in the order of its samples unless there are keys."""
    session = current()
    keys = [str(n) for n in range(len(labels))] if keys is None else list(keys)
    frame = pd.DataFrame({"_key": keys, column: labels})
    names = [each.split()[0] for each in COLUMNS.split(", ")]
    types = dict(each.split() for each in COLUMNS.split(", "))
    select = ", ".join(
        f"{each}::{types[each]} as {each}" if each in frame else f"null::{types[each]} as {each}" for each in names
    )
    file = kept(frame, "predictions", select)
    made = PredictionSet(
        new_id(), version.dataset_version_id, now(), name, model_version_id=model_version_id, n_predictions=len(keys),
        n_samples=len(keys), files=(file,),
    )  # fmt: skip
    session.store.write(Change("prediction_sets", made.prediction_set_id, "create", fields(made), namespace="default"))
    return made
