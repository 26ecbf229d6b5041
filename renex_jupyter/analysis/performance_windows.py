"""How a model did in each window: the mean of its error with an interval, calibration, and the error to expect.

References
----------
Expected calibration error: C. Guo et al., ICML 2017, of the predicted class, 10 bins of equal width. The error to expect
without labels is that of confidence-based performance estimation: 1 - max p is the chance to be wrong, if it is calibrated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter.analysis.chance import wilson
from renex_jupyter.records.drift import PatternWindow, PerformanceWindow
from renex_jupyter.records.predicates import Predicate
from renex_jupyter.store.conditions import condition
from renex_jupyter.store.workbench import Workbench, quoted

RESAMPLES = 500  # of the bootstrap
MOST_RESAMPLED = 5_000  # rows; the mean of more is as good as normal
BINS = 10  # of the confidence
ALL = -9  # the number of the window that has every row
Z = 1.959963984540054  # 95 %


@dataclass(frozen=True, slots=True)
class Stream:
    """Tables of the workbench about one model on one set of rows."""

    errors: str  # _key, error
    keys: str  # _key, number of the window (NULL: in none), place in the order, moment (text)
    metric: str
    binary: bool
    confidences: str | None = None  # _key, confidence, entropy
    briers: str | None = None  # _key, error
    boxes: bool = False  # rows are boxes, not samples


def measure(
    bench: Workbench, stream: Stream, names: Sequence[str], *, whole: str, seed: int = 0
) -> tuple[PerformanceWindow, ...]:
    """Return the performance of all rows, called `whole`, and then of each window.

    Parameters
    ----------
    names : of the windows, by number.
    seed : of the bootstrap.
    """
    found = [_one(bench, stream, ALL, whole, seed)]
    return (*found, *(_one(bench, stream, number, name, seed) for number, name in enumerate(names)))


def measure_patterns(
    bench: Workbench,
    stream: Stream,
    samples: str,
    patterns: Sequence[tuple[str, Predicate]],
    window: int | None,
    z: float = Z,
) -> tuple[PatternWindow, ...]:
    """Return the error of named patterns in one window (None: in all rows).

    Parameters
    ----------
    samples : the view of the samples that predicates are asked of.
    z : of the intervals; higher where many patterns are looked at together.
    """
    found = []
    where = "" if window is None else f"and k.number = {window}"
    for name, predicate in patterns:
        sql, values = condition(predicate, table="s")
        row = bench.rows(
            f"""select count(error) as n, avg(error) as value, sum(error) as total, stddev_samp(error) as deviation
            from {quoted(stream.errors)} e join {quoted(stream.keys)} k on k._key = e._key
            join {quoted(samples)} s on s._key = e._key where {sql} {where}""",
            values,
        )[0]
        low, high = _plain_interval(row, stream.binary, z)
        found.append(PatternWindow(name, row["n"], row["value"], low, high))
    return tuple(found)


def calibration_error(bench: Workbench, stream: Stream, window: int = ALL) -> tuple[float | None, float]:
    """Return the expected calibration error of a window, and what it would be by chance alone were all calibrated."""
    if stream.confidences is None or stream.metric != "error":
        return None, 0.0
    rows = bench.values(f"""
        select count(*), avg(1 - error), avg(confidence)
        from {_joined(stream, window)} join {quoted(stream.confidences)} c on c._key = e._key
        where error is not null and confidence is not null
        group by least(floor(confidence * {BINS})::int, {BINS - 1})""")
    n = sum(row[0] for row in rows)
    if not n:
        return None, 0.0
    error = math.fsum(count * abs(right - sure) for count, right, sure in rows) / n
    noise = (
        math.fsum(count * math.sqrt(2 * sure * (1 - min(sure, 1)) / (math.pi * count)) for count, _, sure in rows) / n
    )
    return error, noise


def _one(bench: Workbench, stream: Stream, window: int, name: str, seed: int) -> PerformanceWindow:
    row = bench.rows(f"""
        select count(*) as rows, count(error) as n, avg(error) as value, sum(error) as total,
            stddev_samp(error) as deviation, min(moment) as first, max(moment) as last
        from {_joined(stream, window)}""")[0]
    low, high = _interval(bench, stream, window, row, seed)
    ece, _ = calibration_error(bench, stream, window)
    return PerformanceWindow(
        name,
        stream.metric,
        row["rows"],
        row["n"],
        row["value"],
        low,
        high,
        brier=_brier(bench, stream, window),
        ece=ece,
        begin=row["first"],
        end=row["last"],
        **_promised(bench, stream, window),
    )


def _joined(stream: Stream, window: int) -> str:
    among = "" if window == ALL else f" and k.number = {window}"
    asked = "" if stream.boxes else " and e.predicted is not null"
    return f"{quoted(stream.errors)} e join {quoted(stream.keys)} k on k._key = e._key{asked}{among}"


def _promised(bench: Workbench, stream: Stream, window: int) -> dict[str, Any]:
    """Return what the confidences of a window promise, whether they are calibrated or not."""
    if stream.confidences is None:
        return {}
    return bench.rows(f"""
        select avg(1 - confidence) as expected, avg(entropy) as entropy
        from {_joined(stream, window)} join {quoted(stream.confidences)} c on c._key = e._key""")[0]


def _brier(bench: Workbench, stream: Stream, window: int) -> float | None:
    if stream.briers is None:
        return None
    value = bench.value(f"""
        select avg(b.error) from {_joined(stream, window)} join {quoted(stream.briers)} b on b._key = e._key""")
    return None if value is None else float(value)


def _interval(
    bench: Workbench, stream: Stream, window: int, row: dict[str, Any], seed: int
) -> tuple[float | None, float | None]:
    n = row["n"]
    if stream.binary or n < 2 or n > MOST_RESAMPLED:
        return _plain_interval(row, stream.binary, Z)
    import numpy as np

    query = f"select error from {_joined(stream, window)} where error is not null order by place, e._key"
    values = bench.arrays(query)["error"]
    random = np.random.default_rng([seed, window + 10])
    means = [values[random.integers(0, n, n)].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _plain_interval(row: dict[str, Any], binary: bool, z: float) -> tuple[float | None, float | None]:
    n = row["n"]
    if not n:
        return None, None
    if binary:
        return wilson(row["total"], n, z)
    if n < 2:
        return None, None
    half = z * row["deviation"] / math.sqrt(n)
    return row["value"] - half, row["value"] + half
