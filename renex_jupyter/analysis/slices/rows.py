"""The codes of all rows as arrays: where they fit into the memory, they are counted some twenty times as fast as by SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis.slices.coded import Coded
from renex_jupyter.store.workbench import Workbench

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES = 400_000_000  # of all arrays: 10 million rows of 30 columns, or of 15 columns and real errors
MOST_CELLS = 2**20  # combinations of values of one set of columns
BLOCK = 65_536  # rows whose codes fit into the processor's cache


@dataclass(frozen=True, slots=True)
class Rows:
    """One number per row and column."""

    codes: tuple[NDArray[np.unsignedinteger], ...]  # by column, (rows,)
    cells: tuple[int, ...]  # by column: how many codes there are, with 0
    errors: NDArray[np.generic]  # (rows,) whole numbers: bytes of 0 and 1, or float64 whose sum is exact
    size: NDArray[np.float64] | None  # (rows,) how many rows of the table one here stands for; None: one

    def fit(self, columns: Sequence[int]) -> bool:
        """Say whether the combinations of some columns are few enough for an array of them."""
        found = 1
        for each in columns:
            found *= self.cells[each]
        return found <= MOST_CELLS

    def count(self, sets: Sequence[Sequence[int]]) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Return rows and sum of errors for each set of columns, by all combinations of their codes.

        Returns
        -------
        For each set two arrays (cells of first column, cells of second column, ...).
        """
        import numpy as np

        shapes = [tuple(self.cells[each] for each in one) for one in sets]
        totals = [int(np.prod(shape)) for shape in shapes]
        two = self.size is None and self.errors.dtype == np.uint8  # 0/1: right and wrong rows are counted in one go
        first = [np.zeros(total * (2 if two else 1)) for total in totals]
        second = [np.zeros(0 if two else total) for total in totals]
        wanted = sorted({each for one in sets for each in one})
        for start in range(0, len(self.errors), BLOCK):
            part = slice(start, start + BLOCK)
            codes = {each: self.codes[each][part].astype(np.int32) for each in wanted}
            errors: NDArray[Any] = self.errors[part].astype(np.int32) if two else self.errors[part]
            size = None if self.size is None else self.size[part]
            for at, (one, shape) in enumerate(zip(sets, shapes, strict=True)):
                key = codes[one[0]]
                for each, cells in zip(one[1:], shape[1:], strict=True):
                    key = key * np.int32(cells) + codes[each]
                if two:
                    first[at] += np.bincount(key * np.int32(2) + errors, minlength=len(first[at]))
                else:
                    first[at] += np.bincount(key, weights=size, minlength=totals[at])
                    second[at] += np.bincount(key, weights=errors, minlength=totals[at])
        if two:
            pairs = [each.reshape(-1, 2) for each in first]
            first, second = [each.sum(axis=1) for each in pairs], [each[:, 1] for each in pairs]
        return [(a.reshape(shape), b.reshape(shape)) for a, b, shape in zip(first, second, shapes, strict=True)]


def take_rows(bench: Workbench, table: Coded) -> Rows | None:
    """Return the rows of a coded table as arrays; None where they would take too much memory."""
    import numpy as np

    rows = bench.value(f"select count(*) from {table.name}")
    widths = [1 if len(each) < 2**8 else 2 if len(each) < 2**16 else 4 for each in table.values]
    plain = table.errors.binary and not table.grouped
    if rows * (sum(widths) + (1 if plain else 16 if table.grouped else 8)) > MOST_BYTES:
        return None

    def column(sql: str) -> NDArray[np.generic]:  # one after the other: DuckDB holds no more than one besides
        return np.asarray(bench.arrays(f"select {sql} as v from {table.name}")["v"])

    return Rows(
        tuple(column(f"c{at}") for at in range(len(widths))),  # type: ignore[misc]
        tuple(len(each) + 1 for each in table.values),
        column("e" if plain else "e::double"),
        column("n::double") if table.grouped else None,  # type: ignore[arg-type]
    )
