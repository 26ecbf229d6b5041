"""How probable a statistic is by chance alone: tails of distributions, without an extra package.

References
----------
The incomplete gamma function by its series and its continued fraction: Press et al., Numerical Recipes, 3rd edition,
section 6.2. The limit of Kolmogorov: DLMF 20.2(i); Smirnov, Annals of Mathematical Statistics 19 (1948).
"""

from __future__ import annotations

import math

TINY = 1e-300
CLOSE = 1e-16


def chi2_tail(x: float, freedom: float) -> float:
    """Return the probability that a chi-square value is above x."""
    if x <= 0 or freedom <= 0:
        return 1.0
    a, x = freedom / 2, x / 2
    return max(0.0, 1 - _lower(a, x)) if x < a + 1 else _upper(a, x)


def chi2_above(probability: float, freedom: float) -> float:
    """Return the value that a chi-square value exceeds with a probability; 0 without any freedom."""
    if freedom <= 0:
        return 0.0
    low, high = 0.0, freedom + 10.0
    while chi2_tail(high, freedom) > probability:
        low, high = high, high * 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if chi2_tail(middle, freedom) > probability else (low, middle)
    return (low + high) / 2


def kolmogorov_tail(x: float) -> float:
    """Return the probability that sqrt(n) D is above x, in the limit of many rows."""
    if x <= 0:
        return 1.0
    if x < 1:  # the other series converges faster here
        t = -(math.pi**2) / (8 * x * x)
        return 1 - math.sqrt(2 * math.pi) / x * sum(math.exp(t * (2 * k - 1) ** 2) for k in range(1, 20))
    return min(1.0, 2 * sum((-1.0) ** (k - 1) * math.exp(-2 * k * k * x * x) for k in range(1, 20)))


def wilson(errors: float, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Return the interval of a rate that was seen, 95 % as given.

    References
    ----------
    E. B. Wilson, Journal of the American Statistical Association 22 (1927).
    """
    if n <= 0:
        return 0.0, 1.0
    rate = errors / n
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return (0.0 if errors <= 0 else max(0.0, middle - half)), (1.0 if errors >= n else min(1.0, middle + half))


def _lower(a: float, x: float) -> float:
    term = total = 1 / a
    for k in range(1, 10_000):
        term *= x / (a + k)
        total += term
        if term < total * CLOSE:
            break
    return total * math.exp(a * math.log(x) - x - math.lgamma(a))


def _upper(a: float, x: float) -> float:
    b = x + 1 - a
    c, d = 1 / TINY, 1 / b
    h = d
    for k in range(1, 10_000):
        an = -k * (k - a)
        b += 2
        d = 1 / _not_zero(an * d + b)
        c = _not_zero(b + an / c)
        h *= d * c
        if abs(d * c - 1) < CLOSE * 4:
            break
    return h * math.exp(a * math.log(x) - x - math.lgamma(a))


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
