"""What a user means by a moment: a date, a time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from renex_jupyter.errors import RenexError, invalid_argument, shown

_AGO = re.compile(r"(\d+(?:\.\d+)?) ?(s|min|m|h|d|w)(?: ago)?")
_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
EXAMPLES = "Use a date (2026-01-31), a time (2026-01-31T12:00), or how long ago: 30min, 3h, 2d, 1w."


def moment_of(value: object, what: str) -> datetime:
    """Return a moment in UTC.

    Parameters
    ----------
    value : datetime, date, ISO 8601 text, or how long ago, such as "2d"; without a zone it is in the one of the reader.
    what : how the message names it.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    found = value
    if isinstance(value, str):
        found = _read(value.strip(), what)
    elif isinstance(value, date) and not isinstance(value, datetime):
        found = datetime(value.year, value.month, value.day)  # noqa: DTZ001  the reader's zone comes below
    if not isinstance(found, datetime):
        raise _no_time(value, what)
    try:
        return found.astimezone(UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise _no_time(value, what) from error


def _read(text: str, what: str) -> datetime:
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return datetime.now(UTC) - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise _no_time(text, what) from error


def _no_time(value: object, what: str) -> RenexError:
    return invalid_argument(f"{what} {shown(value)} is no moment.", EXAMPLES)
