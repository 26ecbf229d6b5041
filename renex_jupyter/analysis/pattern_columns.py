"""Columns of samples as items that failure patterns are made of; each item is a condition that selects just its rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from renex_jupyter.analysis.frequent_words import frequent_words
from renex_jupyter.analysis.number_bins import QUANTILE, make_bins
from renex_jupyter.records.predicates import CONTAINS, Condition, Predicate, every
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import Workbench, literal, quoted

MOST_COLUMNS = 40  # that are searched: the cost grows with their pairs
MOST_VALUES = 50  # frequent ones of a column, of which there is a word of warning
WORDS_OF_TEXT = 3.0  # spaces on average, from which on a column of rare values is read as a text
_NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|FLOAT$|DOUBLE$|DECIMAL")
_MOMENT = re.compile(r"DATE$|TIMESTAMP")
_TEXT = re.compile(r"VARCHAR$|UUID$|ENUM")


@dataclass(frozen=True, slots=True)
class Items:
    """A table of codes: a column per attribute, in which 0 and the codes of rare values are no item; and `error`."""

    table: str
    columns: Mapping[str, Mapping[int, Condition]]  # item column -> code -> what selects the same rows
    left_out: tuple[tuple[str, str], ...] = ()  # column and why
    notes: tuple[str, ...] = ()
    rare: Mapping[str, Sequence[int]] = field(default_factory=dict)  # item column -> codes with too few rows

    @property
    def absent(self) -> dict[str, list[int]]:
        """By column, the codes that make no item: rare values, and words that are not there."""
        return {name: [0, *self.rare.get(name, ())] for name in self.columns}

    def predicate(self, items: Sequence[tuple[str, Any]]) -> Predicate:
        """Return what selects the rows that have all of some items."""
        return every(*(self.columns[column][int(code)] for column, code in items))


@dataclass(slots=True)
class _Making:
    """Items on their way."""

    bench: Workbench
    source: str
    support: int
    bins: int
    cut: str
    columns: dict[str, list[Condition]] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def make_items(
    bench: Workbench,
    source: str,
    columns: Sequence[str],
    *,
    bins: int = 10,
    cut: str = QUANTILE,
    words: int = 40,
    most_values: int = MOST_VALUES,
    most_columns: int = MOST_COLUMNS,
    min_support: int = 32,
    texts: Collection[str] = (),
    name: str = "items",
    seed: int = 0,
) -> Items:
    """Make the table of items of some columns.

    Parameters
    ----------
    source : table with the columns and `error`; bins, words and the choice of columns are made of it alone.
    columns : numbers become bins, few of them stay values; times become hour, weekday and month; texts the words that are
        in them and a bin of their length. NULL and NaN are values.
    cut : "quantile" or "width".
    words : most words and pairs of words of all texts, those with the highest error first.
    min_support : the fewest rows of an item; rarer values are "other", which is no item.
    texts : columns that are texts in any case.
    """
    making = _Making(bench, source, min_support, bins, cut)
    types = bench.columns(source)
    long = []
    for column in columns:
        kind = types[column]
        if _NUMBER.match(kind):
            _add(making, column, make_bins(bench, source, column, kind, bins=bins, cut=cut), kind)
        elif kind == "BOOLEAN":
            _add(making, column, [Condition(column, "=", value) for value in (False, True)], kind)
        elif _MOMENT.match(kind):
            _add_parts(making, column, kind)
        elif kind.startswith("VARCHAR") and (column in texts or _reads_as_text(making, column)):
            long.append(column)
        elif _TEXT.match(kind):
            _add_values(making, column, kind, most_values)
        else:
            making.left_out.append((column, f"values of type {kind[:40]} are not searched"))
    for column in long:
        length = make_bins(bench, source, column, "BIGINT", bins=bins, cut=cut, part="length")
        _add(making, f"length({column})", length, "BIGINT")
    if long and words:
        for column, word in frequent_words(bench, source, long, most=words, support=min_support, seed=seed):
            _add(making, f"{column} contains {word}", [Condition(column, CONTAINS, word)], "BOOLEAN")
    return _made(making, name, most_columns + words * bool(long), types)


def _add(making: _Making, item: str, conditions: Sequence[Condition], kind: str) -> None:
    """Add a column of what may become items: those conditions, NULL and NaN. Its rows are counted when all are coded."""
    column, part = conditions[0].column if conditions else item, conditions[0].part if conditions else None
    states = [] if any(each.op == CONTAINS for each in conditions) else [Condition(column, "is null")]
    if kind in ("FLOAT", "DOUBLE"):
        states.append(Condition(column, "is nan"))
    found = [*conditions, *states] if part is None or conditions else []
    if found:
        making.columns[item] = found
    else:
        making.left_out.append((item, f"no value is there {making.support:,} times"))


def _add_values(making: _Making, column: str, kind: str, most: int) -> None:
    """Add the frequent values of a column of words."""
    value = f"{quoted(column)}::varchar"
    rows = making.bench.values(
        f"""select {value} as v, count(*) as n from {quoted(making.source)} where {quoted(column)} is not null
        group by all having n >= {making.support} order by n desc, v"""
    )
    if len(rows) > most:
        making.notes.append(f"'{column}' has {len(rows):,} frequent values: the search takes longer.")
    _add(making, column, [Condition(column, "=", row[0]) for row in rows], kind)


def _add_parts(making: _Making, column: str, kind: str) -> None:
    for part in ("hour", "dayname", "monthname") if kind.startswith("TIMESTAMP") else ("dayname", "monthname"):
        rows = making.bench.values(
            f"""select {part}({quoted(column)}) as v from {quoted(making.source)} where {quoted(column)} is not null
            group by all order by v"""
        )
        if len(rows) > 1:
            _add(making, f"{part}({column})", [Condition(column, "=", row[0], part) for row in rows], "VARCHAR")


def _reads_as_text(making: _Making, column: str) -> bool:
    """Say whether the values of a column are sentences: none of them is frequent, and they have several words."""
    name = quoted(column)
    most = making.bench.value(
        f"""select max(n) from (select count(*) as n from {quoted(making.source)} where {name} is not null group by {name})"""
    )
    spaces = making.bench.value(
        f"select avg(length({name}) - length(replace({name}, ' ', ''))) from {quoted(making.source)}"
    )
    return (most or 0) < making.support and (spaces or 0.0) >= WORDS_OF_TEXT


def _made(making: _Making, name: str, most: int, types: Mapping[str, str]) -> Items:
    """Make the table of the columns that are promising enough."""
    bench, source = making.bench, making.source
    codes = {item: _code(conditions, types) for item, conditions in making.columns.items()}
    parts = [f"({sql}) as {quoted(item)}" for item, (sql, _) in codes.items()]
    values = [each for _, some in codes.values() for each in some]
    bench.run(
        f"create or replace table {quoted(name)} as select {', '.join([*parts, 'error'])} from {quoted(source)}", values
    )
    kept = {item: _frequent(making, name, item) for item in codes}
    kept = {item: some for item, some in kept.items() if some}
    if len(kept) > most:
        promise = {item: _promise(bench, name, item, kept[item]) for item in kept}
        best = set(sorted(kept, key=lambda item: (-promise[item], item))[:most])
        why = f"{most} columns are searched, and the errors differ less between its values"
        making.left_out += [(item, why) for item in kept if item not in best]
        kept = {item: some for item, some in kept.items() if item in best}
    columns = {item: {code: making.columns[item][code - 1] for code in some} for item, some in kept.items()}
    rare = {
        item: [code for code in range(1, len(making.columns[item]) + 1) if code not in columns[item]] for item in kept
    }
    return Items(name, columns, tuple(making.left_out), tuple(making.notes), rare)


def _frequent(making: _Making, table: str, item: str) -> list[int]:
    """Return the codes of a column that enough rows have; none, and why is kept, if it makes no item."""
    rows = making.bench.values(
        f"select {quoted(item)}, count(*) from {quoted(table)} where {quoted(item)} > 0 group by all order by 1"
    )
    found = [int(code) for code, n in rows if n >= making.support]
    if not found:
        making.left_out.append((item, f"no value is there {making.support:,} times"))
    elif len(rows) == 1 and making.columns[item][found[0] - 1].op != CONTAINS:
        making.left_out.append((item, "it is the same everywhere"))
        return []
    return found


def _code(conditions: Sequence[Condition], types: Mapping[str, str]) -> tuple[str, list[Any]]:
    """Return the expression of the number of the condition that a row meets, 0 for none, and its values."""
    first = conditions[0]
    equal = [each for each in conditions if each.op == "="]
    if len(equal) > 8 and first.part is None and types[first.column] == "VARCHAR":  # one look-up for all values
        known = literal([each.value for each in equal])
        rest = [(each, place) for place, each in enumerate(conditions, 1) if each.op != "="]
        places = [place for place, each in enumerate(conditions, 1) if each.op == "="]
        whens = [(condition(each), place) for each, place in rest]
        sql = " ".join(f"when {text} then {place}" for (text, _), place in whens)
        look = f"coalesce(map({known}, {places!r})[{quoted(first.column)}], 0)"
        return f"(case {sql} else {look} end)::usmallint" if sql else f"{look}::usmallint", [
            v for (_, some), _ in whens for v in some
        ]
    found = [condition(each) for each in conditions]
    sql = " ".join(f"when {text} then {place}" for place, (text, _) in enumerate(found, 1))
    return f"(case {sql} else 0 end)::usmallint", [each for _, values in found for each in values]


def _promise(bench: Workbench, table: str, item: str, codes: Sequence[int]) -> float:
    """Return how far the mean error of the worst value lies above that of all, by the root of its rows."""
    return float(
        bench.value(
            f"""select max((m - (select avg(error) from {quoted(table)})) * sqrt(n)) from (
            select avg(error) as m, count(*) as n from {quoted(table)} where {quoted(item)} in ({", ".join(map(str, codes))})
            group by {quoted(item)})"""
        )
        or 0.0
    )
