"""How bad a slice is, and how bad any slice below it can be.

References
----------
Score and bounds: Sagadeeva and Boehm, "SliceLine: Fast, Linear-Algebra-based Slice Finding for ML Model Debugging",
SIGMOD 2021, section 3. The bound holds with n, the number of rows; the reference code passes the number of one-hot columns.
Divergence and t: Pastor et al., "Looking for Trouble: Analyzing Classifier Behavior via Pattern Divergence", SIGMOD 2021.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Scale:
    """What all slices of one table are measured against."""

    n: int  # rows
    errors: float  # sum over all rows, > 0
    alpha: float  # weight of the error against that of the size, 0 < alpha <= 1

    def score(self, size: Any, errors: Any) -> Any:
        """Return SliceLine's score of slices: of numbers or arrays of size and sum of errors."""
        return self.alpha * ((errors / size) * (self.n / self.errors) - 1) - (1 - self.alpha) * (self.n / size - 1)

    def bound(self, size: Any, errors: Any, largest: Any, support: int) -> Any:
        """Return what no slice below some parents can score more than.

        Parameters
        ----------
        size, errors, largest : arrays (c,): the least size (>= support), sum of errors (> 0) and largest error of the parents.
        support : the fewest rows of a slice.

        Notes
        -----
        The best error that s rows can sum up to is min(s * largest, errors). Up to s = errors / largest the score of that
        grows with s, behind it it is monotone: the highest lies at one of three sizes.
        """
        import numpy as np

        turn = np.clip(errors / largest, support, size)
        best = self.score(size, np.minimum(size * largest, errors))
        for s in (np.full_like(turn, support), turn):
            best = np.maximum(best, self.score(s, np.minimum(s * largest, errors)))
        return best


@dataclass(frozen=True, slots=True)
class Sums:
    """What the errors of some rows sum up to."""

    size: int
    errors: float
    squares: float

    @property
    def mean(self) -> float:
        """The mean error."""
        return self.errors / self.size

    def variance(self) -> float:
        """Return the variance of the errors, of a sample; 0 of one row."""
        if self.size < 2:
            return 0.0
        return max(self.squares / self.size - self.mean**2, 0.0) * self.size / (self.size - 1)


def divergence_t(part: Sums, whole: Sums, *, binary: bool) -> float:
    """Return how far the mean error of a slice lies from that of all rows, in standard deviations.

    Parameters
    ----------
    binary : errors are 0 and 1: by the Beta posteriors of both rates. Else as Welch.
    """
    if binary:
        (mean, spread), (whole_mean, whole_spread) = _posterior(part), _posterior(whole)
        return abs(mean - whole_mean) / math.sqrt(spread + whole_spread)
    spread = part.variance() / part.size + whole.variance() / whole.size
    return abs(part.mean - whole.mean) / math.sqrt(spread) if spread else math.inf if part.mean != whole.mean else 0.0


def _posterior(sums: Sums) -> tuple[float, float]:
    """Return mean and variance of a rate after an even prior."""
    m, k = sums.size, sums.errors
    return (k + 1) / (m + 2), (k + 1) * (m - k + 1) / ((m + 2) ** 2 * (m + 3))
