"""What a look at drift found: how the columns, the predictions and the performance of now differ from a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from html import escape
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, text
from renex_jupyter.records.changes import DERIVED, plain
from renex_jupyter.records.models import Decision

NONE, ATTENTION, ALERT, UNKNOWN = "none", "attention", "alert", "unknown"
LEVELS = (NONE, ATTENTION, ALERT, UNKNOWN)  # unknown: too few rows to say anything
KEEP, INVESTIGATE, RECALIBRATE, RETRAIN, REPLACE, RETIRE = PROPOSALS = (
    "keep",
    "investigate",
    "recalibrate",
    "retrain",
    "replace",
    "retire",
)
COLUMN, PREDICTION, LABEL = "column", "prediction", "label"  # what a result is of
SHOWN = 15  # columns on a card
_PLACE = {ALERT: 0, ATTENTION: 1, UNKNOWN: 2, NONE: 3}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a difference is told, and what a proposal rests on. Every one is an argument of `rx.drift`."""

    attention: float = 0.1  # PSI [1]
    alert: float = 0.25  # PSI [1]
    js: float = 0.1  # Jensen-Shannon distance, base 2 [0..1]
    wasserstein: float = 0.1  # Wasserstein-1 over the standard deviation of the reference [1]
    cramers_v: float = 0.1  # [0..1]
    alpha: float = 0.05  # of the noise floor, over all columns together: how often one alarms though nothing drifts
    auc: float = 0.65  # of the classifier that tells reference from current
    cosine: float = 0.9  # between the centroids of embeddings: less is drift
    tolerance: float = 0.02  # by how much the error may rise, absolute for rates and relative for other errors
    ece: float = 0.05  # expected calibration error up to which a model counts as calibrated
    worst: float | None = None  # the error above which a model is of no use; None: there is no such floor
    least: int = 30  # rows of a window below which nothing is said of it


@dataclass(frozen=True, slots=True)
class Bin:
    """A part of the values of a column, with the rows that have one of them."""

    label: str  # "30 < x <= 40", a category, "NULL", "(other)"
    reference: int
    current: int


@dataclass(frozen=True, slots=True)
class ColumnWindow:
    """One column in one window, against the reference."""

    window: str  # the name of a window: "2026-03-02", "rows 501 to 1,000"
    n: int  # rows
    psi: float | None = None
    floor: float | None = None  # PSI below which it may be noise
    js: float | None = None
    level: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """How one column differs; None where a statistic has no meaning."""

    name: str
    kind: str  # numeric, categorical
    level: str  # none, attention, alert, unknown
    role: str = COLUMN  # column, prediction, label
    n_reference: int = 0  # rows
    n_current: int = 0
    psi: float | None = None  # population stability index over the bins, with half a row added to each
    floor: float | None = None  # PSI below which it may be noise
    js: float | None = None  # Jensen-Shannon distance, base 2
    ks: float | None = None  # Kolmogorov-Smirnov D, numeric
    wasserstein: float | None = None  # Wasserstein-1 over the standard deviation of the reference, numeric
    distance: float | None = None  # Wasserstein-1 in the unit of the column
    chi2: float | None = None  # categorical
    cramers_v: float | None = None
    p_value: float | None = None  # of Kolmogorov-Smirnov or of chi-square
    null_reference: int = 0  # rows without a value
    null_current: int = 0
    new_values: tuple[str, ...] = ()  # categories that the reference does not have, the most frequent first
    bins: tuple[Bin, ...] = ()
    windows: tuple[ColumnWindow, ...] = ()  # in the order of time
    note: str | None = None  # why something is missing

    @property
    def title(self) -> str:
        """Its name, and whether it is what was predicted: a column of the dataset may be called `label`, too."""
        return f"{self.name} (predicted)" if self.role == PREDICTION else self.name

    @property
    def line(self) -> str:
        """The column on one line."""
        said = [f"{self.level:<9}", self.title]
        if self.psi is not None:
            said.append(f"PSI {self.psi:.3f}{f' (noise up to {self.floor:.3f})' if self.floor is not None else ''}")
        for name, value in (("JS", self.js), ("KS", self.ks), ("W", self.wasserstein), ("V", self.cramers_v)):
            if value is not None:
                said.append(f"{name} {value:.3f}")
        if self.new_values:
            more = "..." if len(self.new_values) > 3 else ""
            said.append(f"new: {', '.join(self.new_values[:3])}{more}")
        return "  ".join([*said, *([self.note] if self.note else [])])


