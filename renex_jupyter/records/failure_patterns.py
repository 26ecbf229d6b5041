"""Failure patterns: where a model is wrong more often than elsewhere, how that was tested, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from dataclasses import fields as members
from datetime import datetime
from html import escape
from typing import Any, overload

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.changes import DERIVED
from renex_jupyter.records.changes import fields as set_fields
from renex_jupyter.records.predicates import Predicate, to_json

CONFIRMED, NOT_CONFIRMED, TOO_SMALL = "confirmed", "not confirmed", "too small"  # statuses
STATUSES = (CONFIRMED, NOT_CONFIRMED, TOO_SMALL)
WORSE, BETTER, SAME = "worse", "better", "same"  # of a measure against the one before it
COUNTED = ("error", "missed", "false_positive", "false_negative")  # errors whose mean is a share
_CELL = 'style="text-align:left;padding:2px 12px 2px 0;vertical-align:top"'


def is_share(error: str) -> bool:
    """Say whether the mean of an error is a share of the rows: "error", "false_positive:cat"; not "log_loss"."""
    return error.partition(":")[0] in COUNTED


def rate(value: float | None, error: str = "error") -> str:
    """Return a mean error as text: `12 %`, `0.83 %`, or a number where it is no share; nothing for None."""
    if value is None:
        return ""
    if not is_share(error):
        return display.number(float(value), 4)
    percent = 100 * value
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.2g} %"


def two_rates(before: float | None, after: float | None, error: str = "error") -> tuple[str, str]:
    """Return two mean errors as texts that differ where the numbers do: `12.1 %`, `12.4 %`."""
    pair = rate(before, error), rate(after, error)
    if before is None or after is None or before == after or pair[0] != pair[1] or not is_share(error):
        return pair
    for digits in range(1, 8):
        pair = f"{100 * before:.{digits}f} %", f"{100 * after:.{digits}f} %"
        if pair[0] != pair[1]:
            break
    return pair


@dataclass(frozen=True, slots=True)
class FailurePattern:
    """Samples that something selects, among which there are more errors: one row of a search."""

    failure_pattern_id: str
    pattern_search_id: str
    position: int  # from 1, as the search ordered them
    predicate: Predicate  # what selects the samples; on `errors`, `predicted` and `actual` are columns, too
    predicate_text: str
    support: int  # samples of the half that it was found on; of all where there was no split
    errors: float  # the sum there
    error_rate: float  # the mean there
    base_rate: float  # the mean of all samples of that half
    score: float
    divergence: float  # error_rate - base_rate
    t: float | None = None  # of the divergence
    p_value: float | None = None  # of the half that it was found on: of no use as a proof, see adjusted_p_value
    holdout_support: int | None = None  # the same on the other half; None: there was no split
    holdout_errors: float | None = None
    holdout_error_rate: float | None = None
    holdout_base_rate: float | None = None
    holdout_p_value: float | None = None
    adjusted_p_value: float | None = None  # by Holm over all that are shown; without a split by Benjamini-Hochberg
    status: str = NOT_CONFIRMED  # one of STATUSES
    contributions: Mapping[str, float] = field(default_factory=dict)  # column -> its part of the divergence (Shapley)
    dataset_version_id: str | None = None
    model_version_id: str | None = None
    run_id: str | None = None
    created_at: datetime | None = None
    rest_support: int | None = (
        None  # samples that are in no confirmed pattern above it; of the other half, if there is one
    )
    rest_errors: float | None = None
    rest_error_rate: float | None = None
    rest_p_value: float | None = None  # of the rest against all; without a rest against the pattern that it lies in
    explained_by: int | None = None  # position of the pattern above that it repeats; None: it stands by itself
    error: str = field(default="error", metadata=DERIVED)  # what was counted or summed up

    @property
    def title(self) -> str:
        return f"{self.status}: {self.predicate_text}"

    @property
    def repeats(self) -> str:
        """What is left of it without the pattern that it repeats, as text: `as #1, the rest 9.8 % of 812`; else empty."""
        if self.explained_by is None:
            return ""
        rest = (
            f", the rest {rate(self.rest_error_rate, self.error)} of {self.rest_support:,}" if self.rest_support else ""
        )
        return f"as #{self.explained_by}{rest}"

    @property
    def rates(self) -> str:
        """Both error rates as text: `19 % of 1,204, confirmed on 18 % of 1,187 (all 10 %)`."""
        found = f"{rate(self.error_rate, self.error)} of {self.support:,}"
        if self.holdout_support is not None:
            other = rate(self.holdout_error_rate, self.error) or "none"
            found += f", on the other half {other} of {self.holdout_support:,}"
        return f"{found} (all {rate(self.base_rate, self.error)})"

    def rows(self) -> Rows:
        return [
            ("error", f"{self.error}: {self.rates}"),
            ("p", _p(self.adjusted_p_value)),
            ("repeats", self.repeats),
            ("score", display.number(self.score, 4)),
            ("contributions", display.pairs(self.contributions.items(), 3)),
            ("id", self.failure_pattern_id),
        ]

    def as_row(self) -> dict[str, Any]:
        """Return the columns of the store, as they are written."""
        return {**set_fields(self), "predicate": to_json(self.predicate)}

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {**_told(self), "predicate": to_json(self.predicate)}

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class PatternSearch:
    """One search for failure patterns: what was asked, and of what."""

    pattern_search_id: str
    dataset_version_id: str
    error: str  # what was counted or summed up: "error", "log_loss", "missed"
    n_samples: int  # rows with an error that was searched: samples, or boxes
    errors: float  # their sum
    base_rate: float | None  # their mean; None without any
    candidates: int  # that were counted
    complete: bool  # False: the time was over, and there may be others
    duration_s: float
    created_at: datetime
    params: Mapping[str, Any] = field(default_factory=dict)
    outcome: str | None = None  # why nothing was found, what was left out, what there is to know of the test
    prediction_set_id: str | None = None
    model_version_id: str | None = None
    run_id: str | None = None
    dataset: str | None = field(default=None, metadata=DERIVED)  # reference of the dataset version
    model: str | None = field(default=None, metadata=DERIVED)  # reference of the model version
    recorded: bool = field(default=True, metadata=DERIVED)

    @property
    def split(self) -> bool:
        """Whether one half was searched, and the other one tests what was found."""
        return bool(self.params.get("split"))


@dataclass(frozen=True, slots=True)
class FailurePatterns:
    """What a search for failure patterns found; a list of them, the worst first."""

    search: PatternSearch
    patterns: tuple[FailurePattern, ...]

    @property
    def confirmed(self) -> tuple[FailurePattern, ...]:
        """Those that the other half of the samples confirms."""
        return tuple(each for each in self.patterns if each.status == CONFIRMED)

    @property
    def distinct(self) -> tuple[FailurePattern, ...]:
        """Those that stand by themselves: without the ones that only repeat a confirmed one above them."""
        return tuple(each for each in self.patterns if each.explained_by is None)

    @property
    def title(self) -> str:
        search = self.search
        of = f"{search.model} on {search.dataset}" if search.model else f"predictions on {search.dataset}"
        found = display.count(len(self), "failure pattern")
        said = f"{found} of {of}" + (f", {len(self.confirmed)} confirmed" if self.patterns else "")
        again = sum(each.explained_by is not None for each in self.patterns)
        said += f", {again} of which repeat another" if again > 1 else ", one of which repeats another" if again else ""
        return said + ("" if search.complete else " (the time was over: there may be others)")

    @property
    def base(self) -> str:
        """What is true of all samples, as text: `error 10 % of 20,000`."""
        search = self.search
        return f"{search.error} {rate(search.base_rate, search.error) or 'unknown'} of {search.n_samples:,}"

    def rows(self) -> Rows:
        shown = [(f"#{each.position} {each.status}", _lines(each)) for each in self.patterns]
        return [("all", self.base), *shown, ("note", self.search.outcome or "")]

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return a dict of each pattern, as `--json` prints it."""
        return [each.as_dict() for each in self.patterns]

    def frame(self) -> Any:
        """Return a DataFrame with a row per pattern."""
        import pandas as pd

        names = [each.name for each in members(FailurePattern)]
        return pd.DataFrame([{name: _shown(each, name) for name in names} for each in self.patterns], columns=names)

    def _repr_html_(self) -> str:
        """Return a table of the patterns with both error rates, escaped."""
        half = ["confirmed on"] if self.search.split else []
        names = ["#", "status", "pattern", "found on", *half, "all", "p", "repeats"]
        heads = "".join(f"<th {_CELL}>{name}</th>" for name in names)
        lines = "".join(
            "<tr>" + "".join(f"<td {_CELL}>{escape(said)}</td>" for said in self._cells(each)) + "</tr>"
            for each in self.patterns
        )
        note = f"<div>{escape(self.search.outcome)}</div>" if self.search.outcome else ""
        table = f"<table><tr>{heads}</tr>{lines}</table>" if self.patterns else ""
        return f"<div><b>{escape(self.title)}</b><div>{escape(self.base)}</div>{table}{note}</div>"

    def _cells(self, each: FailurePattern) -> list[str]:
        other = f"{rate(each.holdout_error_rate, each.error)} of {each.holdout_support or 0:,}"
        return [
            str(each.position),
            each.status,
            each.predicate_text,
            f"{rate(each.error_rate, each.error)} of {each.support:,}",
            *([other] if self.search.split else []),
            rate(each.base_rate, each.error),
            _p(each.adjusted_p_value),
            each.repeats,
        ]

    def __iter__(self) -> Iterator[FailurePattern]:
        return iter(self.patterns)

    def __len__(self) -> int:
        return len(self.patterns)

    @overload
    def __getitem__(self, place: int) -> FailurePattern: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[FailurePattern, ...]: ...
    def __getitem__(self, place: int | slice) -> FailurePattern | tuple[FailurePattern, ...]:
        return self.patterns[place]

    __str__, _repr_pretty_ = text, pretty


