"""What selects samples: conditions on columns, joined by and, or and not. One tree for slices, filters, workspaces and SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument, shown

COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
MEMBERSHIPS = ("in", "not in")
RANGE = "range"  # value: (low, high): low <= x < high; None: without an end
CONTAINS = "contains"  # a word of a text, whatever its case
STATES = ("is null", "is not null", "is nan")
PARTS = ("hour", "dayname", "monthname", "length")  # of a time, or a text in characters: what SQL has as functions
OPERATORS = (*COMPARISONS, *MEMBERSHIPS, RANGE, CONTAINS, *STATES)
HINT = "Write {'column': 'age', 'op': 'range', 'value': [30, 40]}, and join such by {'and': [...]}, {'or': [...]}, {'not': ...}."
DEEPEST = 50  # predicates inside each other
KEYWORDS = frozenset(  # of a predicate's text: a column of such a name is quoted
    {"and", "or", "not", "in", "is", "null", "nan", "between", "contains", "true", "false", "inf", "infinity", "isnan"}
)
_OF_SQL = (  # duckdb_keywords() where keyword_category = 'reserved'
    "all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create default "
    "deferrable desc describe distinct do else end except false fetch for foreign from group having in initially intersect "
    "into lambda lateral leading limit not null offset on only or order pivot pivot_longer pivot_wider placing primary "
    "qualify references returning select show some summarize symmetric table then to trailing true union unique unpivot "
    "using variadic when where window with"
)
_QUOTED = KEYWORDS | frozenset(_OF_SQL.split())  # so that the text is SQL


@dataclass(frozen=True, slots=True)
class Condition:
    """What one column of a sample must be."""

    column: str
    op: str  # one of OPERATORS
    value: Any = None  # a text, number or boolean; a tuple of them for `in`; (low, high) for `range`; None for states
    part: str | None = None  # one of PARTS: what of the column is asked; None: its value

    def __str__(self) -> str:
        name = _name(self.column) if self.part is None else f"{self.part}({_name(self.column)})"
        if self.op in STATES:
            return f"{name} {self.op}"
        if self.op == RANGE:
            return _range_text(name, *self.value)
        if self.op in MEMBERSHIPS:
            return f"{name} {self.op} ({', '.join(map(_text, self.value))})"
        return f"{name} {self.op} {_text(self.value)}"


@dataclass(frozen=True, slots=True)
class Every:
    """All of some predicates; with none of them every sample."""

    parts: tuple[Predicate, ...] = ()

    def __str__(self) -> str:
        return " and ".join(_inner(each) for each in self.parts) or "every sample"


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of some predicates; with none of them no sample."""

    parts: tuple[Predicate, ...] = ()

    def __str__(self) -> str:
        return " or ".join(_inner(each) for each in self.parts) or "no sample"


@dataclass(frozen=True, slots=True)
class Not:
    """What a predicate does not select."""

    part: Predicate

    def __str__(self) -> str:
        return f"not {_inner(self.part)}" if isinstance(self.part, Condition) else f"not ({self.part})"


Predicate = Condition | Every | Some | Not
EVERYTHING = Every()


def every(*parts: Predicate) -> Predicate:
    """Return all of some predicates as one, without needless nesting."""
    flat = [inner for each in parts for inner in (each.parts if isinstance(each, Every) else (each,))]
    return flat[0] if len(flat) == 1 else Every(tuple(flat))


def to_json(predicate: Predicate) -> dict[str, Any]:
    """Return a predicate as plain values: `from_json` undone."""
    if isinstance(predicate, Condition):
        value = list(predicate.value) if isinstance(predicate.value, tuple) else predicate.value
        said = {"column": predicate.column, "op": predicate.op}
        said |= {"part": predicate.part} if predicate.part else {}
        return said if predicate.op in STATES else {**said, "value": value}
    if isinstance(predicate, Not):
        return {"not": to_json(predicate.part)}
    return {"and" if isinstance(predicate, Every) else "or": [to_json(each) for each in predicate.parts]}


