"""What stands out of order: of a sequence, the fewest whose removal leaves the rest rising."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


def out_of_order(ranks: Sequence[int]) -> frozenset[int]:
    """Return the indices of the fewest ranks whose removal leaves the others rising strictly.

    Where several choices are as good, the one that keeps the smaller ranks is taken: of two cells of which the upper one
    ran last it is the upper one.

    References
    ----------
    Longest increasing subsequence by patience sorting: Fredman, Discrete Mathematics 11 (1975).
    """
    tails: list[int] = []  # the smallest rank at the end of a rising run of each length
    ends: list[int] = []  # index of that rank
    earlier: list[int] = []
    for index, rank in enumerate(ranks):
        length = bisect_left(tails, rank)
        earlier.append(ends[length - 1] if length else -1)
        tails[length : length + 1], ends[length : length + 1] = [rank], [index]
    index, stayed = ends[-1] if ends else -1, set[int]()
    while index >= 0:
        stayed.add(index)
        index = earlier[index]
    return frozenset(range(len(ranks))) - stayed
