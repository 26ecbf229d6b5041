"""How values are written for a reader."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from renex_jupyter.records import display

LONGEST = 300  # characters of a value or a tooltip
# What is not seen but changes how the rest is: control characters, and those that turn the direction of writing.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def number(value: float | None) -> str:
    """Return four significant digits; NaN and infinities by name."""
    return "" if value is None else f"{value:.4g}"


def short_number(value: float | None, longest: int = 8) -> str:
    """Return up to four significant digits, as many as a narrow column has room for."""
    if value is None:
        return ""
    forms = [f"{value:.{digits}g}" for digits in (4, 3, 2)]
    return next((each for each in forms if len(each) <= longest), forms[-1])


def short_count(value: int | None) -> str:
    """Return a count as a narrow column has room for it: 12,345 or 12.3M."""
    if value is None:
        return ""
    if value < 1_000_000:
        return f"{value:,}"
    power, sign = (1e9, "G") if value >= 999_500_000 else (1e6, "M")
    return f"{value / power:.3g}{sign}"


def duration(seconds: float) -> str:
    """Return how long something took, with milliseconds where it was quick."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else display.seconds(seconds)


def value(what: Any) -> str:
    """Return a param's value as text."""
    return clipped(what if isinstance(what, str) else json.dumps(what, ensure_ascii=False, default=str))


def clipped(what: str, longest: int = LONGEST) -> str:
    """Return at most so many characters of a text."""
    return what if len(what) <= longest else what[:longest] + " …"


def milliseconds(moment: datetime | None) -> float | None:
    """Return a time as a page counts it: milliseconds since the epoch."""
    return None if moment is None else moment.timestamp() * 1000


def plain(what: str) -> str:
    """Return printed text as a page can show it: of a line that was written over its last state, and no controls."""
    if "\r" in what:
        what = "\n".join(line.rpartition("\r")[2] for line in what.replace("\r\n", "\n").split("\n"))
    return _UNSEEN.sub("", what)


def line(what: str, longest: int = LONGEST) -> str:
    """Return a text for one line of a list: without controls, its whitespace as single spaces, of a long one its beginning."""
    said = " ".join(_UNSEEN.sub("", what[: 4 * longest]).split())
    return said if len(said) <= longest else said[:longest] + " …"
