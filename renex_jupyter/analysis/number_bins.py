"""Numbers cut into bins whose edges a person can read: half-open ranges [low, high), about equally full or equally wide."""

from __future__ import annotations

from decimal import Decimal

from renex_jupyter.records.predicates import RANGE, Condition
from renex_jupyter.store.workbench import Workbench, quoted

QUANTILE, WIDTH = "quantile", "width"
CUTS = (QUANTILE, WIDTH)
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
    sides = "".join(", max(x) filter (x < ?), min(x) filter (x > ?)" for _ in values)
    [(least, most, *beside)] = bench.values(
        f"select min(x), max(x){sides} from {finite}", [each for each in values for _ in (0, 1)]
    )
    cuts: set[Decimal] = set()
    for place, each in enumerate(values):
        at = _exact(each)
        before = _exact(values[place - 1] if place else least)
        tolerance = (at - before) / SLACK
        below, above = beside[2 * place], beside[2 * place + 1]
        if below is not None and _exact(below) < at:
            is_alone = counts[each] > 1  # it fills more than a bin: the edge lies just below it
            cuts.add(simplest(_exact(below) if is_alone else min(_exact(below), at - tolerance), at))
        if counts[each] > 1 and above is not None and each != most:
            cuts.add(simplest(at, _exact(above)))
    return [_plain(each, whole=whole) for each in sorted(cuts)]


def _widths(bench: Workbench, finite: str, bins: int, *, whole: bool) -> list[float | int]:
    least, most = bench.values(f"select min(x), max(x) from {finite}")[0]
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
