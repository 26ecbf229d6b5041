"""The exact search for the slices whose rows err most.

References
----------
Sagadeeva and Boehm, "SliceLine", SIGMOD 2021: score, bounds, search level by level. Ours: slices with the same rows as a shorter
one are left out together with all below them (they are covered by those below the shorter one), and slices are counted by
GROUPING SETS in place of products of matrices.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis.slices.best import Best, Scored
from renex_jupyter.analysis.slices.coded import Errors, coded, look_at_errors
from renex_jupyter.analysis.slices.contributions import contributions
from renex_jupyter.analysis.slices.counting import Counter, Counts, joined
from renex_jupyter.analysis.slices.found import Found, Slice
from renex_jupyter.analysis.slices.levels import Candidates, Level, candidates, place, places
from renex_jupyter.analysis.slices.scores import Scale, Sums, divergence_t
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.store.workbench import Workbench

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH = 16  # sets of columns that are counted in one scan: the fastest of 1 to 105 (docs/failure_patterns.md)
LEAST_SUPPORT = 32  # rows


def find_slices(
    bench: Workbench,
    table: str,
    columns: Sequence[str],
    error: str,
    *,
    k: int = 10,
    alpha: float = 0.95,
    min_support: int | None = None,
    max_level: int = 3,
    time_budget: float | None = None,
    batch: int = BATCH,
    absent: Mapping[str, Collection[Any]] | None = None,
) -> Found:
    """Return the k slices of a table with the highest score: none is missed, unless the time is over.

    Parameters
    ----------
    table : name of a table or view of the workbench.
    columns : whose values make slices; NULL is a value like any other. Numbers are taken as they are: bin them before.
    error : a column of numbers from 0 on; more is worse.
    k : how many slices are wanted.
    alpha : weight of the error against that of the size, 0 < alpha <= 1.
    min_support : the fewest rows of a slice; None: 1 % of all, at least 32.
    max_level : the most conditions of a slice.
    time_budget : seconds after which no further batch is begun; None: without an end.
    batch : sets of columns that are counted in one scan.
    absent : by column, values that never make a slice, such as "the word is not there".

    Returns
    -------
    Found : slices that score above 0, in this order: score, fewer conditions, more rows, names of columns and values. No
        two have the same rows. `complete` is False where the time was over: those that were not found yet are missing.

    Raises
    ------
    RenexError : `not_found` for an unknown column; `invalid_argument` for options out of their range, and for errors that
        are NULL, NaN, infinite or below 0, with their rows.
    """
    check_options(k, alpha, min_support, max_level, time_budget, batch)
    begin = time.monotonic()
    until = math.inf if time_budget is None else begin + time_budget
    errors = look_at_errors(bench, table, columns, error)
    support = min_support if min_support is not None else default_support(errors.n)
    why = _hopeless(errors, columns, support)
    if why is not None:
        seconds = time.monotonic() - begin
        return Found((), errors.n, errors.sum, errors.binary, support, 0, True, 0, seconds, why)
    with coded(bench, table, columns, error, support=support, errors=errors, absent=absent or {}) as source:
        counter = Counter(bench, source, support=support)
        scale = Scale(errors.n, errors.sum, alpha)
        search = _Search(counter, scale, k, max_level, batch, until)
        search.run()
        best, ties = search.best.slices()
        slices = tuple(_described(search, best, errors))
    return Found(
        slices,
        errors.n,
        errors.sum,
        errors.binary,
        support,
        search.counted,
        search.complete,
        ties,
        time.monotonic() - begin,
        search.reason(bool(slices), time_budget),
    )


def default_support(n: int) -> int:
    """Return the fewest rows of a slice of a table of n rows: the paper's choice."""
    return max(LEAST_SUPPORT, math.ceil(n / 100))


