"""Plain values as JSON that a person can read, with nothing lost that JSON can say."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import date, time
from enum import Enum
from pathlib import PurePath
from typing import Any

from renex_jupyter.errors import RenexError, unsupported_value

DEEPEST = 100  # lists and mappings inside each other
HINT = "Give dicts and lists of numbers, text, booleans, None, times and arrays."


def document(what: str, value: Any) -> bytes:
    """Return a value as JSON in UTF-8; NaN and the infinities are texts, times ISO 8601, arrays lists.

    Parameters
    ----------
    what : names the value in an error, such as "dict 'config'".

    Raises
    ------
    RenexError : `unsupported_value`, also for text that UTF-8 cannot say, and for keys that become the same text.
    """
    try:
        return json.dumps(_plain(what, value, 0), ensure_ascii=False, indent=1, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        raise RenexError("unsupported_value", f"{what} holds half of a surrogate pair.", HINT) from error


def _plain(what: str, value: Any, depth: int) -> Any:
    if depth > DEEPEST:  # or it holds itself
        raise RenexError("unsupported_value", f"{what} is nested deeper than {DEEPEST}.", HINT)
    if value is None or isinstance(value, (bool, str)):
        return str.__str__(value) if isinstance(value, str) else value
    if isinstance(value, Enum):
        return _plain(what, value.value, depth + 1)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _named(value)
    if isinstance(value, (date, time)):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return _mapping(what, value, depth)
    if isinstance(value, (list, tuple)):
        return [_plain(what, each, depth + 1) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(what, getattr(value, f.name), depth + 1) for f in dataclasses.fields(value)}
    if hasattr(value, "tolist") and hasattr(value, "dtype"):  # numpy, torch, jax: also a scalar
        return _plain(what, (value.detach() if hasattr(value, "detach") else value).tolist(), depth + 1)
    raise unsupported_value(what, value, HINT)


def _mapping(what: str, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    plain = {}
    for key, each in value.items():
        if not isinstance(key, (str, int, float, bool, date)) and key is not None:
            raise RenexError(
                "unsupported_value", f"{what} has a key of type {type(key).__name__}.", "Use texts as keys."
            )
        name = key if isinstance(key, str) else str(key)
        if name in plain:
            raise RenexError(
                "unsupported_value", f"{what} has two keys that are written '{name}'.", "Rename one of them."
            )
        plain[name] = _plain(what, each, depth + 1)
    return plain


def _named(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
