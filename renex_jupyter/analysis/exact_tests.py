"""Tails of the distributions that failure patterns are tested with, without an extra package.

References
----------
The incomplete beta function by its continued fraction: Press et al., Numerical Recipes, 3rd edition, section 6.4.
Holm, Scandinavian Journal of Statistics 6 (1979). Benjamini and Hochberg, JRSS B 57 (1995).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

TINY = 1e-300
CLOSE = 1e-16


@dataclass(frozen=True, slots=True)
class Sums:
    """What the errors of some rows sum up to."""

    n: int
    errors: float
    squares: float

    @property
    def mean(self) -> float:
        """The mean error; NaN of no row."""
        return self.errors / self.n if self.n else math.nan

    @property
    def variance(self) -> float:
        """The variance of a sample; 0 of fewer than two rows."""
        if self.n < 2:
            return 0.0
        return max(self.squares - self.errors * self.errors / self.n, 0.0) / (self.n - 1)

    def without(self, part: Sums) -> Sums:
        """Return the sums of the rows that are not in a part."""
        return Sums(self.n - part.n, self.errors - part.errors, self.squares - part.squares)


def hypergeometric_tail(found: int, drawn: int, marked: int, total: int) -> float:
    """Return the probability to draw at least so many marked ones: as Fisher's exact test, upper side.

    Parameters
    ----------
    found : marked ones among those drawn.
    drawn, marked, total : how many are drawn, how many are marked, and of how many.
    """
    low, high = max(0, drawn - (total - marked)), min(drawn, marked)
    if found <= low:
        return 1.0
    if found > high:
        return 0.0
    if found * total < drawn * marked:  # below the mean: the other side is the shorter sum
        return max(0.0, 1.0 - _hypergeometric_sum(found - 1, -1, drawn, marked, total))
    return min(1.0, _hypergeometric_sum(found, 1, drawn, marked, total))


def binomial_tail(found: int, n: int) -> float:
    """Return the probability of at least so many heads of n fair coins: McNemar's exact test, one-sided."""
    if found <= 0:
        return 1.0
    if found > n:
        return 0.0
    if 2 * found <= n:
        return max(0.0, 1.0 - binomial_tail(n - found + 1, n))
    term = math.exp(_log_choose(n, found) - n * math.log(2))
    total = 0.0
    for k in range(found, n + 1):
        total += term
        term *= (n - k) / (k + 1)
        if term < total * CLOSE:
            break
    return min(1.0, total)


def t_tail(t: float, freedom: float) -> float:
    """Return the probability that a value of Student's distribution is above t."""
    if not freedom > 0 or math.isnan(t):
        return 1.0
    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    half = 0.5 * _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))
    return half if t > 0 else 1.0 - half


def welch_tail(part: Sums, rest: Sums) -> float:
    """Return the probability that a mean lies so much above another one by chance: Welch's test, one-sided.

    1 where either has fewer than two rows: nothing is known of their spread.
    """
    if part.n < 2 or rest.n < 2:
        return 1.0
    a, b = part.variance / part.n, rest.variance / rest.n
    by = part.mean - rest.mean
    if a + b <= 0:
        return 0.0 if by > 0 else 1.0
    freedom = (a + b) ** 2 / (a * a / (part.n - 1) + b * b / (rest.n - 1))
    return t_tail(by / math.sqrt(a + b), freedom)


def paired_tail(differences: Sums) -> float:
    """Return the probability that the mean of differences lies so much above 0 by chance: the paired t test, one-sided."""
    if differences.n < 2:
        return 1.0
    spread = differences.variance / differences.n
    if spread <= 0:
        return 0.0 if differences.mean > 0 else 1.0
    return t_tail(differences.mean / math.sqrt(spread), differences.n - 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values: the chance of any false finding among all of them stays below each."""
    m, running = len(p_values), 0.0
    adjusted = [1.0] * m
    for place, i in enumerate(sorted(range(m), key=p_values.__getitem__)):
        running = max(running, min(1.0, (m - place) * p_values[i]))
        adjusted[i] = running
    return adjusted


def benjamini_hochberg(p_values: Sequence[float], tests: int | None = None) -> list[float]:
    """Return adjusted p-values: the share of false findings among those below a level stays below it.

    Parameters
    ----------
    tests : how many there were, of which the ones given have the lowest values; None: those given.
    """
    m = max(len(p_values), tests or 0)
    running = 1.0
    adjusted = [1.0] * len(p_values)
    ordered = sorted(range(len(p_values)), key=p_values.__getitem__)
    for place in range(len(ordered) - 1, -1, -1):
        running = min(running, p_values[ordered[place]] * m / (place + 1))
        adjusted[ordered[place]] = running
    return adjusted


def _hypergeometric_sum(start: int, way: int, drawn: int, marked: int, total: int) -> float:
    """Return the sum of the probabilities from a number of marked ones on, upwards (1) or downwards (-1)."""
    rest = total - marked - drawn
    log = _log_choose(marked, start) + _log_choose(total - marked, drawn - start) - _log_choose(total, drawn)
    term, k, found = math.exp(log), start, 0.0
    while term > 0.0:
        found += term
        if term < found * CLOSE:
            break
        if way > 0:
            term *= (marked - k) * (drawn - k) / ((k + 1) * (rest + k + 1))
        else:
            term *= k * (rest + k) / ((marked - k + 1) * (drawn - k + 1))
        k += way
    return found


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, 1.0 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1.0 / _not_zero(1.0 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, 100_000):
        for term in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                     -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):  # fmt: skip
            d = 1.0 / _not_zero(1.0 + term * d)
            c = _not_zero(1.0 + term / c)
            found *= c * d
        if abs(c * d - 1.0) < 3e-16:
            break
    return found


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
