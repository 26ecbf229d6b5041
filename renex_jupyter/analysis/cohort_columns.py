"""Columns that samples are counted by: numbers in bins of equal width, whatever else by its values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from renex_jupyter.errors import invalid_argument
from renex_jupyter.records import display
from renex_jupyter.store.workbench import Workbench, quoted

NUMBER = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|REAL|DECIMAL\(.*\))$")
TIME = re.compile(r"(DATE|TIMESTAMP.*)$")
NOT_A_NUMBER = 255  # the code of NaN and infinities; that of a bin is lower
OTHERS = "(others)"
MOST_VALUES = 1000  # of a column of texts that becomes an ENUM
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Dimension:
    """A column as something to count by."""

    column: str
    bins: int  # of numbers; most values of others
    code: str  # the column of the table that is grouped by
    low: float | None = None  # of the first bin; None: counted by its values
    width: float | None = None
    is_time: bool = False  # in seconds since 1970, UTC

    @property
    def is_binned(self) -> bool:
        return self.low is not None

    def expression(self) -> str:
        """Return the number of a row's bin as SQL over the column."""
        value = self.number()
        at = f"floor(({value} - {self.low!r}::double) / {self.width!r}::double)"
        inside = f"least(greatest({at}, 0), {self.bins - 1})::utinyint"
        return f"case when {value} is null then null when isfinite({value}) then {inside} else {NOT_A_NUMBER} end"

    def described(self, code: Any) -> tuple[Any, Any, Any]:
        """Return text, low and high of a group."""
        if not self.is_binned:
            return (str(code).lower() if isinstance(code, bool) else None if code is None else str(code)), None, None
        if code is None or code == NOT_A_NUMBER:
            return (None if code is None else "NaN"), None, None
        assert self.low is not None
        assert self.width is not None
        low, high = (_round(self.low + each * self.width, self.width) for each in (code, code + 1))
        return f"{self._text(low)} to {self._text(high)}", low, high

    def number(self) -> str:
        """Return the column as a number in SQL."""
        name = quoted(self.column)
        return f"epoch({name})::double" if self.is_time else f"{name}::double"

    def _text(self, value: float) -> str:
        if not self.is_time:
            return display.number(value)
        return (_EPOCH + timedelta(seconds=value)).strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")


def dimension(bench: Workbench, table: str, column: str, kind: str, bins: int, code: str) -> Dimension:
    """Return how a column is counted by: its bins are made of all samples, so that a filter does not move them.

    Raises
    ------
    RenexError : `invalid_argument` for a column of lists or mappings.
    """
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP")):
        raise invalid_argument(
            f"column '{column}' is {kind[:40]}: there is nothing to count by.", "Take another column."
        )
    is_time = bool(TIME.match(kind))
    if not is_time and not NUMBER.match(kind):
        return Dimension(column, bins, column)
    value = Dimension(column, bins, code, 0.0, 1.0, is_time).number()
    low, high = bench.values(
        f"select min(v), max(v) from (select {value} as v from {quoted(table)}) where isfinite(v)"
    )[0]
    if low is None:
        low, high = 0.0, 1.0
    whole = not is_time and kind not in ("FLOAT", "DOUBLE", "REAL") and not kind.startswith("DECIMAL")
    if whole and high - low < bins:  # a bin for each number
        return Dimension(column, int(high - low) + 1, code, float(low), 1.0)
    width = (high - low) / bins if high > low else 1.0
    if not math.isfinite(width) or width == 0:
        raise invalid_argument(
            f"column '{column}' goes from {low} to {high}, which no bins divide.", "Filter it first."
        )
    return Dimension(column, bins if high > low else 1, code, float(low), float(width), is_time)


def numeric(column: str, kind: str) -> str:
    """Return a column as a number in SQL. Raises `invalid_argument` for one of something else."""
    if NUMBER.match(kind):
        return f"{quoted(column)}::double"
    if TIME.match(kind):
        return f"epoch({quoted(column)})::double"
    raise invalid_argument(f"column '{column}' is {kind[:40]}, no number.", "Take a column of numbers or times.")


def _round(value: float, width: float) -> float:
    """Return an edge without digits that only the division made."""
    return round(value, max(0, 6 - math.floor(math.log10(width)))) + 0.0 if width > 0 else value