@dataclass(frozen=True, slots=True)
class PatternWindow:
    """The error of a named pattern in a window."""

    name: str
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class PerformanceWindow:
    """How a model did in one window: the mean of the error with its interval."""

    window: str  # "reference", "current", or the name of a window
    metric: str  # the error: "error", "absolute", "log_loss"
    n: int  # predicted samples
    n_labelled: int = 0  # of these, those whose truth is known
    value: float | None = None
    low: float | None = None  # the interval, 95 %
    high: float | None = None
    brier: float | None = None
    ece: float | None = None  # expected calibration error, 10 bins of the confidence
    expected: float | None = None  # the error that the confidences promise: mean of 1 - max p; only where calibrated
    entropy: float | None = None  # of the probabilities, mean [bit]
    begin: str | None = None  # the first and the last time or row in it
    end: str | None = None
    patterns: tuple[PatternWindow, ...] = ()

    @property
    def line(self) -> str:
        """The window on one line."""
        if self.value is not None:
            said = f"{self.metric} {self.value:.4g} ({display.number(self.low, 4)} to {display.number(self.high, 4)})"
        else:
            said = f"{self.metric} unknown: no labels"
        more = "" if self.expected is None else f", expected {self.expected:.4g}"
        return f"{self.window}: {said}{more}, {display.count(self.n, 'sample')}"


@dataclass(frozen=True, slots=True, repr=False)
class DriftReport:
    """One look at drift: the columns, the performance, what is proposed and why."""

    drift_report_id: str
    dataset_id: str
    reference_version_id: str
    current_version_id: str
    created_at: datetime
    proposal: str = KEEP  # keep, investigate, recalibrate, retrain, replace, retire
    rule: str = ""  # that fired, in words
    results: tuple[ColumnDrift, ...] = ()  # in the order of the columns; then predictions and label
    performance: tuple[PerformanceWindow, ...] = ()  # first "reference", then "current", then each window
    model_version_id: str | None = None
    run_id: str | None = None
    period: str | None = None  # how windows were made, and from when to when: "at by week, 2026-01-05 to 2026-03-02"
    params: Mapping[str, Any] = field(default_factory=dict)  # the arguments, with every threshold
    facts: Mapping[str, Any] = field(default_factory=dict)  # adversarial, embeddings, change, candidate, left_out
    reference: str = field(default="", metadata=DERIVED)  # of the version, "ns/name:1"
    current: str = field(default="", metadata=DERIVED)
    model: str | None = field(default=None, metadata=DERIVED)  # of the model version, "ns/name:3"
    decisions: tuple[Decision, ...] = field(default=(), metadata=DERIVED)  # what was decided on it, the oldest first

    @property
    def title(self) -> str:
        return f"drift of {self.current or short(self.current_version_id)}: {self.proposal}"

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        """The results at the level attention or alert, the worst first."""
        return tuple(each for each in self.by_level() if each.level in (ALERT, ATTENTION))

    def by_level(self) -> list[ColumnDrift]:
        """Return the results, the worst first."""
        return sorted(self.results, key=lambda each: (_PLACE.get(each.level, 4), -(each.psi or 0.0)))

    def rows(self) -> Rows:
        found = self.by_level()
        more = [f"and {len(found) - SHOWN:,} more (all of them: .results)"] if len(found) > SHOWN else []
        return [
            ("proposal", self.proposal),
            ("rule", self.rule),
            ("reference", self.reference or short(self.reference_version_id)),
            ("current", self.current or short(self.current_version_id)),
            ("model", self.model or short(self.model_version_id)),
            ("period", self.period or ""),
            ("columns", "\n".join([*(each.line for each in found[:SHOWN]), *more])),
            ("performance", "\n".join(each.line for each in self.performance[:SHOWN])),
            ("adversarial", _adversarial(self.facts.get("adversarial"))),
            ("change", _change(self.facts.get("change"))),
            ("left out", display.pairs((self.facts.get("left_out") or {}).items())),
            ("decisions", "\n".join(each.line for each in self.decisions)),
            ("created", display.moment(self.created_at)),
            ("id", self.drift_report_id),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        told = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "created_at"}
        return {**plain(told), "created_at": self.created_at.isoformat()}

    def _repr_html_(self) -> str:
        head = [row for row in self.rows() if row[0] not in ("columns", "performance")]
        return display.card(f"{self.title[:1].upper()}{self.title[1:]}", head) + _columns(self) + _performance(self)

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(text(self))

    def __repr__(self) -> str:
        return text(self)

    __str__ = text


