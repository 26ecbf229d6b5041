"""All slices of a small table, one after the other: what the search must find."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    items: tuple[tuple[str, Any], ...]
    score: float
    rows: frozenset[int]
    sum_error: float
    max_error: float


def score(size: int, errors: float, n: int, total: float, alpha: float) -> float:
    return alpha * ((n / size) * (errors / total) - 1) - (1 - alpha) * (n / size - 1)


def every_slice(
    table: dict[str, list[Any]],
    error: np.ndarray,
    *,
    alpha: float,
    support: int,
    max_level: int,
    absent: Collection[Any] = (),
) -> list[Row]:
    """Return every slice that scores above 0: best first, without those that have the same rows as an earlier one."""
    n, total = len(error), float(error.sum())
    having = {
        c: {v: np.array([each == v for each in table[c]]) for v in dict.fromkeys(table[c]) if v not in absent}
        for c in table
    }
    found = []
    for length in range(1, max_level + 1):
        for columns in combinations(sorted(table), length):
            for values in product(*(having[each] for each in columns)):
                chosen = np.logical_and.reduce([having[c][v] for c, v in zip(columns, values, strict=True)])
                size = int(chosen.sum())
                if size < support:
                    continue
                errors = error[chosen]
                value = score(size, float(errors.sum()), n, total, alpha)
                if value > 1e-9:
                    items = tuple(zip(columns, values, strict=True))
                    rows = frozenset(np.flatnonzero(chosen).tolist())
                    found.append(Row(items, value, rows, float(errors.sum()), float(errors.max())))
    text = lambda row: [(c, v is None, str(v)) for c, v in row.items]  # noqa: E731
    found.sort(key=lambda row: (-round(row.score, 9), len(row.items), -len(row.rows), text(row)))
    seen: set[frozenset[int]] = set()
    return [row for row in found if not (row.rows in seen or seen.add(row.rows))]
