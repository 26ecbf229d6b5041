"""What a search for slices found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Items = tuple[tuple[str, Any], ...]  # (column, value), ordered by column; None is NULL


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows that have all of some values, and how much they err."""

    items: Items
    score: float  # SliceLine's: 0 for all rows together, higher is worse
    size: int  # rows
    sum_error: float
    max_error: float
    sum_squares: float  # of the errors
    error_rate: float  # sum_error / size; the mean error, where errors are not 0 and 1
    divergence: float  # error_rate minus that of all rows
    t: float  # of the divergence: how many standard deviations it is away from 0
    contributions: Mapping[str, float] = field(default_factory=dict)  # Shapley: by column, they sum up to divergence


@dataclass(frozen=True, slots=True)
class Found:
    """The slices that a search found, best first, and how far it got."""

    slices: tuple[Slice, ...]
    n: int  # rows
    errors_sum: float
    binary: bool  # all errors are 0 or 1
    min_support: int  # the fewest rows of a slice
    candidates: int  # how many slices were counted
    complete: bool  # False: the time was over, and there may be others
    ties_cut: int  # slices that score as much as the last one here and are left out
    seconds: float
    reason: str | None = None  # why nothing was found, or where the search stopped