@dataclass(frozen=True, slots=True)
class NamedPattern:
    """A pattern that was given a name: it is measured again on the predictions of every new model version."""

    named_pattern_id: str
    dataset_id: str
    name: str
    predicate: Predicate
    predicate_text: str
    error: str  # what is counted or summed up
    created_at: datetime
    description: str | None = None
    failure_pattern_id: str | None = None  # that it was made of
    created_by: str | None = None
    dataset: str | None = field(default=None, metadata=DERIVED)  # "namespace/name"

    @property
    def title(self) -> str:
        return f"pattern '{self.name}' of {self.dataset or short(self.dataset_id)}"

    def rows(self) -> Rows:
        return [
            ("samples", self.predicate_text),
            ("error", self.error),
            ("description", self.description or ""),
            ("id", self.named_pattern_id),
        ]

    def as_row(self) -> dict[str, Any]:
        """Return the columns of the store, as they are written."""
        return {**set_fields(self), "predicate": to_json(self.predicate)}

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {**_told(self), "predicate": to_json(self.predicate)}

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class PatternMeasure:
    """A named pattern on the predictions of one model version."""

    pattern_measure_id: str
    named_pattern_id: str
    dataset_version_id: str
    prediction_set_id: str
    support: int
    errors: float
    error_rate: float | None  # None: it selects no sample of this version
    base_rate: float | None  # of all samples
    created_at: datetime
    model_version_id: str | None = None
    previous_id: str | None = None  # the measure that it is compared with
    previous_rate: float | None = None  # on the samples that both have
    p_value: float | None = None  # that chance alone makes such a difference, in this direction
    change: str | None = None  # worse, better, same; None: nothing to compare with
    pattern: str = field(default="", metadata=DERIVED)  # its name
    error: str = field(default="error", metadata=DERIVED)

    @property
    def line(self) -> str:
        """The measure on one line: `worse on night images: 12 % to 19 %`."""
        if self.change is None or self.previous_rate is None or self.error_rate is None:
            return f"{self.pattern}: {rate(self.error_rate, self.error) or 'no sample'}"
        before, after = two_rates(self.previous_rate, self.error_rate, self.error)
        return f"{self.change} on {self.pattern}: {before} to {after}"


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _lines(each: FailurePattern) -> str:
    again = f"\nrepeats {each.repeats.removeprefix('as ')}" if each.repeats else ""
    return f"{each.predicate_text}\n{each.rates}{_comma_p(each)}{again}"


def _comma_p(each: FailurePattern) -> str:
    return "" if each.adjusted_p_value is None else f", p {_p(each.adjusted_p_value)}"


def _shown(each: FailurePattern, name: str) -> Any:
    value = getattr(each, name)
    return to_json(value) if name == "predicate" else value


def _told(record: Any) -> dict[str, Any]:
    told = {each.name: getattr(record, each.name) for each in members(record)}
    return {**told, "created_at": record.created_at.isoformat() if record.created_at else None}
