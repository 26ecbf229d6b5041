"""How much each condition of a slice has to do with its divergence.

References
----------
Shapley values over the conditions of one pattern: Pastor et al., "Looking for Trouble", SIGMOD 2021, section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import factorial
from typing import TypeVar

Item = TypeVar("Item")


def contributions(items: Sequence[Item], divergence: Callable[[tuple[Item, ...]], float]) -> list[float]:
    """Return the Shapley value of each condition; they sum up to the divergence of all of them.

    Parameters
    ----------
    divergence : of some of the conditions, in the order of `items`; 0 of none.
    """
    length = len(items)
    found = []
    for at in range(length):
        others = [each for each in range(length) if each != at]
        value = 0.0
        for size in range(length):
            weight = factorial(size) * factorial(length - size - 1) / factorial(length)
            for chosen in combinations(others, size):
                with_it = tuple(items[each] for each in sorted((*chosen, at)))
                value += weight * (divergence(with_it) - divergence(tuple(items[each] for each in chosen)))
        found.append(value)
    return found