class _Search:
    """One search on its way: what was found on each level, and the best slices."""

    def __init__(self, counter: Counter, scale: Scale, k: int, max_level: int, batch: int, until: float) -> None:
        self.counter = counter
        self.scale = scale
        self.best = Best(counter, scale, k)
        self.levels: list[Level] = []
        self.counted = 0
        self.complete = True
        self._has_items = False  # all slices of one condition are known
        self._max_level = max_level
        self._batch = batch
        self._until = until

    def run(self) -> None:
        """Go from level to level until nothing is left, or the time is over."""
        self._first_level()
        while self.complete and len(self.levels[-1].keys) > 1 and len(self.levels) < self._max_level:
            level = self._next_level()
            if level is None:
                return
            self.levels.append(level)

    def reason(self, has_found: bool, budget: float | None) -> str | None:
        """Say where the search stopped, or why it found nothing."""
        if not self.complete:
            length = len(self.levels) + 1 if self._has_items else 1
            return f"the time of {budget:g} s was over at slices of {length} conditions: others may be missing"
        if has_found:
            return None
        if not len(self.counter.column):
            return f"no value stands in {self.counter.support:,} rows or more"
        return "no slice errs more than all rows together by enough to make up for its size"

    def _first_level(self) -> None:
        import numpy as np

        self.largest = np.zeros(len(self.counter.column))
        parts, same = [_nothing()], [np.zeros(0, dtype=np.uint64)]
        for start in range(0, len(self.counter.table.columns), self._batch):
            if self._is_over():
                break
            columns = range(len(self.counter.table.columns))[start : start + self._batch]
            counts, rows, largest = self.counter.first_level(columns)
            self.largest[counts.items[:, 0]] = largest
            self.counted += len(counts.size)
            parts.append(counts)
            same.append(rows)
        counts, rows = joined(parts), np.concatenate(same)
        order = np.argsort(counts.items[:, 0])
        counts, rows = counts.only(order), rows[order]
        is_part = counts.size < self.scale.n  # all rows are no slice
        counts, rows = counts.only(is_part), rows[is_part]
        _, firsts = np.unique(rows, return_index=True)  # of items with the same rows the first stands for all
        counts = counts.only(np.sort(firsts))
        self.best.add(counts)
        self._has_items = self.complete
        self.levels.append(Level(counts.items, counts.items[:, 0], counts.size, counts.errors))

    def _next_level(self) -> Level | None:
        """Count the slices with one condition more; None: the time was over, or there is none."""
        import numpy as np

        wanted = self._candidates()
        if not len(wanted.keys):
            return None
        sets, which = np.unique(self.counter.column[wanted.items], axis=0, return_inverse=True)
        which = which.reshape(-1)
        highest = np.full(len(sets), -np.inf)
        np.maximum.at(highest, which, wanted.bound)
        order = np.argsort(-highest, kind="stable")  # the most promising first: the threshold rises early
        parts, keys = [], []
        for start in range(0, len(order), self._batch):
            chosen = [each for each in order[start : start + self._batch] if highest[each] >= self.best.threshold]
            if not chosen:
                break
            if self._is_over():
                return None
            self.counted += int(np.isin(which, chosen).sum())
            counts = self.counter.count([tuple(each) for each in sets[chosen].tolist()])
            part, found = self._sought(counts, wanted)
            self.best.add(part)
            parts.append(part)
            keys.append(found)
        if not parts:
            return None
        counts, ascending = joined(parts), np.concatenate(keys)
        order = np.argsort(ascending)
        counts = counts.only(order)
        return Level(counts.items, ascending[order], counts.size, counts.errors)

    def _candidates(self) -> Candidates:
        import numpy as np

        length = len(self.levels) + 1
        kept = [Candidates(np.zeros((0, length), dtype=np.int64), *(np.zeros(0, dtype=np.int64),) * 2, np.zeros(0))]
        threshold = self.best.threshold
        for each in candidates(
            self.levels,
            self.counter.column,
            self.largest,
            self.scale,
            support=self.counter.support,
            threshold=threshold,
        ):
            kept.append(each)
            if self._is_over():
                return kept[0]
        return Candidates(
            np.concatenate([each.items for each in kept]),
            np.concatenate([each.keys for each in kept]),
            np.concatenate([each.most for each in kept]),
            np.concatenate([each.bound for each in kept]),
        )

    def _sought(self, counts: Counts, wanted: Candidates) -> tuple[Counts, NDArray[np.int64]]:
        """Return what was sought of what was counted, with its keys; without slices that have all rows of a parent."""
        total = len(self.counter.column)
        parent = places(self.levels, counts.items[:, :-1], total)
        at = place(wanted.keys, parent * total + counts.items[:, -1], among=parent >= 0)
        kept = at >= 0
        kept[kept] = counts.size[kept] < wanted.most[at[kept]]
        return counts.only(kept), wanted.keys[at[kept]]

    def _is_over(self) -> bool:
        if time.monotonic() > self._until:
            self.complete = False
        return not self.complete


