"""Drift of columns: every column of the current data against the reference, as a whole and by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter.analysis import drift_columns as columns_of
from renex_jupyter.analysis.drift_columns import CATEGORICAL, NULL, NUMERIC, Bins, Compared
from renex_jupyter.analysis.drift_tests import ALL, REFERENCE, Counted, count_tests, value_tests
from renex_jupyter.records.drift import (
    ALERT,
    ATTENTION,
    NONE,
    UNKNOWN,
    Bin,
    ColumnDrift,
    ColumnWindow,
    Thresholds,
)
from renex_jupyter.store.workbench import Workbench, quoted

COUNTS, ONE, VALUES = "drift counts", "drift column", "drift values"
OUTSIDE = -2  # the number of the window of a row that is in none, such as one without a time
MOST_NEW = 20  # new values that are told


@dataclass(slots=True)
class _Seen:
    """What is known of a column before its counts are compared."""

    column: Compared
    bins: Bins
    tests: dict[str, Any]
    new_values: tuple[str, ...]


def compare(
    bench: Workbench,
    columns: Sequence[Compared],
    *,
    reference: str = "reference",
    current: str = "current",
    window: str | None = None,
    windows: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    tested: int | None = None,
) -> tuple[ColumnDrift, ...]:
    """Return how each column of a table differs from that of another.

    Parameters
    ----------
    window : the column of the current table with the number of a row's window, from 0; NULL: in none.
    windows : the names of the windows.
    tested : how many columns share the level alpha; by default these.
    """
    limits = thresholds or Thresholds()
    bench.run(f"create or replace temp table {quoted(COUNTS)} (place int, bin int, w int, n bigint)")
    number = f"coalesce({quoted(window)}, {OUTSIDE})::int" if window else "0"
    seen = [_look(bench, place, each, reference, current, number) for place, each in enumerate(columns)]
    bench.run(f"""
        insert into {quoted(COUNTS)}
        select place, bin, {ALL}, sum(n) from {quoted(COUNTS)} where w <> {REFERENCE} group by place, bin""")
    tests = count_tests(bench, COUNTS)
    bins = _bins(bench)
    share = limits.alpha / max(1, tested if tested is not None else len(columns))
    sizes = tuple(int(bench.value(f"select count(*) from {quoted(each)}")) for each in (reference, current))
    return tuple(
        _told(each, tests, place, bins.get(place, []), windows, limits, share, sizes) for place, each in enumerate(seen)
    )


def _look(bench: Workbench, place: int, column: Compared, reference: str, current: str, number: str) -> _Seen:
    """Count the values of a column, and compare what counts do not say."""
    rows = f"""
        select {column.reference} as v, {REFERENCE} as w from {quoted(reference)}
        union all select {column.current}, {number} from {quoted(current)}"""
    if column.kind == NUMERIC:
        bench.run(f"create or replace temp table {quoted(ONE)} as {rows}")
        bins = columns_of.make_bins(bench, column, ONE, VALUES)
        bench.run(f"""
            insert into {quoted(COUNTS)}
            select {place}, {bins.expression} as b, w, count(*) from {quoted(ONE)} group by b, w""")
        return _Seen(column, bins, value_tests(bench, ONE), ())
    bench.run(f"create or replace temp table {quoted(ONE)} as select v, w, count(*) as n from ({rows}) group by v, w")
    bins = columns_of.make_bins(bench, column, ONE, VALUES)
    bench.run(f"""
        insert into {quoted(COUNTS)}
        select {place}, {bins.expression} as b, w, sum(n) from {quoted(ONE)} left join {quoted(VALUES)} on value = v
        group by b, w""")
    fresh = bench.values(f"""
        select v from {quoted(ONE)} where v is not null group by v having bool_and(w <> {REFERENCE})
        order by sum(n) desc, v limit {MOST_NEW}""")
    return _Seen(column, bins, {}, tuple(row[0] for row in fresh))


def _bins(bench: Workbench) -> dict[int, list[tuple[int, int, int]]]:
    """Return by place of the column: number of the bin, rows of the reference, rows of the current data."""
    rows = bench.values(f"""
        select place, bin, coalesce(sum(n) filter (w = {REFERENCE}), 0)::bigint,
            coalesce(sum(n) filter (w = {ALL}), 0)::bigint
        from {quoted(COUNTS)} group by place, bin order by place, bin < 0, if(bin < 0, -bin, bin)""")
    found: dict[int, list[tuple[int, int, int]]] = {}
    for place, *rest in rows:
        found.setdefault(place, []).append(tuple(rest))
    return found


def _told(
    seen: _Seen,
    tests: dict[tuple[int, int], Counted],
    place: int,
    bins: Sequence[tuple[int, int, int]],
    windows: Sequence[str],
    limits: Thresholds,
    share: float,
    sizes: tuple[int, ...],
) -> ColumnDrift:
    column, counted = seen.column, tests.get((place, ALL))
    n, m = sizes
    missing = next(((r, c) for each, r, c in bins if each == NULL), (0, 0))
    common: dict[str, Any] = {
        "name": column.name,
        "kind": column.kind,
        "role": column.role,
        "n_reference": n,
        "n_current": m,
        "null_reference": missing[0],
        "null_current": missing[1],
        "new_values": seen.new_values,
        "bins": tuple(Bin(columns_of.label(seen.bins, each), r, c) for each, r, c in bins),
        "windows": tuple(
            _window(name, tests.get((place, number)), limits, share / len(windows))
            for number, name in enumerate(windows)
        ),
    }
    note = column.note or _note(n, m, missing, counted, limits.least)
    if counted is None or counted.psi is None:
        return ColumnDrift(**common, level=UNKNOWN, note=note)
    own = dict(seen.tests)
    if column.kind == CATEGORICAL:
        own = {"chi2": counted.chi2, "cramers_v": counted.cramers_v, "p_value": counted.p_value}
    level = level_of(counted, limits, share, wasserstein=own.get("wasserstein"), cramers_v=own.get("cramers_v"))
    level = ALERT if column.changed else level
    return ColumnDrift(
        **common, **own, level=level, psi=counted.psi, floor=counted.floor(share), js=counted.js, note=note
    )


def level_of(
    counted: Counted,
    limits: Thresholds,
    alpha: float,
    *,
    wasserstein: float | None = None,
    cramers_v: float | None = None,
) -> str:
    """Return the level of a difference: it must be larger than noise, and large.

    Noise is judged by the PSI alone, so that what alpha promises holds whatever else is computed.
    """
    floor = counted.floor(alpha)
    if counted.psi is None or floor is None or min(counted.n, counted.m) < limits.least:
        return UNKNOWN
    if counted.bins < 2 or counted.psi <= floor:
        return NONE
    if counted.psi > limits.alert:
        return ALERT
    large = (
        counted.psi > limits.attention
        or (counted.js or 0) > limits.js
        or (wasserstein or 0) > limits.wasserstein
        or (cramers_v or 0) > limits.cramers_v
    )
    return ATTENTION if large else NONE


def _window(name: str, counted: Counted | None, limits: Thresholds, alpha: float) -> ColumnWindow:
    if counted is None or counted.psi is None:
        return ColumnWindow(name, counted.m if counted else 0)
    level = level_of(counted, limits, alpha)
    return ColumnWindow(name, counted.m, counted.psi, counted.floor(alpha), counted.js, level)


def _note(n: int, m: int, missing: tuple[int, int], counted: Counted | None, least: int) -> str | None:
    """Return what has to be known to read the numbers of a column."""
    if not n or not m:
        side = "the reference" if not n else "the current data"
        return f"no rows in {side}"
    if missing == (n, m):
        return "NULL in every row of both"
    if missing[0] == n or missing[1] == m:
        return f"NULL in every row of {'the reference' if missing[0] == n else 'the current data'}"
    if counted is not None and counted.bins == 1:
        return "the same value in every row"
    return None if min(n, m) >= least else f"too few rows to tell: {min(n, m)}"
