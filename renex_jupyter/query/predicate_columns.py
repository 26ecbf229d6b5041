"""Whether a predicate fits the columns it is asked of: unknown names and values of another type are told, with what there is."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from datetime import datetime, time
from difflib import get_close_matches
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.records.predicates import (
    CONTAINS,
    MEMBERSHIPS,
    RANGE,
    STATES,
    Condition,
    Every,
    Not,
    Predicate,
    Some,
)

_WHOLE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$")
_BROKEN = re.compile(r"(FLOAT|DOUBLE|REAL|DECIMAL\(.*\))$")
_TIME = re.compile(r"(DATE|TIMESTAMP.*)$")
_TEXT = re.compile(r"(VARCHAR|UUID|ENUM\(.*\))$", re.DOTALL)
_MOST = 12  # names of columns in a hint
_LARGEST = 2**127 - 1  # of DuckDB's whole numbers


def checked(predicate: Predicate, columns: Mapping[str, str]) -> Predicate:
    """Return a predicate as columns can answer it: names in their own case, values as their types compare with.

    Parameters
    ----------
    columns : name -> type, as DuckDB says it.

    Raises
    ------
    RenexError : `invalid_argument` for a column that is not there, with the nearest name, and for a value that its type
        never has.
    """
    if isinstance(predicate, Condition):
        return _condition(predicate, columns)
    if isinstance(predicate, Not):
        return Not(checked(predicate.part, columns))
    parts = tuple(checked(each, columns) for each in predicate.parts)
    return Every(parts) if isinstance(predicate, Every) else Some(parts)


def known_column(name: str, columns: Mapping[str, str]) -> str:
    """Return the name of a column in its own case. Raises `invalid_argument`, with the nearest names."""
    if name in columns:
        return name
    lower = {each.lower(): each for each in columns}
    if name.lower() in lower:
        return lower[name.lower()]
    raise unknown_column(name, columns)


def unknown_column(name: str, columns: Mapping[str, str]) -> RenexError:
    """No column has this name; the nearest ones are named."""
    near = get_close_matches(name.lower(), [each.lower() for each in columns], n=3)
    names = [each for word in near for each in columns if each.lower() == word]
    listed = ", ".join(map(repr, list(columns)[:_MOST])) + (" ..." if len(columns) > _MOST else "")
    hint = f"Did you mean {' or '.join(map(repr, names))}? " if names else ""
    return invalid_argument(f"there is no column {shown(name)}.", f"{hint}The columns are {listed or 'none'}.")


def _condition(said: Condition, columns: Mapping[str, str]) -> Condition:
    name = known_column(said.column, columns)
    kind = columns[name] if said.part is None else _part_type(said, columns[name])
    if said.op == "is nan" and not (_WHOLE.match(kind) or _BROKEN.match(kind)):
        raise _misfit(said, kind, "only numbers may be NaN")
    if said.op in STATES or said.op == CONTAINS:
        return dataclasses.replace(said, column=name)
    if said.op == RANGE:
        if said.value == (None, None) and not (_WHOLE.match(kind) or _BROKEN.match(kind)):
            raise _misfit(said, kind, "it has no numbers")
        value: Any = tuple(None if each is None else _value(said, each, kind) for each in said.value)
    elif said.op in MEMBERSHIPS:
        value = tuple(_value(said, each, kind) for each in said.value)
    else:
        value = _value(said, said.value, kind)
    return dataclasses.replace(said, column=name, value=value)


def _part_type(said: Condition, kind: str) -> str:
    """Return the type of a part of a column."""
    if said.part == "length":
        if not _TEXT.match(kind):
            raise _misfit(said, kind, "only texts have a length")
        return "BIGINT"
    if not _TIME.match(kind) and not (kind == "TIME" and said.part == "hour"):
        raise _misfit(said, kind, f"it has no {said.part}")
    return "BIGINT" if said.part == "hour" else "VARCHAR"


def _value(said: Condition, value: Any, kind: str) -> Any:
    """Return a value as a type compares with it."""
    if _WHOLE.match(kind) or _BROKEN.match(kind):
        if isinstance(value, (str, bool)):
            raise _misfit(said, kind, f"{shown(value)} is no number")
        large = isinstance(value, int) and abs(value) > _LARGEST
        return (math.inf if value > 0 else -math.inf) if large else value
    if kind == "BOOLEAN":
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"  # as class labels are written
        if isinstance(value, bool) or value in (0, 1):
            return bool(value)
        raise _misfit(said, kind, f"{shown(value)} is neither true nor false")
    if _TEXT.match(kind):
        if not isinstance(value, str):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            raise _misfit(said, kind, f"{shown(value)} is no text: write '{text}' in quotes")
        return value
    if _TIME.match(kind) or kind == "TIME":
        if not isinstance(value, str) or not _is_moment(value, time if kind == "TIME" else datetime):
            example = "10:30" if kind == "TIME" else "2024-01-31"
            raise _misfit(said, kind, f"{shown(value)} is no time: write '{example}'")
        return value
    raise _misfit(said, kind, "it can only be asked whether it is null")


def _is_moment(value: str, kind: type[datetime | time]) -> bool:
    try:
        kind.fromisoformat(value)
    except ValueError:
        return False
    return True


def _misfit(said: Condition, kind: str, why: str) -> RenexError:
    return invalid_argument(f"'{said}' asks column '{said.column}' of type {kind[:40]}: {why}.", "")
