"""Charts of a workspace: what is counted over the samples of a filter, and the small table that comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.records import display
from renex_jupyter.records.predicates import Predicate, from_json, to_json

if TYPE_CHECKING:
    import pandas as pd

COUNT, HISTOGRAM, ERROR_RATE, HEATMAP, SCATTER, TABLE = (
    "count",
    "histogram",
    "error_rate",
    "heatmap",
    "scatter",
    "table",
)
CONFUSION, PR, ROC, CALIBRATION = "confusion", "pr", "roc", "calibration"
COLUMNS = {  # how many columns each type has, least and most
    COUNT: (0, 1), HISTOGRAM: (1, 1), ERROR_RATE: (0, 1), HEATMAP: (2, 2), SCATTER: (2, 2), TABLE: (0, 50),
    CONFUSION: (0, 0), PR: (0, 0), ROC: (0, 0), CALIBRATION: (0, 0),
}  # fmt: skip
TYPES = tuple(COLUMNS)
NEED_PREDICTIONS = (ERROR_RATE, CONFUSION, PR, ROC, CALIBRATION)
BINS, MOST_BINS = 20, 200
KEYS = ("type", "columns", "bins", "filter", "label", "title")
HINT = "Write {'type': 'histogram', 'columns': ['age'], 'bins': 20}; 'filter' narrows one chart."
LONGEST = 200  # characters of a title, of the name of a column


@dataclass(frozen=True, slots=True)
class Chart:
    """One question that a workspace asks of its samples."""

    type: str  # one of TYPES
    columns: tuple[str, ...] = ()
    bins: int = BINS  # of numbers; of texts the most frequent ones
    filter: Predicate | None = None  # besides that of the workspace
    label: str | None = None  # the class that counts as positive, of pr and roc
    title: str | None = None

    @property
    def name(self) -> str:
        """What it is called where it has no title."""
        of = f" of {' and '.join(self.columns)}" if self.columns else ""
        return self.title or f"{self.type.replace('_', ' ')}{of}"


@dataclass(frozen=True, slots=True)
class ChartTable:
    """What a chart counted: a few rows, or why there are none."""

    chart: Chart
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    facts: Mapping[str, Any] | None = None  # of the whole: samples, area under a curve, expected calibration error
    problem: str | None = None  # why it could not be made

    def frame(self) -> pd.DataFrame:
        """Return its rows as a DataFrame."""
        import pandas as pd

        return pd.DataFrame([list(each) for each in self.rows], columns=list(self.columns))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        said = {"chart": chart_to_json(self.chart), "columns": list(self.columns), "rows": [list(e) for e in self.rows]}
        return {**said, "facts": dict(self.facts or {}), "problem": self.problem}

    def __str__(self) -> str:
        if self.problem:
            return f"{self.chart.name}: {self.problem}"
        facts = display.pairs((self.facts or {}).items())
        return f"{self.chart.name}: {display.count(len(self.rows), 'row')}" + (f", {facts}" if facts else "")


def chart_to_json(chart: Chart) -> dict[str, Any]:
    """Return a chart as plain values, without what is as always."""
    said: dict[str, Any] = {"type": chart.type}
    if chart.columns:
        said["columns"] = list(chart.columns)
    if chart.bins != BINS:
        said["bins"] = chart.bins
    if chart.filter is not None:
        said["filter"] = to_json(chart.filter)
    return said | {name: value for name in ("label", "title") if (value := getattr(chart, name)) is not None}


def chart_from_json(said: Any) -> Chart:
    """Return the chart that plain values say: a mapping, or the name of a type alone.

    Raises
    ------
    RenexError : `invalid_argument`, with what is wrong.
    """
    if isinstance(said, Chart):
        return said
    if isinstance(said, str):
        said = {"type": said}
    if not isinstance(said, Mapping) or not all(isinstance(key, str) for key in said):
        raise _wrong(said)
    unknown = sorted(said.keys() - {*KEYS, "column"})
    if unknown:
        raise invalid_argument(f"a chart has no {shown(unknown[0])}.", f"Use {', '.join(KEYS)}.")
    kind = said.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise invalid_argument(f"{shown(kind)} is no type of chart.", f"Use one of {', '.join(TYPES)}.")
    columns = _columns(said, kind)
    bins = said.get("bins", BINS)
    if isinstance(bins, bool) or not isinstance(bins, int) or not 1 <= bins <= MOST_BINS:
        raise invalid_argument(f"bins {shown(bins)} is no whole number from 1 to {MOST_BINS}.", HINT)
    for name in ("label", "title"):
        value = said.get(name)
        if value is not None and (not isinstance(value, str) or len(value) > LONGEST):
            raise invalid_argument(f"the {name} {shown(value)} of a chart is no text of at most {LONGEST}.", HINT)
    narrowed = said.get("filter")
    found = None if narrowed is None else from_json(narrowed)
    return Chart(kind, columns, bins, found, said.get("label"), said.get("title"))


def _columns(said: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    given = said.get("columns", said.get("column", ()))
    columns = (given,) if isinstance(given, str) else given
    if not isinstance(columns, (list, tuple)) or not all(isinstance(e, str) and 0 < len(e) <= LONGEST for e in columns):
        raise invalid_argument(f"{shown(given)} are no names of columns.", HINT)
    least, most = COLUMNS[kind]
    if not least <= len(columns) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise invalid_argument(f"a chart '{kind}' has {wanted} columns, not {len(columns)}.", HINT)
    return tuple(columns)


def _wrong(said: object) -> RenexError:
    return invalid_argument(f"{shown(said)} is no chart.", HINT)
