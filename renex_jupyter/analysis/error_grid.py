"""How often a model fails in each of the cells that two columns make, counted by the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from renex_jupyter.errors import invalid_argument
from renex_jupyter.records import display
from renex_jupyter.store.workbench import Workbench, literal, quoted

BINS = 8  # of a column of numbers, or values of another one
LEAST = 20  # samples of a cell whose rate says something
NONE, OTHERS = "(none)", "(others)"
_NUMBERS = (
    *(f"{sign}{width}INT" for sign in ("", "U") for width in ("TINY", "SMALL", "BIG", "HUGE")),
    "INTEGER", "UINTEGER", "FLOAT", "DOUBLE", "DECIMAL",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """The samples that have one part of each column."""

    n: int = 0
    rate: float | None = None  # mean error; None without samples


@dataclass(frozen=True, slots=True)
class Grid:
    """Two columns against each other."""

    a: str
    b: str
    a_labels: tuple[str, ...]
    b_labels: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]  # a row per label of b, in it a cell per label of a
    n: int
    base_rate: float
    least: int  # samples that a cell needs for its rate to say something


def error_grid(
    bench: Workbench, table: str, a: str, b: str, *, error: str = "error", bins: int = BINS, least: int = LEAST
) -> Grid:
    """Return the mean error by cell of two columns.

    Parameters
    ----------
    table : a table or view with both columns and the error [NULL: there is nothing to compare, not counted].
    bins : most parts of a column: quantiles of numbers, of other values the most frequent ones. NULL is one more.

    Raises
    ------
    RenexError : `invalid_argument` for a column that is not there, and where no sample has an error.
    """
    known = bench.columns(table)
    for name in (a, b):
        if name not in known:
            raise invalid_argument(f"there is no column '{name}'.", f"Columns: {', '.join(list(known)[:20])}.")
    where = f"from {quoted(table)} where {quoted(error)} is not null"
    [(n, base)] = bench.values(f"select count(*), avg({quoted(error)}::double) {where}")
    if not n:
        raise invalid_argument(
            "no sample has a prediction to compare.", "Look at the ground truth and at the predictions."
        )
    (a_part, a_labels), (b_part, b_labels) = (_parts(bench, where, name, known[name], bins) for name in (a, b))
    found = bench.values(
        f"select {a_part} as a, {b_part} as b, count(*), avg({quoted(error)}::double) {where} group by 1, 2"
    )
    known_cells = {(int(row[1]), int(row[0])): Cell(int(row[2]), float(row[3])) for row in found}
    cells = tuple(
        tuple(known_cells.get((row, column), Cell()) for column in range(len(a_labels))) for row in range(len(b_labels))
    )
    return Grid(a, b, tuple(a_labels), tuple(b_labels), cells, int(n), float(base), least)


def _parts(bench: Workbench, where: str, name: str, kind: str, bins: int) -> tuple[str, list[str]]:
    """Return the number of a row's part as SQL, and the labels of the parts by number."""
    column = quoted(name)
    if kind.split("(", maxsplit=1)[0] in _NUMBERS:
        number = f"case when isnan({column}::double) then null else {column}::double end"
        different = bench.value(f"select count(distinct {number}) {where}")
        if different > bins:
            return _binned(bench, where, number, bins)
    text = f"{column}::varchar"
    by = f"any_value({number})" if kind.split("(", maxsplit=1)[0] in _NUMBERS else "v"
    rows = bench.values(
        f"""select v from (
            select v, count(*) as n, {by} as place from (select {text} as v, {column} {where}) where v is not null
            group by v order by n desc, v limit {bins}
        ) order by place, v"""
    )
    return _listed(bench, where, text, [row[0] for row in rows])


def _binned(bench: Workbench, where: str, number: str, bins: int) -> tuple[str, list[str]]:
    shares = [place / bins for place in range(1, bins)]
    [(low, cuts, high)] = bench.values(
        f"select min(v), quantile_disc(v, {shares}), max(v) from (select {number} as v {where})"
    )
    edges = sorted({float(each) for each in cuts if each > low})
    # A value's part is the number of edges that it has reached.
    reached = " + ".join(f"({number} >= {each!r})::int" for each in edges) or "0"
    has_null = bench.value(f"select count(*) from (select {number} as v {where}) where v is null")
    ends = [low, *edges, high]
    labels = [f"{_number(ends[place])} to {_number(ends[place + 1])}" for place in range(len(edges) + 1)]
    part = f"case when {number} is null then {len(labels)} else {reached} end"
    return part, [*labels, *([NONE] if has_null else [])]


def _listed(bench: Workbench, where: str, text: str, values: Sequence[str]) -> tuple[str, list[str]]:
    some = "".join(f" when {text} = {literal(each)} then {place}" for place, each in enumerate(values))
    [(others, nulls)] = bench.values(
        f"select count(*) filter (v is not null and not list_contains({literal(list(values))}::varchar[], v)), "
        f"count(*) filter (v is null) from (select {text} as v {where})"
    )
    labels = [*values, *([OTHERS] if others else []), *([NONE] if nulls else [])]
    null_place = len(labels) - 1 if nulls else 0
    return f"case when {text} is null then {null_place}{some} else {len(values)} end", labels


def _number(value: float) -> str:
    """Return a number as short as a label must be: 437.3, 7.17k, 67.9k, 1.2M."""
    size = abs(value)
    if not 1e3 <= size < 1e12 or (size < 1e4 and value == int(value)):
        return display.number(float(value), 4)
    power, sign = next(each for each in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if size >= each[0])
    return f"{value / power:.3g}{sign}"
