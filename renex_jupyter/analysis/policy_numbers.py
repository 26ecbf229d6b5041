"""Two numbers side by side: with equally many decimals, and enough of them that a reader sees what was decided."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

FEWEST = 3  # decimals, where the numbers have as many
MOST = 20
Compare = Callable[[Decimal, Decimal], bool]


def exact(value: float) -> Decimal:
    """Return a number as it is written: 0.3 - 0.1 is 0.2 then, as a person reckons."""
    return Decimal(repr(float(value)))


def gain(value: float, other: float, goal: str) -> Decimal:
    """Return by how much a number is better than another one; below 0 it is worse.

    Parameters
    ----------
    goal : max or min.
    """
    if value == other:
        return Decimal(0)
    if math.isinf(value) and math.isinf(other):
        better = (value > other) == (goal == "max")
        return Decimal("Infinity") if better else Decimal("-Infinity")
    difference = exact(value) - exact(other)
    return difference if goal == "max" else -difference


def gain_shown(first: str, second: str, by: Decimal, goal: str) -> Decimal:
    """Return by how much a number is better than another one as both are shown, so that the sentence adds up.

    Parameters
    ----------
    first, second : as `side_by_side` returns them.
    by : the gain itself, for numbers that are not finite.
    """
    if not by.is_finite():
        return by
    difference = Decimal(first) - Decimal(second)
    return difference if goal == "max" else -difference


def side_by_side(first: float, second: float, decided: Compare | None = None) -> tuple[str, str]:
    """Return two numbers as text.

    Parameters
    ----------
    decided : what was asked of both; it must be answered alike of what is shown.
    """
    if not (math.isfinite(first) and math.isfinite(second)):
        return one(first), one(second)
    values = exact(first), exact(second)
    whole = max(_decimals(each) for each in values)
    if whole > MOST or max(abs(each) for each in values) >= Decimal(10) ** 15:
        return _by_digits(first, second)
    for decimals in range(min(FEWEST, whole), whole):
        shown = [Decimal(f"{each:.{decimals}f}") for each in values]
        if (shown[0] == shown[1]) == (values[0] == values[1]) and (
            decided is None or decided(shown[0], shown[1]) == decided(values[0], values[1])
        ):
            return f"{shown[0]:.{decimals}f}", f"{shown[1]:.{decimals}f}"
    return f"{values[0]:.{whole}f}", f"{values[1]:.{whole}f}"


def one(value: float) -> str:
    """Return one number as text: 12, 0.94, 1.5e-09."""
    if not math.isfinite(value):
        return {math.inf: "inf", -math.inf: "-inf"}.get(value, "NaN")
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"


def signed(amount: Decimal, goal: str) -> str:
    """Return a gain with the sign of the change: +0.002 where more is better, -0.002 where less is."""
    change = amount if goal == "max" else -amount
    text = f"{change.normalize():+f}" if abs(amount) >= Decimal("1e-9") or not amount else f"{change.normalize():+e}"
    return text.replace("Infinity", "inf")


def _decimals(value: Decimal) -> int:
    """Return how many decimals a number has as it is written."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _by_digits(first: float, second: float) -> tuple[str, str]:
    for digits in range(3, 17):
        shown = f"{first:.{digits}e}", f"{second:.{digits}e}"
        if (shown[0] == shown[1]) == (first == second):
            return shown
    return repr(first), repr(second)
