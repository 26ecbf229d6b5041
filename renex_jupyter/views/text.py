"""How values are written for a reader."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

LONGEST = 300  # characters of a value or a tooltip


def number(value: float | None) -> str:
    """Return four significant digits; NaN and infinities by name."""
    return "" if value is None else f"{value:.4g}"


def value(what: Any) -> str:
    """Return a param's value as text."""
    return clipped(what if isinstance(what, str) else json.dumps(what, ensure_ascii=False, default=str))


def clipped(what: str) -> str:
    """Return at most `LONGEST` characters."""
    return what if len(what) <= LONGEST else what[:LONGEST] + " …"


def milliseconds(moment: datetime | None) -> float | None:
    """Return a time as a page counts it: milliseconds since the epoch."""
    return None if moment is None else moment.timestamp() * 1000
