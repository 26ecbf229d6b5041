"""Predicates and rows of any kind, and what Python says of them: the reference that SQL is held against."""

import math
import re
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from renex_jupyter.records.predicates import Condition, Every, Not, Predicate, Some

WORDS = [
    "",
    "bad",
    "so bad!",
    "BAD",
    "bäd",
    "o'b\"x",
    "a%_\\",
    "naïve été",
    "😀 bad",
    "na\nme",
    "nan",
    "null",
    "ab",
    "-",
    "bad_one",
]
NAMES = {"n": "number", "x y": "number", "q\"uo'te": "text", "order": "text", "naïve": "text", "b": "boolean"}
NUMBERS = st.sampled_from([None, math.nan, math.inf, -math.inf, -1.5, 0.0, 0.1, 2.0, 3.0, 1e300]) | st.floats(-5, 5)
VALUES = {"number": NUMBERS, "text": st.sampled_from([None, *WORDS]), "boolean": st.sampled_from([None, True, False])}
_OPERATORS = {
    "number": ["=", "!=", "<", "<=", ">", ">=", "in", "not in", "range", "is null", "is not null", "is nan"],
    "text": ["=", "!=", "<", "<=", ">", ">=", "in", "not in", "range", "contains", "is null", "is not null"],
    "boolean": ["=", "!=", "in", "not in", "is null", "is not null"],
}
rows = st.fixed_dictionaries({name: VALUES[kind] for name, kind in NAMES.items()})


@st.composite
def conditions(draw: Any) -> Condition:
    """Return any condition on the columns of NAMES, or on the length of texts."""
    name = draw(st.sampled_from(list(NAMES)))
    if NAMES[name] == "text" and draw(st.integers(0, 3)) == 0:
        return replace(draw(_of_kind(name, "number")), part="length")
    return draw(_of_kind(name, NAMES[name]))


@st.composite
def _of_kind(draw: Any, name: str, kind: str) -> Condition:
    op = draw(st.sampled_from(_OPERATORS[kind]))
    value = VALUES[kind].filter(lambda each: each is not None and each == each)
    if op.startswith("is "):
        return Condition(name, op)
    if op in ("in", "not in"):
        return Condition(name, op, tuple(draw(st.lists(value, max_size=4))))
    if op == "range":
        ends = st.none() | value
        low, high = draw(ends), draw(ends)
        return Condition(name, op, (low, high) if kind == "number" or (low, high) != (None, None) else ("a", "b"))
    if op == "contains":
        return Condition(name, op, draw(st.sampled_from([each for each in WORDS if each])))
    return Condition(name, op, draw(value))


def joined(parts: st.SearchStrategy[Predicate]) -> st.SearchStrategy[Predicate]:
    """Return predicates made of others."""
    some = st.lists(parts, max_size=3).map(tuple)
    return st.builds(Every, some) | st.builds(Some, some) | st.builds(Not, parts)


predicates = st.recursive(conditions(), joined, max_leaves=8)


def selects(predicate: Predicate, row: dict[str, Any]) -> bool:
    """Say whether a row is selected, written as plainly as can be."""
    if isinstance(predicate, Every):
        return all(selects(each, row) for each in predicate.parts)
    if isinstance(predicate, Some):
        return any(selects(each, row) for each in predicate.parts)
    if isinstance(predicate, Not):
        return not selects(predicate.part, row)
    value, said = row[predicate.column], predicate.value
    value = len(value) if predicate.part == "length" and value is not None else value
    if predicate.op == "is null":
        return value is None
    if value is None:
        return False
    if predicate.op == "is not null":
        return True
    if predicate.op == "is nan":
        return value != value
    if predicate.op == "range":
        low, high = said
        return value == value and (low is None or _at(value) >= _at(low)) and (high is None or _at(value) < _at(high))
    if predicate.op == "contains":
        around = r"[^\W]"  # letters, digits and the underscore
        return re.search(rf"(?<!{around}){re.escape(said)}(?!{around})", value, re.IGNORECASE) is not None
    if predicate.op in ("in", "not in"):
        return (value in said) == (predicate.op == "in")
    a, b = _at(value), _at(said)
    return {"=": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[predicate.op]


def _at(value: Any) -> Any:
    """Return a value as DuckDB orders it: texts by their bytes in UTF-8."""
    return value.encode() if isinstance(value, str) else value


def normal(predicate: Predicate) -> Predicate:
    """Return the predicate that its text says: nothing is lost but brackets around one part, and ranges of one end."""
    if isinstance(predicate, Condition):
        low, high = predicate.value if predicate.op == "range" else (None, None)
        if predicate.op == "range" and (low is None) != (high is None):
            return replace(predicate, op="<" if low is None else ">=", value=high if low is None else low)
        return predicate
    if isinstance(predicate, Not):
        return Not(normal(predicate.part))
    parts = tuple(map(normal, predicate.parts))
    return parts[0] if len(parts) == 1 else type(predicate)(parts)