def report_of(row: Mapping[str, Any], **derived: Any) -> DriftReport:
    """Return a report of the columns of its table, whose JSON is loaded: `fields` undone."""
    known = {each.name for each in fields(DriftReport) if "derived" not in each.metadata}
    given = {name: value for name, value in row.items() if name in known and value is not None}
    given["results"] = tuple(_result(each) for each in given.get("results") or ())
    given["performance"] = tuple(_window(each) for each in given.get("performance") or ())
    return DriftReport(**given, **derived)


def _result(said: Mapping[str, Any]) -> ColumnDrift:
    known = _known(ColumnDrift, said)
    known["bins"] = tuple(Bin(**_known(Bin, each)) for each in known.get("bins") or ())
    known["windows"] = tuple(ColumnWindow(**_known(ColumnWindow, each)) for each in known.get("windows") or ())
    known["new_values"] = tuple(known.get("new_values") or ())
    return ColumnDrift(**known)


def _window(said: Mapping[str, Any]) -> PerformanceWindow:
    known = _known(PerformanceWindow, said)
    known["patterns"] = tuple(PatternWindow(**_known(PatternWindow, each)) for each in known.get("patterns") or ())
    return PerformanceWindow(**known)


def _known(kind: Any, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record knows of what was written, perhaps by a later version."""
    return {each.name: said[each.name] for each in fields(kind) if each.name in said}


def _adversarial(said: Mapping[str, Any] | None) -> str:
    if not said or said.get("auc") is None:
        return str((said or {}).get("note") or "")
    most = ", ".join(f"{name} {value:.3f}" for name, value in list((said.get("importances") or {}).items())[:5])
    return f"AUC {said['auc']:.3f}{f' by {most}' if most else ''}"


def _change(said: Mapping[str, Any] | None) -> str:
    if not said or said.get("at") is None:
        return ""
    return f"the error rises from about {said['since']} on; seen at {said['at']}"


_HEAD = "text-align:left;font-weight:600;padding:2px 12px 2px 0"
_NUMBER = "text-align:right;padding:2px 12px 2px 0"
_WORD = "text-align:left;padding:2px 12px 2px 0;white-space:pre-wrap"


def _columns(report: DriftReport) -> str:
    names = ("level", "column", "PSI", "noise up to", "JS", "KS", "W / std", "V", "p", "note")
    lines: list[_Line] = []
    for each in report.by_level()[: SHOWN * 2]:
        numbers = (each.psi, each.floor, each.js, each.ks, each.wasserstein, each.cramers_v, each.p_value)
        told = each.note or (f"new: {', '.join(each.new_values[:5])}" if each.new_values else "")
        lines.append(([each.level, each.title], numbers, [told]))
    return _table(names, lines) if lines else ""


def _performance(report: DriftReport) -> str:
    names = ("window", "error", "value", "low", "high", "Brier", "ECE", "expected", "samples", "labelled")
    lines: list[_Line] = []
    for each in report.performance[: SHOWN * 4]:
        numbers = (each.value, each.low, each.high, each.brier, each.ece, each.expected, each.n, each.n_labelled)
        lines.append(([each.window, each.metric], numbers, []))
    return _table(names, lines) if lines else ""


_Line = tuple[list[str], Sequence[float | None], list[str]]  # words, numbers, words


def _table(names: Sequence[str], lines: Sequence[_Line]) -> str:
    head = "".join(f'<th style="{_HEAD}">{escape(name)}</th>' for name in names)
    body = []
    for before, numbers, after in lines:
        cells = [f'<td style="{_WORD}">{escape(each)}</td>' for each in before]
        cells += [
            f'<td style="{_NUMBER}">{"" if each is None else escape(display.number(each, 4))}</td>' for each in numbers
        ]
        cells += [f'<td style="{_WORD}">{escape(each)}</td>' for each in after]
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f'<table style="border-collapse:collapse;font-size:13px"><tr>{head}</tr>{"".join(body)}</table>'
