"""Counts of all slices over some sets of columns, in one scan of the table for a batch of sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renex_jupyter.analysis.slices.coded import Coded
from renex_jupyter.store.workbench import Workbench

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILTERS = 64  # slices whose rows are looked at in one scan


@dataclass(frozen=True, slots=True)
class Counts:
    """Slices of one length with what was counted."""

    items: NDArray[np.int64]  # (m, length) numbers of items, ascending in a row; rows in no order
    size: NDArray[np.int64]  # (m,) rows
    errors: NDArray[np.float64]  # (m,) sum of errors
    largest: NDArray[np.float64]  # (m,) largest error
    rows: NDArray[np.uint64] | None = None  # (m,) equal where the rows are the same


class Counter:
    """Counts slices of one coded table.

    Parameters
    ----------
    support : slices of fewer rows are left out, and those without any error.
    """

    def __init__(self, bench: Workbench, table: Coded, *, support: int) -> None:
        import numpy as np

        self.bench = bench
        self.table = table
        self.support = support
        sizes = [len(each) for each in table.values]
        self.column = np.repeat(np.arange(len(sizes)), sizes)  # (items,) of each item
        self.first = np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.int64)  # (columns,) the first item of each
        self._rows: dict[tuple[int, ...], int] = {}

    def count(self, sets: Sequence[Sequence[int]], *, with_rows: bool = False) -> Counts:
        """Return the slices over sets of columns, all of the same length.

        Parameters
        ----------
        sets : numbers of columns, ascending in each.
        """
        import numpy as np

        table = self.table
        columns = sorted({each for one in sets for each in one})
        names = [f"c{each}" for each in columns]
        codes = ", ".join(f"coalesce({name}, 0)::uinteger as {name}" for name in names)  # NULL: not in this set
        grouped = ", ".join(f"({', '.join(f'c{each}' for each in one)})" for one in sets)
        listed = " and ".join(f"coalesce({name} > 0, true)" for name in names)
        found = self.bench.arrays(
            f"select {codes}, {table.size_sql} as size, {table.sum_sql}::double as errors, {table.max_sql} as largest"
            f"{', bit_xor(hash(rowid)) as rows' if with_rows else ''} from {table.name} "
            f"group by grouping sets ({grouped}) having {listed} and size >= {self.support} and errors > 0"
        )
        matrix = np.stack([np.asarray(found[name]) for name in names], axis=1).astype(np.int64)
        row, at = np.nonzero(matrix)  # as many of each row as a set has columns
        items = (self.first[np.array(columns)[at]] + matrix[row, at] - 1).reshape(len(matrix), len(sets[0]))
        unit = table.unit
        return Counts(
            items,
            np.asarray(found["size"], dtype=np.int64),
            np.asarray(found["errors"], dtype=float) * unit,
            np.asarray(found["largest"], dtype=float) * unit,
            np.asarray(found["rows"], dtype=np.uint64) if with_rows else None,
        )

    def rows_of(self, slices: Sequence[tuple[int, ...]]) -> list[int]:
        """Return a number for each slice that two slices have in common if they have the same rows, and else never.

        It is made of 64 bits of each row, so that "never" is once in 2**64 pairs.
        """
        missing = [each for each in dict.fromkeys(slices) if each not in self._rows]
        for start in range(0, len(missing), FILTERS):
            portion = missing[start : start + FILTERS]
            asked = ", ".join(f"bit_xor(hash(rowid)) filter (where {self._condition(each)})" for each in portion)
            found = self.bench.values(f"select {asked} from {self.table.name}")[0]
            self._rows.update(zip(portion, found, strict=True))
        return [self._rows[each] for each in slices]

    def squares(self, slices: Sequence[tuple[int, ...]]) -> list[float]:
        """Return the sum of squared errors of each slice."""
        asked = [f"{self.table.squares_sql} filter (where {self._condition(each)})" for each in slices]
        if self.table.errors.binary:
            asked = [f"(sum(e) filter (where {self._condition(each)}))::double" for each in slices]
        return [
            float(value)
            for start in range(0, len(asked), FILTERS)
            for value in self.bench.values(
                f"select {', '.join(asked[start : start + FILTERS])} from {self.table.name}"
            )[0]
        ]

    def named(self, items: Sequence[int]) -> tuple[tuple[str, object], ...]:
        """Return a slice as columns and values."""
        columns = [int(self.column[each]) for each in items]
        return tuple(
            (self.table.columns[column], self.table.values[column][item - int(self.first[column])])
            for column, item in zip(columns, items, strict=True)
        )

    def _condition(self, items: Sequence[int]) -> str:
        columns = [int(self.column[each]) for each in items]
        return " and ".join(
            f"c{column} = {item - int(self.first[column]) + 1}" for column, item in zip(columns, items, strict=True)
        )
