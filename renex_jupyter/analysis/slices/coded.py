"""A table as small whole numbers: what the search counts in.

Grouping by numbers of one byte is several times as fast as by texts. Errors are kept as whole numbers, too (fixed point),
so that their sums do not depend on the order of the rows or on the number of threads: equal slices have equal scores.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument, not_found
from renex_jupyter.store.workbench import Workbench, literal, quoted

SHRINKS = 0.7  # rows that are alike are put together where at most this share of them is left
BITS = 52  # of the sum of all errors as a whole number: doubles add such numbers without rounding
FIRST_ROWS = 3  # that a message names
_numbers = count()


@dataclass(frozen=True, slots=True)
class Errors:
    """The errors of all rows."""

    n: int
    sum: float
    squares: float
    binary: bool
    exponent: int  # an error is a whole number times 2**-exponent


@dataclass(frozen=True, slots=True)
class Coded:
    """Columns c0, c1, ... of codes (0: a value that is no item), e (sum of errors), m (largest), q (squares), n (rows)."""

    name: str
    columns: tuple[str, ...]  # ordered by name
    values: tuple[tuple[Any, ...], ...]  # by column: that of code 1, 2, ..., ordered by text, NULL last
    errors: Errors
    grouped: bool  # rows that are alike are one

    @property
    def size_sql(self) -> str:
        """How many rows there are, as an aggregate."""
        return "sum(n)::bigint" if self.grouped else "count(*)"

    @property
    def max_sql(self) -> str:
        """The largest error, in whole numbers; that of 0/1 is known without looking."""
        return "max(m)" if self.grouped else "max(e)"

    @property
    def squares_sql(self) -> str:
        """The sum of squared errors, as they were given."""
        if self.errors.binary:
            return "sum(e)"
        return "sum(q)" if self.grouped else f"sum((e * {self.unit!r}::double) ** 2)"

    @property
    def unit(self) -> float:
        """What one of the whole numbers stands for."""
        return math.ldexp(1.0, -self.errors.exponent)


@contextmanager
def coded(
    bench: Workbench,
    table: str,
    columns: Sequence[str],
    error: str,
    *,
    support: int,
    errors: Errors,
    absent: Mapping[str, Collection[Any]],
) -> Iterator[Coded]:
    """Give a table as codes; it is gone after the block.

    Parameters
    ----------
    support : a value of fewer rows is no item.
    absent : by column, values that are no items.
    """
    number = next(_numbers)
    name, alike = f"renex_coded_{number}", f"renex_alike_{number}"
    found = {each: _values(bench, table, each, support, absent.get(each, ())) for each in sorted(columns)}
    kept = {each: values for each, values in found.items() if values}
    fields = [f"{_code_sql(each, values)} as c{at}" for at, (each, values) in enumerate(kept.items())]
    try:
        e = _error_sql(error, errors.exponent) + ("::utinyint" if errors.binary else "")
        bench.run(f"create temp table {name} as select {', '.join([*fields, f'{e} as e'])} from {quoted(table)}")
        values = tuple(tuple(value for value, _ in each) for each in kept.values())
        plain = Coded(name, tuple(kept), values, errors, grouped=False)
        yield _alike(bench, plain, alike) if kept else plain
    finally:
        bench.run(f"drop table if exists {name}; drop table if exists {alike}")


def _alike(bench: Workbench, plain: Coded, name: str) -> Coded:
    """Put rows with the same codes together, where that leaves far fewer."""
    fields = ", ".join(f"c{at}" for at in range(len(plain.columns)))
    left = bench.value(f"select approx_count_distinct(hash({fields})) from {plain.name}")
    if left > SHRINKS * plain.errors.n:
        return plain
    bench.run(
        f"create temp table {name} as select {fields}, count(*) as n, sum(e)::bigint as e, max(e) as m, "
        f"({plain.squares_sql})::double as q from {plain.name} group by all"
    )
    bench.run(f"drop table {plain.name}")
    return Coded(name, plain.columns, plain.values, plain.errors, grouped=True)


def look_at_errors(bench: Workbench, table: str, columns: Sequence[str], error: str) -> Errors:
    """Return what is known of the errors before anything is searched.

    Raises
    ------
    RenexError : `not_found` for a column that is not there, `invalid_argument` for one that is named twice, and for
        errors that are NULL, NaN, infinite or below 0; it names rows.
    """
    known = bench.columns(table)
    for each in (error, *columns):
        if each not in known:
            raise not_found("column", each, list(known), listing="the columns of the table")
    twice = sorted({each for each in columns if each == error or list(columns).count(each) > 1})
    if twice:
        raise invalid_argument(
            f"column '{twice[0]}' is named twice.", "Name each column once, and the error not among them."
        )
    e = f"{quoted(error)}::double"
    n, total, squares, binary, wrong = bench.values(
        f"select count(*), sum({e}) filter (where isfinite({e})), sum({e} ** 2) filter (where isfinite({e})), "
        f"bool_and({e} in (0, 1)), "
        f"count(*) filter (where not coalesce(isfinite({e}) and {e} >= 0, false)) from {quoted(table)}"
    )[0]
    if wrong:
        raise _wrong_errors(bench, table, error, wrong)
    if total is not None and not math.isfinite(total):
        raise invalid_argument("the errors sum up to more than a double can say.", "Divide them by their largest one.")
    exponent = 0 if binary or not total else min(BITS - math.frexp(total)[1], 1000)
    whole = bench.value(f"select sum({_error_sql(error, exponent)}) from {quoted(table)}")
    return Errors(n, math.ldexp(float(whole or 0), -exponent), squares or 0.0, bool(binary), exponent)


def _wrong_errors(bench: Workbench, table: str, error: str, wrong: int) -> RenexError:
    e = f"{quoted(error)}::double"
    rows = bench.values(
        f"select place, e from (select row_number() over () - 1 as place, {e} as e from {quoted(table)}) "
        f"where not coalesce(isfinite(e) and e >= 0, false) order by place limit {FIRST_ROWS}"
    )
    named = ", ".join(f"row {at} is {'NULL' if value is None else value}" for at, value in rows)
    more = f" and {wrong - len(rows):,} more" if wrong > len(rows) else ""
    return invalid_argument(
        f"errors must be numbers from 0 on: {named}{more}.", "Leave such rows out, or give absolute or squared errors."
    )


def _values(
    bench: Workbench, table: str, column: str, support: int, absent: Collection[Any]
) -> list[tuple[Any, str | None]]:
    """Return the values of a column that can be items, with their texts: NULL last."""
    name = quoted(column)
    rows = bench.values(
        f"select {name}, {name}::varchar as text from {quoted(table)} group by all having count(*) >= {support} "
        "order by text nulls last"
    )
    return [(value, text) for value, text in rows if not (value in absent if text is not None else None in absent)]


def _code_sql(column: str, values: Sequence[tuple[Any, str | None]]) -> str:
    """Return the code of a column's value: 1, 2, ... in the order of the values, 0 for any other."""
    name = quoted(column)
    texts = [text for _, text in values if text is not None]
    kind = "utinyint" if len(values) < 2**8 else "usmallint" if len(values) < 2**16 else "uinteger"
    known = (
        f"coalesce(enum_code(try_cast({name}::varchar as enum({', '.join(map(literal, texts))})))::uinteger + 1, 0)"
        if texts
        else "0"
    )
    null = len(values) if len(texts) < len(values) else 0
    return f"(case when {name} is null then {null} else {known} end)::{kind}"


def _error_sql(error: str, exponent: int) -> str:
    return f"({quoted(error)}::double * {math.ldexp(1.0, exponent)!r}::double)::bigint"
