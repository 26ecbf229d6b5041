"""Rows as a table of text that fits the terminal: columns that do not fit are counted, never wrapped."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from renex_jupyter import ids
from renex_jupyter.cli.answers import is_null, jsonable
from renex_jupyter.records import display

if TYPE_CHECKING:
    import pandas as pd

GAP = "  "
VALUES = ("metrics.", "params.", "tags.")  # columns of what runs logged: there may be thousands
NOTEBOOK, PIPE = 20, 30  # most columns where no width limits them; 20 are what pandas shows
_ID = re.compile(r"[0-9a-f]{32,64}")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by column; two columns may have the same name."""

    names: Sequence[str]
    columns: Sequence[Sequence[Any]]

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> Table:
        """Return the rows of a DataFrame."""
        return cls(list(map(str, frame)), [frame.iloc[:, place].tolist() for place in range(len(frame.columns))])

    @classmethod
    def of_rows(cls, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
        """Return rows as a table."""
        return cls(names, [[row[place] for row in rows] for place in range(len(names))])

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return one dict per row; of columns with the same name each after the first gets a number: a, a_1."""
        names: list[str] = []
        for name in self.names:
            same = (name, *(f"{name}_{number}" for number in range(1, len(self.names) + 1)))
            names.append(next(each for each in same if each not in names))
        return [dict(zip(names, row, strict=True)) for row in zip(*self.columns, strict=True)]

    def text(self, width: int | None) -> str:
        """Return the table without a line that is wider than `width` characters; None: nothing is cut.

        Columns that do not fit are left out, those of params and metrics that are the same in every row first, and the
        last line counts them. A cell that is cut ends with "…".
        """
        cells = [list(map(as_text, [name] * len(column), column)) for name, column in self._named()]
        heads = self._heads()
        widths = [max(map(_width, (head, *column))) for head, column in zip(heads, cells, strict=True)]
        numeric = {place for place, column in enumerate(self.columns) if all(map(_is_number, column))}
        whole = numeric | {place for place, column in enumerate(self.columns) if all(map(_is_time, column))}
        shown = _fitting(widths, whole, self.by_interest(cells), width, self._is_value)
        lines = []
        for row in zip(*([heads[place], *cells[place]] for place in shown), strict=True):
            padded = (_cell(text, shown[place], place in numeric) for text, place in zip(row, shown, strict=True))
            lines.append(GAP.join(padded).rstrip())
        left_out = [head for place, head in enumerate(heads) if place not in shown]
        return "\n".join([*lines, *_more(left_out, width)])

    @property
    def has_values(self) -> bool:
        """Say whether there are columns of params or metrics."""
        return any(map(self._is_value, range(len(self.names))))

    def by_interest(self, cells: Sequence[Sequence[str]] | None = None) -> list[int]:
        """Return the columns' places, the most telling first: of params and metrics, in turn, those that differ."""
        places, cells = range(len(self.names)), cells or self.columns
        if not self.has_values:
            return list(places)
        differing = {place for place in places if len(set(map(str, cells[place]))) > 1}
        facts = [place for place in places if not self._is_value(place)]
        early = [place for place in facts if place in differing or self.names[place] != "experiment"]
        telling, same = self._in_turn(differing), self._in_turn(set(places) - differing)
        return [*early, *telling, *(place for place in facts if place not in early), *same]

    def _in_turn(self, some: set[int]) -> Iterator[int]:
        kinds = [[place for place in sorted(some) if self.names[place].startswith(kind)] for kind in VALUES]
        return (place for each in zip_longest(*kinds) for place in each if place is not None)

    def _is_value(self, place: int) -> bool:
        return self.names[place].startswith(VALUES)

    def _named(self) -> Iterator[tuple[str, Sequence[Any]]]:
        return zip(self.names, self.columns, strict=True)

    def _heads(self) -> list[str]:
        """Return the names to show: `lr` for `params.lr` where nothing else is called so."""
        short = [name.partition(".")[2] if name.startswith(VALUES) else name for name in self.names]
        short = ["duration" if name == "duration_s" else name for name in short]
        return [
            display.printable(brief if short.count(brief) == 1 else name)
            for brief, name in zip(short, self.names, strict=True)
        ]


def as_text(name: str, value: Any) -> str:
    """Return a value as a person reads it: ids by 8 characters, durations in words, nothing for a missing value."""
    if is_null(value):
        return ""
    if isinstance(value, str):
        return ids.short(value) if name.endswith("_id") and _ID.fullmatch(value) else display.printable(value)
    if isinstance(value, datetime):
        plain: datetime = getattr(value, "to_pydatetime", lambda: value)()  # pandas has an astimezone of its own
        return display.moment(plain) if name.endswith("_at") else str(value)
    if isinstance(value, float):
        return display.seconds(value) if name == "duration_s" else display.number(value)
    if isinstance(value, (bytes, bytearray)):
        return repr(bytes(value))[2:-1]
    if isinstance(value, (list, tuple, dict)) or hasattr(value, "tolist"):
        return display.printable(json.dumps(jsonable(value), ensure_ascii=False))
    return display.printable(str(value))


def _fitting(
    widths: Sequence[int], whole: set[int], order: Sequence[int], width: int | None, is_value: Callable[[int], bool]
) -> dict[int, int]:
    """Return the places of the columns to show, in their own order, with the width of each.

    Parameters
    ----------
    whole : columns that are never cut: a number without its end would be another number.
    order : the columns that are wanted most first.
    """
    if width is None:
        return {place: widths[place] for place in sorted(order[:PIPE])}
    gap = len(GAP)
    most = width if sum(widths) + gap * (len(widths) - 1) <= width else max(12, width // 6)
    shown: dict[int, int] = {}
    room = width + gap
    for place in order:
        wanted = widths[place] if place in whole else min(widths[place], most)
        if wanted + gap <= room or not shown:
            shown[place] = min(wanted, width)
            room -= shown[place] + gap
        elif not is_value(place):
            break
    for place, taken in sorted(shown.items()):  # what is left goes to the first that were cut
        shown[place] = min(widths[place], taken + max(room, 0))
        room -= shown[place] - taken
    return dict(sorted(shown.items()))


def _more(names: Sequence[str], width: int | None) -> list[str]:
    """Return the line that tells which columns are missing, and how to get them."""
    if not names:
        return []
    what = f"and {len(names):,} more column{'s' if len(names) > 1 else ''}"
    how = "; --json has them all, SQL asks for some"
    room = (width or 120) - len(what + how) - len(" ()")
    listed = [
        ", ".join([*names[:number], *["…"][: len(names) - number]]) for number in range(1, min(len(names), 20) + 1)
    ]
    some = max((each for each in listed if _width(each) <= room), key=len, default="")
    return [_cut(what + (f" ({some})" if some else "") + how, width or 120)]


def _cell(text: str, width: int, right: bool) -> str:
    text = _cut(text, width)
    blank = " " * (width - _width(text))
    return blank + text if right else text + blank


def _cut(text: str, width: int) -> str:
    """Return a text that takes at most so many places of a terminal."""
    if _width(text) <= width:
        return text
    while text and _width(text) > width - 1:
        text = text[: max(0, len(text) - max(1, (_width(text) - width) // 2))]
    return text + "…"


def _width(text: str) -> int:
    """Return how many places of a terminal a text takes: two for a wide character, none for an accent."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


def _is_time(value: Any) -> bool:
    return is_null(value) or isinstance(value, datetime)


def _is_number(value: Any) -> bool:
    return is_null(value) or (isinstance(value, (int, float, Decimal)) and not isinstance(value, bool))
