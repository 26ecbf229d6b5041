"""Datasets, their versions, and what models predicted on these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.changes import DERIVED
from renex_jupyter.records.experiments import DEFAULT_NAMESPACE

KEY = "_key"  # the column of a sample's key in every file: the user's key as text, or the number of the row
SAMPLES, ANNOTATIONS, PREDICTIONS = "samples", "annotations", "predictions"  # roles of files
CLASSIFICATION, REGRESSION, DETECTION, TEXT = "classification", "regression", "detection", "text"
TASKS = (CLASSIFICATION, REGRESSION, DETECTION, TEXT)
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
KINDS = ("class", "box", "polygon", "mask", "span", "value")  # of annotations
ATTRIBUTE = "attribute"  # the role of a field that has no other
ROLES = ("key", "target", "split", "text", "image", "time", "embedding", ATTRIBUTE)


@dataclass(frozen=True, slots=True)
class Field:
    """One column of the samples of a dataset."""

    name: str
    type: str  # as DuckDB says it: "BIGINT", "VARCHAR", "FLOAT[]"
    role: str = ATTRIBUTE  # one of ROLES


@dataclass(frozen=True, slots=True)
class ContentFile:
    """A Parquet file among the contents of the store."""

    role: str  # samples, annotations, predictions
    sha256: str
    size: int  # bytes
    rows: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """What the versions of a dataset have in common."""

    dataset_id: str
    name: str
    created_at: datetime
    namespace: str = DEFAULT_NAMESPACE
    task: str | None = None  # classification, regression, detection, text
    owner: str | None = None
    description: str | None = None
    metadata: Mapping[str, Any] | None = None
    starred: bool = False
    archived: bool = False
    versions: int = field(default=0, metadata=DERIVED)
    latest: int | None = field(default=None, metadata=DERIVED)  # number of the newest version

    @property
    def title(self) -> str:
        marks = [word for word, holds in (("starred", self.starred), ("archived", self.archived)) if holds]
        return f"dataset '{self.reference}'" + (f" ({', '.join(marks)})" if marks else "")

    @property
    def reference(self) -> str:
        """The text that means it wherever a dataset is asked for."""
        return f"{self.namespace}/{self.name}"

    def rows(self) -> Rows:
        return [
            ("task", self.task or ""),
            ("description", self.description or ""),
            ("owner", self.owner or ""),
            ("versions", f"{self.versions:,}"),
            ("metadata", display.pairs((self.metadata or {}).items())),
            ("created", display.moment(self.created_at)),
            ("id", self.dataset_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """The whole content of a dataset at one time; it never changes."""

    dataset_version_id: str
    dataset_id: str
    dataset: str = field(metadata=DERIVED)
    version: int  # from 1
    digest: str  # SHA-256 of fields, samples and annotations, whatever the order of the rows
    n_samples: int
    created_at: datetime
    namespace: str = field(default=DEFAULT_NAMESPACE, metadata=DERIVED)
    task: str | None = field(default=None, metadata=DERIVED)
    n_annotations: int = 0
    fields: tuple[Field, ...] = ()  # in the order of the columns
    classes: tuple[str, ...] = ()  # of the target or the annotations
    splits: Mapping[str, int] = field(default_factory=dict)  # name -> samples
    files: tuple[ContentFile, ...] = ()
    parent_id: str | None = None  # the version that it was made of
    message: str | None = None
    source: str | None = None
    run_id: str | None = None  # in which it was made
    created_by: str | None = None

    @property
    def reference(self) -> str:
        """The text that means it wherever a version is asked for."""
        return f"{self.namespace}/{self.dataset}:{self.version}"

    @property
    def title(self) -> str:
        return f"dataset version {self.reference}"

    def named(self, role: str) -> tuple[str, ...]:
        """Return the names of the fields that have a role."""
        return tuple(each.name for each in self.fields if each.role == role)

    @property
    def target(self) -> str | None:
        """The name of the field that models are to predict; None where the annotations say it."""
        return next(iter(self.named("target")), None)

    def rows(self) -> Rows:
        return [
            ("message", self.message or ""),
            ("task", self.task or ""),
            ("samples", f"{self.n_samples:,}"),
            ("annotations", f"{self.n_annotations:,}" if self.n_annotations else ""),
            ("fields", ", ".join(f"{each.name} ({each.role})" for each in self.fields[:12])),
            ("classes", ", ".join(self.classes[:12])),
            ("splits", ", ".join(f"{name} {count:,}" for name, count in self.splits.items())),
            ("digest", short(self.digest)),
            ("source", self.source or ""),
            ("size", display.size(sum(each.size for each in self.files))),
            ("created", display.moment(self.created_at)),
            ("id", self.dataset_version_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class PredictionSet:
    """What a model version, or anything else, said of the samples of a dataset version."""

    prediction_set_id: str
    dataset_version_id: str
    created_at: datetime
    name: str | None = None
    dataset: str | None = field(default=None, metadata=DERIVED)  # reference of the dataset version, "ns/name:3"
    model: str | None = field(default=None, metadata=DERIVED)  # reference of the model version, "ns/name:3"
    model_version_id: str | None = None
    run_id: str | None = None
    task: str | None = None
    classes: tuple[str, ...] = ()  # in the order of the probabilities
    n_predictions: int = 0
    n_samples: int = 0  # of the version that have one or more
    digest: str | None = None
    files: tuple[ContentFile, ...] = ()
    created_by: str | None = None

    @property
    def title(self) -> str:
        of = self.model or self.name or short(self.prediction_set_id)
        return f"predictions of {of} on {self.dataset or short(self.dataset_version_id)}"

    def rows(self) -> Rows:
        return [
            ("predictions", f"{self.n_predictions:,}"),
            ("samples", f"{self.n_samples:,}"),
            ("classes", ", ".join(self.classes[:12])),
            ("run", short(self.run_id) if self.run_id else ""),
            ("created", display.moment(self.created_at)),
            ("id", self.prediction_set_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html
