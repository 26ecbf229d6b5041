"""What predictions are worth on a version of a dataset: metrics, scores of the classes, confusion, calibration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from renex_jupyter.records import display
from renex_jupyter.records.small_tables import Texts, html_table, text_table

if TYPE_CHECKING:
    import pandas as pd

NO_TRUTH, NO_PREDICTION = "(no ground truth)", "(no prediction)"
SHOWN_CLASSES, SHOWN_MATRIX = 20, 10  # most classes of a table, and of a matrix, in a cell or a terminal


@dataclass(frozen=True, slots=True)
class Count:
    """How often something was predicted of something."""

    actual: str | None  # None: there is no ground truth
    predicted: str | None  # None: there is no prediction
    n: int


@dataclass(frozen=True, slots=True)
class ClassScores:
    """How well one class is found."""

    label: str
    precision: float  # 0 where it was never predicted, as in scikit-learn
    recall: float  # 0 where there is none
    f1: float
    support: int  # samples, or boxes, of this class with a prediction
    predicted: int  # that were said to be of it
    roc_auc: float | None = None  # against the rest
    average_precision: float | None = None


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Samples of about the same probability."""

    low: float  # not in the bin, but in the first one
    high: float
    n: int
    predicted: float  # their mean probability
    observed: float  # the share that is true


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether probabilities mean what they say."""

    positive: str | None  # the class whose probability it is; None: that of the predicted class
    n: int
    strategy: str  # uniform: bins of equal width; quantile: of equally many samples
    bins: tuple[CalibrationBin, ...]  # without empty ones
    ece: float  # expected calibration error: the mean gap over the samples
    largest_gap: float
    brier: float  # reliability - resolution + uncertainty + within_bins
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float  # what the bins hide

    @property
    def frame(self) -> pd.DataFrame:
        """The bins: low, high, n, predicted, observed."""
        import pandas as pd

        names = [each.name for each in dataclasses.fields(CalibrationBin)]
        return pd.DataFrame([dataclasses.astuple(each) for each in self.bins], columns=names)

    @property
    def title(self) -> str:
        of = f"of '{self.positive}'" if self.positive is not None else "of the predicted class"
        return f"calibration of the probability {of} over {display.count(self.n, 'sample')}"

    def _numbers(self) -> str:
        names = ("ece", "largest_gap", "brier", "reliability", "resolution", "uncertainty", "within_bins")
        return display.pairs(((name, getattr(self, name)) for name in names), 4)

    def _table(self) -> tuple[list[str], Texts]:
        rows = [
            [
                f"{display.number(each.low, 3)} to {display.number(each.high, 3)}",
                f"{each.n:,}",
                f"{each.predicted:.4f}",
                f"{each.observed:.4f}",
            ]
            for each in self.bins
        ]
        return ["probability", "n", "predicted", "observed"], rows

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return "\n".join([display.printable(self.title), f"  {self._numbers()}", text_table(*self._table())])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        head = display.card(f"{self.title[:1].upper()}{self.title[1:]}", [("measures", self._numbers())])
        return f"<div>{head}{html_table('', *self._table())}</div>"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What predictions are worth on a version of a dataset."""

    dataset: str  # reference of the version: "default/adult:2"
    dataset_version_id: str
    predictions: str  # title of the prediction set
    prediction_set_id: str
    task: str
    n: int  # samples that have both truth and prediction; of detection: true boxes
    samples: int  # of the version
    without_truth: int = 0  # that have a prediction
    without_prediction: int = 0  # whose truth is known; of detection: nothing was found in them
    metrics: Mapping[str, float] = field(default_factory=dict)
    classes: tuple[ClassScores, ...] = ()
    counts: tuple[Count, ...] = ()
    positive: str | None = None  # the class that precision, recall and the areas are of, where there are two
    iou: float | None = None  # of detection: from which overlap a box is found
    model: str | None = None  # reference of the model version
    model_version_id: str | None = None
    logged: bool = False  # whether the metrics were logged on the model version
    notes: tuple[str, ...] = ()  # what must be known to read it

    @property
    def per_class(self) -> pd.DataFrame:
        """The classes: label, precision, recall, f1, support, predicted, roc_auc, average_precision."""
        import pandas as pd

        names = [each.name for each in dataclasses.fields(ClassScores)]
        return pd.DataFrame([dataclasses.astuple(each) for each in self.classes], columns=names)

    @property
    def confusion(self) -> pd.DataFrame:
        """How often each class (the index) was predicted as each (the columns); with what is not known, where there is any."""
        return confusion_frame(self.counts, [each.label for each in self.classes])

    @property
    def title(self) -> str:
        return f"evaluation of {self.predictions}"

    def rows(self) -> list[tuple[str, str]]:
        """Return name and text of what there is to say, without the tables."""
        what = "true box" if self.iou is not None else "sample"
        size = f"{display.count(self.n, what)}{'' if self.iou is not None else f' of {self.samples:,}'}"
        without = [(self.without_truth, "without ground truth"), (self.without_prediction, "without prediction")]
        return [
            ("measured on", ", ".join([size, *(f"{n:,} {word}" for n, word in without if n)])),
            ("positive class", self.positive or ""),
            ("overlap", f"from {self.iou}" if self.iou is not None else ""),
            ("metrics", display.pairs(self.metrics.items(), 4)),
            ("logged on", f"model version {self.model}" if self.logged else ""),
            *(("note", each) for each in self.notes),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        tables = [text_table(heads, rows) for _, heads, rows in self._tables()]
        return "\n".join([display.text_card(self.title, self.rows()), *tables])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """Return the same, escaped."""
        head = display.card(f"{self.title[:1].upper()}{self.title[1:]}", self.rows())
        return f"<div>{head}{''.join(html_table(*each) for each in self._tables())}</div>"

    def _tables(self) -> list[tuple[str, list[str], Texts]]:
        if not self.classes:
            return []
        names = ["precision", "recall", "f1"]
        names += [
            each for each in ("roc_auc", "average_precision") if any(getattr(c, each) is not None for c in self.classes)
        ]
        rows = [
            [each.label, *(_score(getattr(each, name)) for name in names), f"{each.support:,}"]
            for each in self.classes[:SHOWN_CLASSES]
        ]
        left = len(self.classes) - SHOWN_CLASSES
        if left > 0:
            rows.append([f"and {left:,} more", *[""] * (len(names) + 1)])
        return [("", ["class", *(each.replace("_", " ") for each in names), "support"], rows), *self._matrix()]

    def _matrix(self) -> list[tuple[str, list[str], Texts]]:
        if not self.counts or len(self.classes) > SHOWN_MATRIX:
            return []
        frame = self.confusion
        rows = [
            [str(name), *(f"{int(n):,}" for n in row)] for name, row in zip(frame.index, frame.to_numpy(), strict=True)
        ]
        return [("", ["actual \\ predicted", *map(str, frame.columns)], rows)]


def confusion_frame(counts: tuple[Count, ...], classes: list[str]) -> pd.DataFrame:
    """Return counts as a matrix: the index is what is true, the columns what was predicted.

    What has no ground truth, and what no prediction, has a row and a column where there is any.
    """
    import pandas as pd

    seen = {name for each in counts for name in (each.actual, each.predicted)}
    labels = [*classes, *sorted(each for each in seen - set(classes) if each is not None)]
    rows = [*labels, *([None] if any(each.actual is None for each in counts) else [])]
    columns = [*labels, *([None] if any(each.predicted is None for each in counts) else [])]
    times = {(each.actual, each.predicted): each.n for each in counts}
    matrix = [[times.get((actual, predicted), 0) for predicted in columns] for actual in rows]
    return pd.DataFrame(
        matrix,
        index=pd.Index([NO_TRUTH if each is None else each for each in rows], name="actual", dtype=object),
        columns=pd.Index([NO_PREDICTION if each is None else each for each in columns], name="predicted", dtype=object),
    )


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
