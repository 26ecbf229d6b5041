"""Two sets of predictions on the same samples: which is better, where, and which samples flipped."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from renex_jupyter.records import display
from renex_jupyter.records.failure_patterns import is_share, two_rates
from renex_jupyter.records.predicates import Predicate, to_json
from renex_jupyter.records.small_tables import Texts, html_table, text_table

if TYPE_CHECKING:
    import pandas as pd

FIXED, BROKEN = "fixed", "broken"
TINY = 1e-300  # below which a p-value is said to be
SURE = 0.05  # a p-value below this one is called a difference
SHOWN = 10  # classes and slices of a table in a cell


@dataclass(frozen=True, slots=True)
class Place:
    """Samples on which the errors of both are compared: those of a class, or of a slice."""

    what: str  # "class" or "slice"
    where: str  # the class, or what selects the samples, as text
    n: int
    error_a: float  # mean
    error_b: float
    difference: float  # error_b - error_a: below 0 where the second is better
    fixed: int  # samples whose error became smaller
    broken: int  # larger
    p_value: float | None = None  # two-sided, by Holm over the places of its kind; None: not tested
    predicate: Predicate | None = None  # of a slice

    @property
    def sure(self) -> bool:
        """Whether it differs more than chance alone would have it."""
        return self.p_value is not None and self.p_value < SURE

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        said = {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.name != "predicate"}
        return {**said, "predicate": None if self.predicate is None else to_json(self.predicate)}


@dataclass(frozen=True, slots=True)
class Flipped:
    """A sample whose error differs."""

    key: str
    way: str  # "fixed": the error became smaller; "broken": larger
    actual: Any
    predicted_a: Any
    predicted_b: Any
    error_a: float
    error_b: float
    annotation_id: str | None = None  # of detection: the box


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changes on a version of a dataset from predictions `a` to predictions `b`."""

    dataset: str  # reference of the version
    dataset_version_id: str
    a: str  # what they are called
    b: str
    prediction_set_a: str  # ids
    prediction_set_b: str
    error: str  # what is compared: "error", "squared", ...
    n: int  # samples, or boxes, that both can be measured on
    only_a: int  # that only one of them can be measured on: not compared
    only_b: int
    error_a: float | None = None  # mean; None where nothing can be compared
    error_b: float | None = None
    difference: float | None = None  # error_b - error_a
    interval: tuple[float, float] | None = None  # of 95 %, by the bootstrap
    p_bootstrap: float | None = None
    p_mcnemar: float | None = None  # exact; None where the error is no 0 or 1
    fixed: int = 0  # samples whose error became smaller
    broken: int = 0  # larger
    both_right: int | None = None  # where the error is 0 or 1
    both_wrong: int | None = None
    places: tuple[Place, ...] = ()  # classes, then slices
    samples: tuple[Flipped, ...] = ()  # those that changed most, or the first of those that flipped
    metrics: Mapping[str, tuple[float | None, float | None]] = field(
        default_factory=dict
    )  # of both, on the same samples
    notes: tuple[str, ...] = ()
    resamples: int = 0
    seed: int = 0

    @property
    def p_value(self) -> float | None:
        """That of McNemar's test where it applies, else that of the bootstrap."""
        return self.p_bootstrap if self.p_mcnemar is None else self.p_mcnemar

    @property
    def verdict(self) -> str:
        """Which is better, in words."""
        if self.difference is None or self.p_value is None:
            return "There is nothing to compare: no sample is measured with both."
        errors = " to ".join(two_rates(self.error_a, self.error_b, self.error))
        test = "bootstrap" if self.p_mcnemar is None else "McNemar"
        chance = f"p {'' if _is_tiny(self.p_value) else '= '}{_p(self.p_value)}"
        numbers = f"{self.error} {errors}, {self._interval()}, {chance} ({test})"
        if self.p_value >= SURE:
            return f"No difference is shown between them: {numbers}.{self._but(self.places)}"
        better = self.b if self.difference < 0 else self.a
        against = [each for each in self.places if (each.difference > 0) is (self.difference < 0)]
        return f"{better} is better: {numbers}.{self._but(against)}"

    @property
    def better(self) -> pd.DataFrame:
        """Where `b` errs less: classes and slices, the surest first."""
        return self._frame(each for each in self.places if each.difference < 0)

    @property
    def worse(self) -> pd.DataFrame:
        """Where `b` errs more."""
        return self._frame(each for each in self.places if each.difference > 0)

    @property
    def flipped(self) -> pd.DataFrame:
        """The samples whose error differs, as far as they are told: see `fixed` and `broken` for how many there are."""
        import pandas as pd

        names = [each.name for each in dataclasses.fields(Flipped)]
        frame = pd.DataFrame([dataclasses.astuple(each) for each in self.samples], columns=names)
        return frame if frame["annotation_id"].notna().any() else frame.drop(columns="annotation_id")

    @property
    def title(self) -> str:
        return f"{self.a} -> {self.b} on {self.dataset}"

    def rows(self) -> list[tuple[str, str]]:
        """Return name and text of what there is to say, without the tables."""
        smaller, larger = ("fixed", "broken") if self.both_right is not None else ("smaller error", "larger error")
        counts = [
            (self.fixed, smaller),
            (self.broken, larger),
            (self.both_right, "both right"),
            (self.both_wrong, "both wrong"),
        ]
        only = [(self.only_a, self.a), (self.only_b, self.b)]
        return [
            ("verdict", self.verdict),
            (
                "compared",
                display.count(self.n, "true box" if self.error == "missed" else "sample").replace("boxs", "boxes"),
            ),
            ("not compared", ", ".join(f"{n:,} that only {who} can be measured on" for n, who in only if n)),
            ("changed", ", ".join(f"{n:,} {word}" for n, word in counts if n is not None)),
            (
                "metrics",
                ", ".join(f"{name} {_pair(*both)}" for name, both in list(self.metrics.items())[: display.MOST]),
            ),
            *(("note", each) for each in self.notes),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        said = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        said["places"] = [each.as_dict() for each in self.places]
        said["samples"] = [dataclasses.asdict(each) for each in self.samples]
        return {"verdict": self.verdict, **said}

    def __str__(self) -> str:
        tables = [line for title, heads, rows in self._tables() for line in (title, text_table(heads, rows))]
        return "\n".join([display.text_card(self.title, self.rows()), *tables])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """Return the same, escaped."""
        head = display.card(self.title, self.rows())
        return f"<div>{head}{''.join(html_table(*each) for each in self._tables())}</div>"

    def _tables(self) -> list[tuple[str, list[str], Texts]]:
        heads = ["where", "n", "error a", "error b", "p"]
        found: list[tuple[str, list[str], Texts]] = []
        for title, some in (("worse on", self._sorted(+1)), ("better on", self._sorted(-1))):
            rows = [
                [
                    f"{each.what} {each.where}",
                    f"{each.n:,}",
                    *two_rates(each.error_a, each.error_b, self.error),
                    _p(each.p_value),
                ]
                for each in some[:SHOWN]
            ]
            found += [(title, heads, rows)] if rows else []
        return found

    def _sorted(self, sign: int) -> list[Place]:
        some = [each for each in self.places if each.difference * sign > 0]
        return sorted(
            some, key=lambda each: (1.0 if each.p_value is None else each.p_value, -abs(each.difference) * each.n)
        )

    def _frame(self, places: Iterable[Place]) -> pd.DataFrame:
        import pandas as pd

        names = [each.name for each in dataclasses.fields(Place) if each.name != "predicate"]
        some = [tuple(getattr(each, name) for name in names) for each in places]
        frame = pd.DataFrame(some, columns=names)
        size = -(frame["difference"].abs() * frame["n"])
        return frame.assign(size=size).sort_values(["p_value", "size"], ignore_index=True).drop(columns="size")

    def _interval(self) -> str:
        if self.interval is None:
            return "without an interval"
        low, high = self.interval
        if is_share(self.error):
            return f"difference {100 * low:+.2g} to {100 * high:+.2g} points"
        return f"difference {display.number(low, 3)} to {display.number(high, 3)}"

    def _but(self, places: Iterable[Place]) -> str:
        sure = sorted((each for each in places if each.sure), key=lambda each: each.p_value or 0.0)
        told = [
            f"{'worse' if each.difference > 0 else 'better'} on {each.what} {each.where} "
            f"({' to '.join(two_rates(each.error_a, each.error_b, self.error))})"
            for each in sure[:3]
        ]
        return f" But {self.b} is {', '.join(told)}." if told else ""


def _p(value: float | None) -> str:
    if value is None:
        return "not tested"
    return f"< {TINY:.0e}" if _is_tiny(value) else display.number(value, 2)


def _is_tiny(value: float) -> bool:
    """Say whether a p-value is below what is worth a number: none of them is 0."""
    return value < TINY


def _pair(a: float | None, b: float | None) -> str:
    return " to ".join("none" if each is None else display.number(each, 4) for each in (a, b))
