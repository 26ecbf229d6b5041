"""Results as JSON says them; docs/terminal.md has the table of DuckDB's types."""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any


def jsonable(value: Any) -> Any:
    """Return a value as JSON can hold it.

    Returns
    -------
    Rows become a list of objects; times are ISO 8601, durations seconds, bytes base64; what is missing, NaN or infinite
    is null. A number that is no double, such as a DECIMAL, becomes the nearest one; an integer keeps every digit.
    """
    if is_null(value):
        return None
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (float, Decimal)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(each) for each in value]
    return _of_object(value)


def _of_object(value: Any) -> Any:
    for method in ("as_dicts", "as_dict", "tolist"):  # tables, diffs, and numpy's arrays and numbers
        if callable(getattr(value, method, None)):
            return jsonable(getattr(value, method)())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return str(value)


def is_null(value: Any) -> bool:
    """Say whether a value is missing; a list or an array is not, and is not compared with anything."""
    if isinstance(value, float):
        return value != value
    return value is None or type(value).__name__ in ("NAType", "NaTType")
