"""Numbers cut into bins whose edges a person can read: half-open ranges [low, high), about equally full or equally wide."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from renex_jupyter.records.predicates import RANGE, Condition
from renex_jupyter.store.workbench import Workbench, quoted

QUANTILE, WIDTH = "quantile", "width"
CUTS = (QUANTILE, WIDTH)
FIRST = 2_000  # rows that are looked at before all are
SLACK = 8  # an edge may lie so many times less beside its quantile than the next quantile does


def make_bins(
    bench: Workbench,
    table: str,
    column: str,
    kind: str,
    *,
    bins: int = 10,
    cut: str = QUANTILE,
    part: str | None = None,
) -> list[Condition]:
    """Return conditions of which every finite number, and every infinite one, meets just one.

    A column with at most `bins` values keeps these. A value that fills a bin alone gets one of its own.

    Parameters
    ----------
    kind : type of the column, as DuckDB says it.
    cut : "quantile": bins with about as many rows each; "width": bins of the same width.
    part : of the column, such as its length.
    """
    value = quoted(column) if part is None else f"{part}({quoted(column)})"
    whole = "INT" in kind or part is not None
    finite = f"(select {value} as x from {quoted(table)} where {value} is not null and isfinite({value}::double))"
    first = f"(select x from {finite} limit {FIRST})"  # most columns of many values show it there
    few = [row[0] for row in bench.values(f"select distinct x from {first} limit {bins + 1}")]
    if len(few) <= bins:
        few = [row[0] for row in bench.values(f"select distinct x from {finite} limit {bins + 1}")]
    odd = bench.value(f"select count(*) from {quoted(table)} where isinf({value}::double)") if not whole else 0
    if len(few) <= bins and not odd:
        return [Condition(column, "=", _plain(each, whole=whole), part) for each in sorted(few)]
    edges = _widths(bench, finite, bins, whole=whole) if cut == WIDTH else _quantiles(bench, finite, bins, whole=whole)
    ends = [None, *edges, None]
    return [Condition(column, RANGE, (ends[i], ends[i + 1]), part) for i in range(len(ends) - 1)]


def simplest(low: Decimal, high: Decimal) -> Decimal:
    """Return the number with the fewest digits that is above `low` and not above `high`."""
    if low < 0 <= high:
        return Decimal(0)
    exponent = max(abs(low), abs(high), Decimal(1)).adjusted()
    while exponent > -400:
        step = Decimal(1).scaleb(exponent)
        found = (high // step) * step
        if found > high:  # division cuts off towards zero
            found -= step
        if found > low:
            return found
        exponent -= 1
    return high


def _quantiles(bench: Workbench, finite: str, bins: int, *, whole: bool) -> list[float | int]:
    shares = [place / bins for place in range(1, bins)]
    found = bench.value(f"select quantile_disc(x, {shares!r}) from {finite}") or []
    counts: dict[object, int] = {}
    for each in found:
        counts[each] = counts.get(each, 0) + 1
    values = sorted(counts)  # type: ignore[type-var]
    if not values:
        return []
    least, most, beside = _neighbours(bench, finite, values)
    cuts: set[Decimal] = set()
    for place, each in enumerate(values):
        at = _exact(each)
        before = _exact(values[place - 1] if place else least)
        tolerance = (at - before) / SLACK
        below, above = beside[place]
        if below is not None and _exact(below) < at:
            is_alone = counts[each] > 1  # it fills more than a bin: the edge lies just below it
            cuts.add(simplest(_exact(below) if is_alone else min(_exact(below), at - tolerance), at))
        if counts[each] > 1 and above is not None and each != most:
            cuts.add(simplest(at, _exact(above)))
    return [_plain(each, whole=whole) for each in sorted(cuts)]


def _neighbours(bench: Workbench, finite: str, values: list[Any]) -> tuple[Any, Any, list[tuple[Any, Any]]]:
    """Return the least and the highest number, and of each value the nearest ones below and above it, in one scan."""
    bucket = " + ".join("(x >= ?)::usmallint" for _ in values)  # k: from the k-th value on, up to the next one
    starts = " ".join(f"when {place} then ?" for place in range(1, len(values) + 1))
    rows = bench.values(
        f"""select k, min(x), max(x), min(x) filter (k > 0 and x > (case k {starts} end))
        from (select x, {bucket} as k from {finite}) group by k order by k""",
        [*values, *values],
    )
    found = {k: (least, most, second) for k, least, most, second in rows}
    beside = []
    for place in range(1, len(values) + 1):
        below = found[place - 1][1] if place - 1 in found else None
        after = found[place + 1][0] if place + 1 in found else None
        beside.append((below, found[place][2] if found[place][2] is not None else after))
    return rows[0][1], rows[-1][2], beside


def _widths(bench: Workbench, finite: str, bins: int, *, whole: bool) -> list[float | int]:
    least, most = bench.values(f"select min(x), max(x) from {finite}")[0]
    if least is None or least == most:  # the others are infinite
        return []
    low, high = _exact(least), _exact(most)
    step = (high - low) / bins
    cuts = {simplest(low + step * place - step / SLACK, low + step * place) for place in range(1, bins)}
    return [_plain(each, whole=whole) for each in sorted(cuts)]


def _exact(value: object) -> Decimal:
    """Return a number with all its digits."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(str(value))


def _plain(value: object, *, whole: bool) -> float | int:
    """Return a number as a condition keeps it: whole ones of columns of whole numbers stay whole."""
    return int(value) if whole and value == int(value) else float(value)  # type: ignore[call-overload,arg-type]