def from_json(said: Any) -> Predicate:
    """Return the predicate that plain values say.

    Parameters
    ----------
    said : `{"column": ..., "op": ..., "value": ...}`, with `"part"` where only that of the column is meant (`PARTS`);
        `{"and": [...]}`, `{"or": [...]}`, `{"not": ...}`; a list is an `and`; a predicate is itself.

    Raises
    ------
    RenexError : `invalid_argument` for anything else; it names the part that is wrong.
    """
    return _from_json(said, 0)


def columns(predicate: Predicate) -> set[str]:
    """Return the names of the columns that a predicate looks at."""
    if isinstance(predicate, Condition):
        return {predicate.column}
    parts = (predicate.part,) if isinstance(predicate, Not) else predicate.parts
    return {name for each in parts for name in columns(each)}


def _from_json(said: Any, depth: int) -> Predicate:
    if depth > DEEPEST:
        raise invalid_argument(f"the predicate is nested deeper than {DEEPEST}.", HINT)
    if isinstance(said, (Condition, Every, Some, Not)):
        return said
    if isinstance(said, (list, tuple)):
        return Every(tuple(_from_json(each, depth + 1) for each in said))
    if not isinstance(said, Mapping):
        raise _wrong(said)
    if "column" in said:
        return _condition(said)
    if len(said) != 1:
        raise _wrong(said)
    [(word, parts)] = said.items()
    if word == "not":
        return Not(_from_json(parts, depth + 1))
    if word not in ("and", "or") or not isinstance(parts, (list, tuple)):
        raise _wrong(said)
    found = tuple(_from_json(each, depth + 1) for each in parts)
    return Every(found) if word == "and" else Some(found)


def _condition(said: Mapping[str, Any]) -> Condition:
    part = said.get("part")
    if part is None:
        return _of_value({name: value for name, value in said.items() if name != "part"})
    if part not in PARTS:
        raise invalid_argument(f"{shown(part)} is no part of a column.", f"Use one of: {', '.join(PARTS)}.")
    return replace(_of_value({name: value for name, value in said.items() if name != "part"}), part=part)


def _of_value(said: Mapping[str, Any]) -> Condition:
    column, op, value = said["column"], said.get("op", "="), said.get("value")
    if not isinstance(column, str) or not column or said.keys() - {"column", "op", "value"}:
        raise _wrong(said)
    if op not in OPERATORS:
        raise invalid_argument(f"{shown(op)} is no operator.", f"Use one of: {', '.join(OPERATORS)}.")
    if op in STATES:
        if value is not None:
            raise _wrong(said)
        return Condition(column, op)
    if op in MEMBERSHIPS:
        if not isinstance(value, (list, tuple)) or not all(map(_is_plain, value)):
            raise _wrong(said)
        return Condition(column, op, tuple(value))
    if op == RANGE:
        if not isinstance(value, (list, tuple)) or len(value) != 2 or not all(map(_is_end, value)):
            raise _wrong(said)
        return Condition(column, op, tuple(value))
    if op == CONTAINS and not isinstance(value, str):
        raise _wrong(said)
    if value is None and op in ("=", "!="):
        return Condition(column, "is null" if op == "=" else "is not null")
    if not _is_plain(value):
        raise _wrong(said)
    return Condition(column, op, value)


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, bool, int, float)) and value == value  # NaN is asked for by `is nan`


def _is_end(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float, str)) and not isinstance(value, bool) and value == value)


def _wrong(said: Any) -> RenexError:
    return invalid_argument(f"{shown(said)} is no predicate.", HINT)


def _inner(predicate: Predicate) -> str:
    return f"({predicate})" if isinstance(predicate, (Every, Some)) and len(predicate.parts) > 1 else str(predicate)


def _range_text(name: str, low: Any, high: Any) -> str:
    if low is None and high is None:
        return f"{name} is a number"
    if low is None or high is None:
        return f"{name} < {_text(high)}" if low is None else f"{name} >= {_text(low)}"
    return f"{_text(low)} <= {name} < {_text(high)}"


def _name(column: str) -> str:
    """Return the name of a column as a text of SQL has it: quoted where it must be."""
    plain = column.isidentifier() and column.lower() not in _QUOTED
    return column if plain else '"' + column.replace('"', '""') + '"'


def _text(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float):
        return float.__repr__(value)  # all its digits, so that the text selects what the predicate does
    return str(value).lower() if isinstance(value, bool) else str(value)
