"""Counts of all slices over some sets of columns, a batch of sets at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis.slices.coded import Coded
from renex_jupyter.analysis.slices.rows import Rows, take_rows
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

    def only(self, chosen: Any) -> Counts:
        """Return some of them: by a mask or in an order."""
        return Counts(self.items[chosen], self.size[chosen], self.errors[chosen])


def joined(parts: Sequence[Counts]) -> Counts:
    """Return several counts of one length as one."""
    import numpy as np

    return Counts(
        np.concatenate([each.items for each in parts]),
        np.concatenate([each.size for each in parts]),
        np.concatenate([each.errors for each in parts]),
    )


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
        self._same: dict[tuple[int, ...], int] = {}
        self._rows: Rows | None = None
        self._has_looked = False

    def first_level(self, columns: Sequence[int]) -> tuple[Counts, NDArray[np.uint64], NDArray[np.float64]]:
        """Return the slices of one condition, their rows as one number each (see `rows_of`), and their largest errors."""
        import numpy as np

        items, found = self._grouped(
            [(each,) for each in columns], "bit_xor(hash(rowid)) as rows", f"{self.table.max_sql} as largest"
        )
        largest = np.asarray(found["largest"], dtype=float) * self.table.unit
        return self._counts(items, found["size"], found["errors"]), np.asarray(found["rows"], dtype=np.uint64), largest

    def count(self, sets: Sequence[tuple[int, ...]]) -> Counts:
        """Return the slices over sets of columns, all of the same length.

        Parameters
        ----------
        sets : numbers of columns, ascending in each.
        """
        if not self._has_looked:
            self._rows = take_rows(self.bench, self.table)
            self._has_looked = True
        inside = [each for each in sets if self._rows is not None and self._rows.fit(each)]
        outside = [each for each in sets if each not in inside]
        parts = []
        if inside:
            assert self._rows is not None
            parts += [self._listed(one, *arrays) for one, arrays in zip(inside, self._rows.count(inside), strict=True)]
        if outside:
            items, found = self._grouped(outside)
            parts.append(self._counts(items, found["size"], found["errors"]))
        return joined(parts)

    def _listed(self, one: tuple[int, ...], size: NDArray[np.float64], errors: NDArray[np.float64]) -> Counts:
        """Return the combinations of one set of columns that are slices."""
        import numpy as np

        kept = (size >= self.support) & (errors > 0)
        for axis in range(len(one)):
            kept[(slice(None),) * axis + (0,)] = False  # values that are no items
        at = np.nonzero(kept)
        items = np.stack([codes + self.first[column] - 1 for codes, column in zip(at, one, strict=True)], axis=1)
        return self._counts(items, size[at], errors[at])

    def _grouped(self, sets: Sequence[tuple[int, ...]], *more: str) -> tuple[NDArray[np.int64], dict[str, Any]]:
        """Count by GROUPING SETS: one scan for all of the sets, of which DuckDB holds the groups only."""
        import numpy as np

        table = self.table
        columns = sorted({each for one in sets for each in one})
        names = [f"c{each}" for each in columns]
        codes = ", ".join(f"coalesce({name}, 0)::uinteger as {name}" for name in names)  # NULL: not in this set
        grouped = ", ".join(f"({', '.join(f'c{each}' for each in one)})" for one in sets)
        listed = " and ".join(f"coalesce({name} > 0, true)" for name in names)
        found = self.bench.arrays(
            f"select {', '.join([codes, f'{table.size_sql} as size', 'sum(e)::double as errors', *more])} "
            f"from {table.name} group by grouping sets ({grouped}) "
            f"having {listed} and size >= {self.support} and errors > 0"
        )
        matrix = np.stack([np.asarray(found[name]) for name in names], axis=1).astype(np.int64)
        row, at = np.nonzero(matrix)  # as many of each row as a set has columns
        return (self.first[np.array(columns)[at]] + matrix[row, at] - 1).reshape(len(matrix), len(sets[0])), found

    def _counts(self, items: NDArray[np.int64], size: Any, errors: Any) -> Counts:
        import numpy as np

        unit = self.table.unit
        return Counts(items, np.asarray(size).astype(np.int64), np.asarray(errors, dtype=float) * unit)

    def rows_of(self, slices: Sequence[tuple[int, ...]]) -> list[int]:
        """Return a number for each slice that two slices have in common if they have the same rows, and else never.

        It is made of 64 bits of each row, so that "never" is once in 2**64 pairs.
        """
        missing = [each for each in dict.fromkeys(slices) if each not in self._same]
        for start in range(0, len(missing), FILTERS):
            portion = missing[start : start + FILTERS]
            asked = ", ".join(f"bit_xor(hash(rowid)) filter (where {self._condition(each)})" for each in portion)
            found = self.bench.values(f"select {asked} from {self.table.name}")[0]
            self._same.update(zip(portion, found, strict=True))
        return [self._same[each] for each in slices]

    def details(self, slices: Sequence[tuple[int, ...]]) -> list[tuple[float, float]]:
        """Return the largest error and the sum of squared errors of each slice."""
        found: list[float] = []
        for start in range(0, len(slices), FILTERS):
            asked = []
            for each in slices[start : start + FILTERS]:
                chosen = f"filter (where {self._condition(each)})"
                asked += [f"({self.table.max_sql} {chosen})::double", f"({self.table.squares_sql} {chosen})::double"]
            found += self.bench.values(f"select {', '.join(asked)} from {self.table.name}")[0]
        return [(largest * self.table.unit, squares) for largest, squares in zip(found[::2], found[1::2], strict=True)]

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
