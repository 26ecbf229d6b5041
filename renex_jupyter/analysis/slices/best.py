"""The best slices so far, of which no two have the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from renex_jupyter.analysis.slices.counting import Counter, Counts
from renex_jupyter.analysis.slices.scores import Scale

NEAR = 2e-11  # scores that differ by less are equal: rounding
DIGITS = 11  # of a score that count in the order
MOST_TIES = 1_000  # slices at the last place whose rows are looked at; beyond that those with the same rows count again


@dataclass(frozen=True, slots=True)
class Scored:
    """A slice with its place in the order."""

    items: tuple[int, ...]
    score: float
    size: int
    errors: float

    @property
    def order(self) -> tuple[float, int, int, tuple[int, ...]]:
        """Higher scores first, then fewer items, more rows, and the names of columns and values."""
        return (-round(self.score, DIGITS), len(self.items), -self.size, self.items)

    @property
    def sums(self) -> tuple[int, float]:
        """What slices of the same rows have in common."""
        return (self.size, self.errors)


class Best:
    """Keeps k slices, and those that score as much as the last of them.

    Parameters
    ----------
    k : how many slices are wanted.
    """

    def __init__(self, counter: Counter, scale: Scale, k: int) -> None:
        self._counter = counter
        self._scale = scale
        self._k = k
        self._kept: list[Scored] = []
        self.threshold = NEAR  # a slice that scores less is not wanted

    def add(self, counts: Counts) -> None:
        """Take what was counted."""
        import numpy as np

        scores = self._scale.score(counts.size, counts.errors)
        chosen = np.flatnonzero((scores >= self.threshold) & (scores > NEAR))
        self._kept += [
            Scored(
                tuple(counts.items[at].tolist()),
                float(scores[at]),
                int(counts.size[at]),
                float(counts.errors[at]),
            )
            for at in chosen
        ]
        self._kept.sort(key=lambda each: each.order)
        best = list(islice(self._distinct(self._kept), self._k))
        if len(best) == self._k:
            self.threshold = best[-1].score - NEAR * (1 + abs(best[-1].score))
            self._kept = [each for each in self._kept if each.score >= self.threshold]

    def slices(self) -> tuple[list[Scored], int]:
        """Return the best slices, and how many score as much as the last of them and are left out."""
        best = list(islice(self._distinct(self._kept), self._k))
        if len(best) < self._k:
            return best, 0
        tied = [each for each in self._kept if each.score >= self.threshold]
        if len(tied) > MOST_TIES:
            return best, len(tied) - self._k
        return best, sum(1 for _ in self._distinct(tied)) - self._k

    def _distinct(self, ordered: Sequence[Scored]) -> Iterator[Scored]:
        """Yield slices in order, without those that have the same rows as an earlier one."""
        seen: dict[tuple[int, float], list[Scored]] = {}
        for at, each in enumerate(ordered):
            alike = seen.setdefault(each.sums, [])
            if alike:
                near = [
                    other for other in ordered[at : at + 4 * self._k] if other.sums in seen
                ]  # asked for in one scan
                self._counter.rows_of([other.items for other in (*alike, *near)])
                [rows, *others] = self._counter.rows_of([each.items, *(other.items for other in alike)])
                if rows in others:
                    continue
            alike.append(each)
            yield each
