"""A param as JSON says it exactly, or refused with a hint. docs/values.md is the table of it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any

from renex_jupyter.errors import RenexError, unsupported_value
from renex_jupyter.records.values import LONGEST_VALUE, checked_text, is_longdouble, number_text, own, too_large

DEEPEST = 50  # lists and mappings inside each other
HINT = "Keep numbers, text, lists and mappings; convert it first, such as with .tolist() or str()."


def keep_param(what: str, value: Any) -> tuple[Any, float | None]:
    """Return a param as JSON can say it, and the nearest number where it is one.

    NaN, the infinities, Decimal and Fraction are text in JSON, which has no word for them.

    Raises
    ------
    RenexError : `unsupported_value`, `too_large`; nothing else, whatever the object does when it is asked.
    """
    try:
        said = _said(what, value, 0)
        size = len(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode())
        number = _nearest(own(value))
    except Exception as error:
        code, hint = getattr(error, "code", ""), getattr(error, "hint", "")
        if code == "too_large":
            raise
        raised = hint if code else f"Asked for its value it raised {type(error).__name__}. {HINT}"
        raise unsupported_value(what, value, raised) from error
    if size > LONGEST_VALUE:
        raise too_large(what, size)
    return said, number


def _said(what: str, value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise unsupported_value(what, value, f"It is nested deeper than {DEEPEST}.")
    value = own(value)
    if isinstance(value, Mapping):
        return _mapping(what, value, depth)
    if isinstance(value, (list, tuple)):
        return [_said(what, each, depth + 1) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _said(what, getattr(value, f.name), depth + 1) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return _said(what, value.value, depth + 1)
    return _leaf(what, value)


def _mapping(what: str, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for key, each in value.items():
        name = checked_text(what, key if isinstance(key, str) else str(key))
        if name in said:
            raise unsupported_value(what, value, f"Two of its keys are {name[:40]!r} as text.")
        said[name] = _said(what, each, depth + 1)
    return said


def _leaf(what: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return checked_text(what, value)
    if isinstance(value, int):
        number_text(what, value)
        return int.__int__(value)
    if isinstance(value, float):
        number = float.__float__(value)
        return number if math.isfinite(number) else "NaN" if math.isnan(number) else f"{'-' * (number < 0)}Infinity"
    if isinstance(value, (Decimal, Fraction)):
        return number_text(what, value)
    if is_longdouble(value):
        return str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, PurePath):
        return checked_text(what, str(value))
    raise unsupported_value(what, value, HINT)


def _nearest(value: Any) -> float | None:
    """Return the number that a param is, as DOUBLE; None for what is none, or lies beyond."""
    number = value.value if isinstance(value, Enum) else value
    if isinstance(number, bool) or not (isinstance(number, (int, float, Decimal, Fraction)) or is_longdouble(number)):
        return None
    try:
        nearest = float(number)
    except (OverflowError, ValueError):  # a signalling NaN is no number that float() takes
        return None
    beyond = math.isinf(nearest) and not (
        isinstance(number, float) or str(number).lower().lstrip("+-").startswith("inf")
    )
    return None if beyond else nearest


def too_many(what: str, most: int) -> RenexError:
    """A run that has as many params as it may."""
    hint = "Keep many values as one param, a list or a mapping, or as a file of the project."
    return RenexError("too_large", f"{what} has {most:,} params, the most of a run.", hint)
