"""Whether a failure pattern is more than chance: found on one half of the samples, tested on the other.

The test is exact for errors of 0 and 1: the chance to draw so many errors into so many rows (hypergeometric, as Fisher's).
Other errors are compared with those of all other rows by Welch's test. Both are one-sided, and adjusted by Holm over all
patterns that are shown. Without a split there is no such protection: each pattern was picked among many for its error, so
it is adjusted by Benjamini-Hochberg over all that could have been picked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from renex_jupyter.analysis.exact_tests import Sums, benjamini_hochberg, holm, hypergeometric_tail, welch_tail
from renex_jupyter.records.failure_patterns import CONFIRMED, NOT_CONFIRMED, TOO_SMALL
from renex_jupyter.records.predicates import Predicate
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import Workbench, literal, quoted

LEVEL = 0.05  # of the adjusted p-value
LEAST_TO_SPLIT = 2_000  # rows, below which halves are too small to find anything in
LEAST = 8  # rows of the other half, below which nothing is said of it
MOST_TESTS = 10**12


@dataclass(frozen=True, slots=True)
class Proof:
    """What a test says of one pattern."""

    rows: Sums
    base: Sums  # of all rows
    p_value: float
    adjusted: float
    status: str  # confirmed, not confirmed, too small


def first_half(seed: int) -> str:
    """Return the condition, as SQL, that half of the samples meet: by the MD5 of seed and key, the same everywhere."""
    return f"(md5({literal(f'{int(seed)}:')} || _key) < '8')"


def sums_of(bench: Workbench, table: str, predicates: Iterable[Predicate]) -> tuple[Sums, list[Sums]]:
    """Return the sums of the errors of all rows of a table, and of those that each predicate selects; NULL is none."""
    parts, values = ["count(error), coalesce(sum(error), 0), coalesce(sum(error * error), 0)"], []
    for each in predicates:
        text, some = condition(each)
        parts.append(
            f"count(error) filter (where {text}), coalesce(sum(error) filter (where {text}), 0), "
            f"coalesce(sum(error * error) filter (where {text}), 0)"
        )
        values += some * 3
    [row] = bench.values(f"select {', '.join(parts)} from {quoted(table)}", values)
    found = [Sums(int(row[i]), float(row[i + 1]), float(row[i + 2])) for i in range(0, len(row), 3)]
    return found[0], found[1:]


def tail(part: Sums, base: Sums, *, binary: bool) -> float:
    """Return the probability that a part of the rows has such an error by chance."""
    if binary:
        return hypergeometric_tail(round(part.errors), part.n, round(base.errors), base.n)
    return welch_tail(part, base.without(part))


def prove(base: Sums, parts: Sequence[Sums], *, binary: bool) -> list[Proof]:
    """Return the proofs of patterns on rows that they were not found on, adjusted by Holm."""
    p_values = [tail(each, base, binary=binary) for each in parts]
    return [
        Proof(each, base, p, adjusted, _status(each, base, adjusted, len(parts), binary=binary))
        for each, p, adjusted in zip(parts, p_values, holm(p_values), strict=True)
    ]


def prove_unsplit(base: Sums, parts: Sequence[Sums], tests: int, *, binary: bool) -> list[Proof]:
    """Return the proofs of patterns on the rows that they were found on, adjusted over all that could have been found."""
    p_values = [tail(each, base, binary=binary) for each in parts]
    return [
        Proof(each, base, p, adjusted, _status(each, base, adjusted, tests, binary=binary))
        for each, p, adjusted in zip(parts, p_values, benjamini_hochberg(p_values, tests), strict=True)
    ]


def possible_patterns(values: Sequence[int], n: int, support: int, max_level: int) -> int:
    """Return an upper bound of how many patterns with enough rows there can be.

    Parameters
    ----------
    values : how many items each column has.
    """
    room = max(1, n // max(1, support))  # rows of one set of columns do not overlap
    total = 0
    for level in range(1, max_level + 1):
        if math.comb(len(values), level) > 200_000:  # beyond counting: as if each set were full
            total += math.comb(len(values), level) * room
            continue
        total += sum(min(math.prod(some), room) for some in combinations(values, level))
    return min(max(1, total), MOST_TESTS)


def _status(part: Sums, base: Sums, adjusted: float, tests: int, *, binary: bool) -> str:
    if part.n < LEAST:
        return TOO_SMALL
    if adjusted <= LEVEL and part.mean > base.mean:
        return CONFIRMED
    if binary:  # if each of its rows were an error, would that be enough?
        most = min(part.n, round(base.errors))
        if hypergeometric_tail(most, part.n, round(base.errors), base.n) * tests > LEVEL:
            return TOO_SMALL
    return NOT_CONFIRMED
