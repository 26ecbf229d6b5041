"""Columns to look for drift in: which can be compared, how, and into which bins their values fall."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from renex_jupyter.records import display
from renex_jupyter.store.workbench import Workbench, quoted

NUMERIC, CATEGORICAL = "numeric", "categorical"
BINS = 10  # deciles of the reference
MOST_VALUES = 50  # categories with a bin of their own; the others share one
NULL, NAN, OTHER = -1, -2, -3  # bins of what is no value, no number, and none of the categories
NAMES = {NULL: "NULL", NAN: "NaN", OTHER: "(other)"}
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "REAL", "DECIMAL", "BIGNUM")
TIMES = ("DATE", "TIMESTAMP", "TIME")
NESTED = ("STRUCT", "MAP", "UNION", "BLOB", "BIT", "GEOMETRY", "VARIANT")


@dataclass(frozen=True, slots=True)
class Compared:
    """A column that both sides have, as an expression of SQL over each."""

    name: str
    kind: str  # numeric, categorical
    reference: str  # an expression that gives DOUBLE or VARCHAR
    current: str
    role: str = "column"
    note: str | None = None
    changed: bool = False  # numbers became words, or words numbers


@dataclass(frozen=True, slots=True)
class Bins:
    """How values fall into bins."""

    expression: str  # of the value `v`, and of `bin` of the table of values; gives the number of a bin
    labels: Mapping[int, str] = field(default_factory=dict)


def is_numeric(kind: str) -> bool:
    """Say whether a type of DuckDB is one of numbers."""
    bare = kind.removeprefix("U")
    return "[" not in kind and bare.split("(")[0] in NUMBERS


def is_list(kind: str) -> bool:
    """Say whether a type of DuckDB is a list of numbers, such as an embedding."""
    head, bracket, rest = kind.partition("[")
    return bool(bracket) and rest.count("[") == 0 and is_numeric(head)


def is_time(kind: str) -> bool:
    """Say whether a type of DuckDB is a date or a time."""
    return "[" not in kind and kind.startswith(TIMES)


def why_not(kind: str) -> str | None:
    """Return why a column of a type is not compared; None if it is."""
    if is_list(kind):
        return "a list of numbers: see embeddings"
    if "[" in kind or kind.startswith(NESTED):
        return f"of type {kind[:40]}"
    return None


def compared(
    name: str, reference: str, current: str, *, role: str = "column", words: bool = False, title: str | None = None
) -> Compared:
    """Return how a column with these types on both sides is compared.

    Parameters
    ----------
    words : it is a text of sentences, of which the length is compared.
    """
    column, title = quoted(name), title or name
    if words:
        length = f"length({column}::varchar)::double"
        return Compared(title, NUMERIC, length, length, role, "its length in characters")
    if is_numeric(reference) and is_numeric(current):
        return Compared(title, NUMERIC, f"{column}::double", f"{column}::double", role)
    if is_time(reference) and reference == current and not reference.startswith("TIME "):
        seconds = f"epoch({column})::double"
        return Compared(title, NUMERIC, seconds, seconds, role, "as seconds since the epoch")
    other = reference != current and (is_numeric(reference) != is_numeric(current))
    note = f"was {reference}, is {current}: compared as text" if other else None
    return Compared(title, CATEGORICAL, f"{column}::varchar", f"{column}::varchar", role, note, other)


def make_bins(bench: Workbench, column: Compared, table: str, values: str) -> Bins:
    """Make the bins of a column: of numbers by the reference alone, of categories by how often they are.

    Parameters
    ----------
    table : has the values of the column as `v`, and `w`, which is -1 for the reference; of categories how often as `n`.
    values : the table to make of the categories that have a bin: value, bin.
    """
    if column.kind == NUMERIC:
        bench.run(f"create or replace temp table {quoted(values)} (value varchar, bin int)")
        edges = _edges(bench, table)
        steps = " + ".join(f"(v > {each!r}::double)::int" for each in edges) or "0"
        labels = dict(enumerate(_between(edges)))
        return Bins(f"case when v is null then {NULL} when isnan(v) then {NAN} else {steps} end", labels)
    bench.run(f"""
        create or replace temp table {quoted(values)} as
        select v as value, (row_number() over (order by n desc, v) - 1)::int as bin
        from (select v, sum(n) as n from {quoted(table)} where v is not null group by v)
        order by bin limit {MOST_VALUES}""")
    rows = bench.values(f"select bin, value from {quoted(values)} order by bin")
    return Bins(f"coalesce(bin, if(v is null, {NULL}, {OTHER}))", dict(rows))


def label(bins: Bins, number: int) -> str:
    """Return the words of a bin."""
    return NAMES.get(number) or bins.labels.get(number, str(number))


def _edges(bench: Workbench, table: str) -> list[float]:
    """Return where one bin ends and the next begins: deciles, with a bin of its own for a value that fills one."""
    finite = f"(select v from {quoted(table)} where w = -1 and isfinite(v))"
    few = [
        row[0] for row in bench.values(f"select distinct v + 0.0 from {finite} limit {BINS + 1}")
    ]  # -0.0 is 0.0 there
    if len(few) <= BINS:
        return _with_own(sorted(set(few)), few)
    shares = [place / BINS for place in range(1, BINS)]
    deciles = bench.value(f"select quantile_cont(v, {shares}) from {finite}")
    ends = bench.values(f"select min(v), max(v) from {finite}")[0]
    twice = {each for each in deciles if deciles.count(each) > 1 or each in ends}
    return _with_own(sorted(set(deciles)), twice)


def _with_own(values: Sequence[float], own: Iterable[float]) -> list[float]:
    """Return edges at values; those that are to have a bin of their own have an edge right below them, too."""
    below = {math.nextafter(each, -math.inf) for each in own}
    return sorted({*values, *below})


def _between(edges: Sequence[float]) -> list[str]:
    """Return the words of the bins that edges make."""
    if not edges:
        return ["every number"]
    told = [f"x <= {display.number(edges[0])}"]
    for low, high in pairwise(edges):
        alone = math.nextafter(high, -math.inf) == low
        told.append(f"x = {display.number(high)}" if alone else f"{display.number(low)} < x <= {display.number(high)}")
    return [*told, f"x > {display.number(edges[-1])}"]
