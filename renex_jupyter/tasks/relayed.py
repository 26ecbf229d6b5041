"""A record of a store that anybody may have written into, a container for one: read strictly, before it is written on a run.

A CRC tells that a line is whole, not that it is true: one wrong type in ours, and no table could be read any more.
"""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.records.arrays import SIZES
from renex_jupyter.records.values import Kept, checked_size, checked_text

NAMED = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}  # what JSON has no number for
KINDS = ("runs", "params", "tags", "events")  # of changes that a relay looks at
_SHAPE = re.compile(r"\[(?:\d{1,18}(?:,\d{1,18}){0,31})?\]", re.ASCII)
_EXACT = {  # the text of a number, by its dtype
    "int": re.compile(r"-?\d{1,4300}", re.ASCII),
    **dict.fromkeys(("decimal", "fraction", "longdouble"), re.compile(r"[-+]?[\w.][-+\w./]*", re.ASCII)),
}


@dataclass(frozen=True, slots=True)
class RelayedChange:
    """A change of a run, a param, a tag or an event."""

    at: int  # microseconds since the epoch
    number: int  # of its writer
    kind: str
    id: str
    action: str
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RelayedPoint:
    """A point of a metric."""

    owner: tuple[str, str]  # kind, id
    key: Any
    step: Any
    at: int  # microseconds since the epoch
    kept: Kept


def change_of(line: bytes) -> RelayedChange | None:
    """Return what a line of changes tells; None for one of another kind.

    Raises
    ------
    RenexError : it is none.
    """
    told = _object(line)
    if isinstance(told.get("t"), str) and told["t"] not in KINDS:
        return None
    whole = all(type(told.get(name)) is int for name in ("at", "n"))
    text = all(isinstance(told.get(name), str) for name in ("t", "i", "a"))
    if not (whole and text and isinstance(told.get("d"), dict)):
        raise _refused("it is no change")
    return RelayedChange(told["at"], told["n"], told["t"], told["i"], told["a"], told["d"])


def point_of(line: bytes) -> RelayedPoint:
    """Return what a line of points tells.

    Raises
    ------
    RenexError : it is none.
    """
    told = _object(line)
    owner = (told.get("o"), told.get("i"))
    if not (isinstance(owner[0], str) and isinstance(owner[1], str)) or type(told.get("w")) is not int:
        raise _refused("it is no point")
    return RelayedPoint((owner[0], owner[1]), told.get("k"), told.get("s"), told["w"], _kept(told))


def number_of(told: Any) -> float | None:
    """Return a number as a record says it; None for what is none."""
    if isinstance(told, str):
        return NAMED.get(told)
    if isinstance(told, bool) or not isinstance(told, (int, float)):
        return None
    try:
        return float(told)
    except OverflowError:
        return None


def _kept(told: dict[str, Any]) -> Kept:
    value, text, kind, shape, raw = (told.get(name) for name in "yxthb")
    if not all(each is None or isinstance(each, str) for each in (text, kind, shape, raw)):
        raise _refused("its value is of a wrong type")
    number = number_of(value)
    if (value is not None and number is None) or (number is None and text is None and raw is None):
        raise _refused("its value is none")
    if raw is not None:
        return Kept(number, text, _bytes(raw, kind, shape), kind, shape)
    if kind is not None and not (kind in _EXACT and text is not None and _EXACT[kind].fullmatch(text)):
        raise _refused("its value is not what it says")
    return Kept(number, checked_text("a metric", text) if text is not None else None, None, kind, None)


def _bytes(raw: str, kind: str | None, shape: str | None) -> bytes:
    try:
        data = checked_size("a metric", base64.b64decode(raw, validate=True))
    except ValueError as error:
        raise _refused("its bytes are not readable") from error
    if kind == "bytes" and shape is None:
        return data
    size = 1 if kind is not None and re.fullmatch(r"float8_\w{1,20}", kind, re.ASCII) else SIZES.get(kind or "", 0)
    if not size or shape is None or not _SHAPE.fullmatch(shape):
        raise _refused("its array is not what it says")
    if math.prod(json.loads(shape)) * size != len(data):
        raise _refused("its array is of another size")
    return data


def _object(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _refused("it is no JSON") from error
    if not isinstance(told, dict):
        raise _refused("it is no object")
    return told


def _refused(why: str) -> RenexError:
    return invalid_argument(f"a record of the action's own store is not understood, {why}.", "It is left out.")
