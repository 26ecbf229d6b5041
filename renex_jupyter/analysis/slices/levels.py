"""The slices of each length that may have worse ones below them, and which slices follow from them.

A slice is a row of item numbers in ascending order. The slices of one level lie in that order, each with the place of
what it begins with (all items but the last) in the level before. So any slice is looked up by `place * items + last item`,
which stays far below 2**63 however many columns and values there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from renex_jupyter.analysis.slices.scores import Scale

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Whole = NDArray[np.int64]
    Real = NDArray[np.float64]

PAIRS = 2_000_000  # candidates that are looked at in one go


@dataclass(frozen=True, slots=True)
class Level:
    """Slices of one length, in ascending order of their items."""

    items: Whole  # (m, length) numbers of items
    keys: Whole  # (m,) ascending: place of the beginning in the level before * number of items + last item
    size: Whole  # (m,) rows
    errors: Real  # (m,) sum of errors


@dataclass(frozen=True, slots=True)
class Candidates:
    """Slices that are to be counted."""

    items: Whole  # (c, length)
    keys: Whole  # (c,) as in Level, ascending
    most: Whole  # (c,) the least size of the parents: one of as many rows has the same rows as that parent
    bound: Real  # (c,) no slice here or below scores more

    def only(self, kept: NDArray[np.bool_]) -> Candidates:
        """Return some of them."""
        return Candidates(self.items[kept], self.keys[kept], self.most[kept], self.bound[kept])


def places(levels: Sequence[Level], items: Whole, total: int) -> Whole:
    """Return where slices lie in the level of their length; -1 where they are not.

    Parameters
    ----------
    items : (c, length <= number of levels).
    total : how many items there are.
    """
    import numpy as np

    found = np.zeros(len(items), dtype=np.int64)
    for at, level in enumerate(levels[: items.shape[1]]):
        found = place(level.keys, found * total + items[:, at], among=found >= 0)
    return found


def place(keys: Whole, wanted: Whole, *, among: NDArray[np.bool_] | bool = True) -> Whole:
    """Return where keys lie among ascending ones; -1 where they are not, or are not to be looked for."""
    import numpy as np

    at = np.searchsorted(keys, wanted)
    at[at == len(keys)] = 0
    hit = (keys[at] == wanted) & among if len(keys) else np.zeros(len(wanted), dtype=bool)
    return np.where(hit, at, -1)


def candidates(
    levels: Sequence[Level], column: Whole, largest: Real, scale: Scale, *, support: int, threshold: float
) -> Iterator[Candidates]:
    """Yield the slices of the next length whose parents are all there and whose bound reaches the threshold.

    Parameters
    ----------
    column : (items,) the number of the column of each item.
    largest : (items,) the largest error of each item.
    """
    import numpy as np

    last = levels[-1]
    length = last.items.shape[1]
    beginning = last.keys // len(column)  # slices with the same one lie together
    ends = np.searchsorted(beginning, beginning, side="right")
    partners = ends - np.arange(len(ends)) - 1
    for start, end in _portions(partners):
        counts = partners[start:end]
        first = np.repeat(np.arange(start, end), counts)
        second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
        differ = column[last.items[first, -1]] != column[last.items[second, -1]]
        first, second = first[differ], second[differ]
        items = np.concatenate([last.items[first], last.items[second, -1:]], axis=1)
        size = np.minimum(last.size[first], last.size[second])
        errors = np.minimum(last.errors[first], last.errors[second])
        most = largest[items].min(axis=1)
        for left_out in range(length - 1):  # the two parents above have all but the last, and all but the one before it
            kept = scale.bound(size, errors, most, support) >= threshold
            items, size, errors, most, first = (each[kept] for each in (items, size, errors, most, first))
            parent = places(levels, np.delete(items, left_out, axis=1), len(column))
            there = parent >= 0
            items, size, errors, most, first, parent = (
                each[there] for each in (items, size, errors, most, first, parent)
            )
            size = np.minimum(size, last.size[parent])
            errors = np.minimum(errors, last.errors[parent])
        bound = scale.bound(size, errors, most, support)
        found = Candidates(items, first * len(column) + items[:, -1], size, bound)
        yield found.only(bound >= threshold)


def _portions(partners: Whole) -> Iterator[tuple[int, int]]:
    """Yield ranges of slices that have at most PAIRS partners together, or are one slice."""
    import numpy as np

    sums = np.concatenate([[0], np.cumsum(partners)])
    start = 0
    while start < len(partners) and sums[-1] > sums[start]:
        end = max(int(np.searchsorted(sums, sums[start] + PAIRS, side="right")) - 1, start + 1)
        yield start, end
        start = end
