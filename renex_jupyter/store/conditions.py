"""Predicates as SQL: every value is bound, every name quoted."""

from __future__ import annotations

import re
from typing import Any

from renex_jupyter.records.predicates import (
    CONTAINS,
    MEMBERSHIPS,
    PARTS,
    RANGE,
    STATES,
    Condition,
    Every,
    Not,
    Predicate,
)
from renex_jupyter.store.workbench import quoted

_MANY = 50  # values from which on a list is joined instead of compared one by one
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")  # what RE2 lets be escaped: https://github.com/google/re2/wiki/Syntax


def condition(predicate: Predicate, *, table: str | None = None) -> tuple[str, list[Any]]:
    """Return a predicate as a condition of SQL that is never NULL, and the values of its `?`, in order.

    Parameters
    ----------
    table : the alias of the table that has the columns, where others have some of these names.
    """
    if isinstance(predicate, Condition):
        name = quoted(predicate.column) if table is None else f"{quoted(table)}.{quoted(predicate.column)}"
        name = f"{predicate.part}({name})" if predicate.part in PARTS else name
        text, values = _of_column(name, predicate)
        return f"coalesce({text}, false)", values
    if isinstance(predicate, Not):
        text, values = condition(predicate.part, table=table)
        return f"not ({text})", values
    found = [condition(each, table=table) for each in predicate.parts]
    is_every = isinstance(predicate, Every)
    joined = (" and " if is_every else " or ").join(f"({text})" for text, _ in found)
    return joined or str(is_every).lower(), [value for _, values in found for value in values]


def _of_column(name: str, said: Condition) -> tuple[str, list[Any]]:
    if said.op in STATES:
        return (f"isnan({name}::double)" if said.op == "is nan" else f"{name} {said.op}"), []
    if said.op in MEMBERSHIPS:
        if not said.value:
            return ("false" if said.op == "in" else f"{name} is not null"), []
        if len(said.value) > _MANY and len({type(each) for each in said.value}) == 1:
            return f"{name} {said.op} (select unnest(?))", [list(said.value)]
        return f"{name} {said.op} ({', '.join('?' * len(said.value))})", [*said.value]
    if said.op == RANGE:
        low, high = said.value
        ends = [(f"{name} >= ?", low), (f"{name} < ?", high)]
        given = [(text, value) for text, value in ends if value is not None]
        numbers = not any(isinstance(value, str) for _, value in given)
        is_number = [f"not isnan({name}::double)"] if numbers else []  # NaN lies above all numbers in DuckDB
        return " and ".join([*(text for text, _ in given), *is_number]), [value for _, value in given]
    if said.op == CONTAINS:
        word = _PUNCTUATION.sub(r"\\\g<0>", said.value)
        return f"regexp_matches({name}::varchar, ?, 'i')", [rf"(^|[^\pL\pN_]){word}($|[^\pL\pN_])"]
    if said.op in (">", ">=") and isinstance(said.value, (int, float)) and not isinstance(said.value, bool):
        return f"{name} {said.op} ? and not isnan({name}::double)", [said.value]  # as in a range
    return f"{name} {said.op} ?", [said.value]