def _described(search: _Search, best: Sequence[Scored], errors: Errors) -> Iterator[Slice]:
    """Yield what is told of the best slices."""
    import numpy as np

    whole = Sums(errors.n, errors.sum, errors.squares)
    total = len(search.counter.column)

    def divergence(items: tuple[int, ...]) -> float:
        if not items:
            return 0.0
        level = search.levels[len(items) - 1] if len(items) <= len(search.levels) else None
        known = last.get(items)
        if known is not None:
            return known.errors / known.size - whole.mean
        assert level is not None  # what a slice is made of was counted before it
        [at] = places(search.levels, np.array([items], dtype=np.int64), total)
        return float(level.errors[at] / level.size[at]) - whole.mean

    last = {each.items: each for each in best}
    details = search.counter.details([each.items for each in best])
    for each, (largest, square) in zip(best, details, strict=True):
        sums = Sums(each.size, each.errors, square)
        shares = contributions(each.items, divergence)
        named = search.counter.named(each.items)
        yield Slice(
            named,
            each.score,
            each.size,
            each.errors,
            largest,
            square,
            sums.mean,
            sums.mean - whole.mean,
            divergence_t(sums, whole, binary=errors.binary),
            {column: share for (column, _), share in zip(named, shares, strict=True)},
        )


def _nothing() -> Counts:
    import numpy as np

    whole = np.zeros(0, dtype=np.int64)
    return Counts(whole.reshape(0, 1), whole, np.zeros(0))


def _hopeless(errors: Errors, columns: Sequence[str], support: int) -> str | None:
    """Say why no slice can be found, whatever the values are."""
    if not errors.n:
        return "the table has no rows"
    if not errors.sum:
        return "every error is 0"
    if not columns:
        return "there is no column to make slices of"
    if support > errors.n:
        return f"a slice needs {support:,} rows, and there are {errors.n:,}"
    if errors.binary and errors.sum == errors.n:
        return "every error is 1: no slice errs more than all rows together"
    return None


def check_options(
    k: int, alpha: float, min_support: int | None, max_level: int, time_budget: float | None, batch: int = BATCH
) -> None:
    """Refuse options out of their range, see `find_slices`."""
    whole = {"k": k, "min_support": 1 if min_support is None else min_support, "max_level": max_level, "batch": batch}
    for name, value in whole.items():
        if not _is(int, value) or value < 1:
            raise invalid_argument(f"{name}={shown(value)} is no whole number from 1 on.", "Give how many, such as 10.")
    if not _is((int, float), alpha) or not 0 < alpha <= 1:
        raise invalid_argument(f"alpha={shown(alpha)} does not lie in 0 < alpha <= 1.", "0.95 is usual.")
    if time_budget is not None and (not _is((int, float), time_budget) or not time_budget > 0):
        raise invalid_argument(f"time_budget={shown(time_budget)} is no time above 0.", "Give seconds, or None.")


def _is(kind: type | tuple[type, ...], value: object) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
