"""Points of metric series."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from renex_jupyter.records.cards import Rows, html, pretty, text

SYSTEM = "system/"  # what keys begin with of which the machine is measured, and not what the run is about


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one key, at one step of its owner."""

    owner_kind: str  # run, checkpoint, model, model_version, experiment, evaluation, ...
    owner_id: str
    key: str  # "val/loss"; a slash groups charts
    step: int  # given by the user, may repeat and go back
    wallclock: datetime  # UTC, when it was logged
    value: float | None  # unit as logged; NaN and inf are kept
    text_value: str | None = None  # text as logged, or the exact number where `value` is only the nearest
    bytes_value: bytes | None = None  # bytes as logged, or an array in C order, little-endian
    dtype: str | None = None  # how to read the text or the bytes, such as "int" or "float32"
    shape: str | None = None  # of an array, such as "[2,3]"


GOALS = ("min", "max")
SUMMARIES = ("last", "min", "max", "mean")


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """What the values of one key mean, wherever they were logged."""

    key: str
    goal: str | None = None  # min or max: which values are better
    summary: str | None = None  # last, min, max, mean: the one value that says a series; None: the best, else the last
    unit: str | None = None  # such as "s" or "%"
    description: str | None = None

    @property
    def title(self) -> str:
        return f"metric '{self.key}'"

    def rows(self) -> Rows:
        return [
            ("goal", self.goal or ""),
            ("summary", self.summary or self.goal or "last"),
            ("unit", self.unit or ""),
            ("description", self.description or ""),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html
