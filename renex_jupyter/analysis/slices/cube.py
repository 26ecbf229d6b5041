"""Every frequent combination of values of a few columns, and how far its rate of an outcome diverges from that of all rows.

References
----------
Pastor, de Alfaro, Baralis, "Looking for Trouble: Analyzing Classifier Behavior via Pattern Divergence", SIGMOD 2021:
outcomes that are true, false or neither, divergence and its t, redundancy (section 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from renex_jupyter.analysis.slices.contributions import contributions
from renex_jupyter.analysis.slices.found import Items
from renex_jupyter.analysis.slices.scores import Sums, divergence_t
from renex_jupyter.analysis.slices.search import BATCH
from renex_jupyter.errors import invalid_argument, not_found
from renex_jupyter.store.workbench import Workbench, quoted

MOST_COLUMNS = 8  # 256 sets of columns


@dataclass(frozen=True, slots=True)
class Pattern:
    """Rows that have all of some values; no values: all rows."""

    items: Items
    size: int  # rows
    counted: int  # rows that have an outcome: `error` is not NULL
    sum_error: float
    sum_squares: float
    max_error: float
    divergence: float  # mean error minus that of all rows; NaN where no row is counted
    t: float  # standard deviations that the divergence is away from 0

    @property
    def mean(self) -> float:
        """The mean error, a rate where errors are 0 and 1; NaN where no row is counted."""
        return self.sum_error / self.counted if self.counted else float("nan")


@dataclass(frozen=True, slots=True)
class Cube:
    """All frequent combinations of values."""

    patterns: Mapping[frozenset[tuple[str, Any]], Pattern]  # by items; the empty set: all rows
    n: int

    def contributions(self, pattern: Pattern) -> dict[str, float]:
        """Return the Shapley value of each item of a pattern, by column; they sum up to its divergence."""
        found = contributions(pattern.items, lambda items: self.patterns[frozenset(items)].divergence)
        return {column: share for (column, _), share in zip(pattern.items, found, strict=True)}

    def essential(self, least: float) -> list[Pattern]:
        """Return the patterns in which each item changes the divergence by more than `least`, those that diverge most first."""
        found = [
            pattern
            for items, pattern in self.patterns.items()
            if items
            and all(
                abs(pattern.divergence - self.patterns[items - {each}].divergence) > least for each in pattern.items
            )
        ]
        return sorted(found, key=_order)

    def top(self) -> list[Pattern]:
        """Return all patterns, those that diverge most to the worse first."""
        return sorted((pattern for items, pattern in self.patterns.items() if items), key=_order)


def cube(
    bench: Workbench, table: str, columns: Sequence[str], error: str, *, min_support: int, batch: int = BATCH
) -> Cube:
    """Return every combination of values of at most 8 columns that enough rows have.

    Parameters
    ----------
    table : name of a table or view of the workbench; NULL is a value of a column like any other.
    error : a column of numbers; NULL: the row has no such outcome, as the false positive rate of an actual positive has
        none. Such rows count for the support, not for the rate.
    min_support : the fewest rows of a combination.
    batch : sets of columns that are counted in one scan.

    Raises
    ------
    RenexError : `not_found` for an unknown column, `invalid_argument` for more than 8 or none.
    """
    known = bench.columns(table)
    for each in (*columns, error):
        if each not in known:
            raise not_found("column", each, list(known), listing="the columns of the table")
    if not 1 <= len(set(columns)) == len(columns) <= MOST_COLUMNS:
        raise invalid_argument(
            f"{len(columns)} columns cannot make a cube.", f"Give 1 to {MOST_COLUMNS} different columns."
        )
    ordered = sorted(columns)
    e = f"{quoted(error)}::double"
    sums = f"count(*) as n, count({e}) as m, sum({e}) as s, sum({e} ** 2) as q, max({e}) as h"
    [(n, m, s, q, h, binary)] = bench.values(f"select {sums}, bool_and({e} in (0, 1)) from {quoted(table)}")
    whole = Sums(m, s or 0.0, q or 0.0)
    everything = Pattern((), n, m, s or 0.0, q or 0.0, h or 0.0, 0.0 if m else float("nan"), 0.0)
    found = {frozenset[tuple[str, Any]](): everything}
    sets = [some for length in range(1, len(ordered) + 1) for some in combinations(ordered, length)]
    for start in range(0, len(sets), batch):
        for used, row in _counted(bench, table, sets[start : start + batch], sums, min_support):
            *values, size, counted, total, squares, largest = row
            items = tuple(zip(used, values, strict=True))
            part = Sums(counted, total or 0.0, squares or 0.0)
            divergence = part.mean - whole.mean if counted else float("nan")
            t = divergence_t(part, whole, binary=bool(binary)) if counted else 0.0
            found[frozenset(items)] = Pattern(
                items, size, counted, part.errors, part.squares, largest or 0.0, divergence, t
            )
    return Cube(found, n)


def _counted(
    bench: Workbench, table: str, sets: Sequence[tuple[str, ...]], sums: str, support: int
) -> list[tuple[tuple[str, ...], tuple[Any, ...]]]:
    """Return a row of values and sums for each combination over sets of columns, with the set."""
    columns = sorted({each for one in sets for each in one})
    names = ", ".join(map(quoted, columns))
    grouped = ", ".join(f"({', '.join(map(quoted, one))})" for one in sets)
    rows = bench.values(
        f"select grouping({names}) as away, {names}, {sums} from {quoted(table)} "
        f"group by grouping sets ({grouped}) having count(*) >= {support}"
    )
    found = []
    for away, *row in rows:
        used = [at for at in range(len(columns)) if not away >> (len(columns) - 1 - at) & 1]
        found.append((tuple(columns[at] for at in used), (*(row[at] for at in used), *row[len(columns) :])))
    return found


def _order(pattern: Pattern) -> tuple[bool, float, int, int, str]:
    nothing = pattern.divergence != pattern.divergence
    divergence = 0.0 if nothing else -pattern.divergence
    return nothing, divergence, len(pattern.items), -pattern.size, str(pattern.items)
