"""When an error began to rise: the test of Page and Hinkley on the stream of errors, against what the reference had.

References
----------
E. S. Page, Biometrika 41 (1954). The threshold: D. Siegmund, Sequential Analysis (1985), equation 2.52, so that a stream
of this length alarms with the probability alpha where nothing changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from renex_jupyter.store.workbench import Workbench, quoted

WALK = "drift walk"
SLACK = 0.1  # standard deviations by which the error may rise unseen
SKEW = 1.15  # errors of 0 and 1 lie less evenly than the normal ones that the threshold is made for


@dataclass(frozen=True, slots=True)
class Change:
    """Where the error of a stream rose."""

    row: int  # of the stream, from 0: where the alarm is
    since: int  # where the rise began
    threshold: float


def find_change(
    bench: Workbench, table: str, *, mean: float, deviation: float, known: int, alpha: float = 0.05
) -> Change | None:
    """Return where the mean of a stream rose above that of the reference; None if it did not.

    Parameters
    ----------
    table : has `error`, and `place`, which orders the stream; a NULL is passed over.
    mean, deviation : of the error of the reference.
    known : rows that these were computed from.
    """
    n = int(bench.value(f"select count(error) from {quoted(table)}"))
    if not n or known < 2:
        return None
    # A rate that was never seen may have been missed: one error in all the rows is the least that is assumed.
    deviation = max(deviation, math.sqrt(1 / (known + 1)) if mean == 0 else 1e-12)
    slack = max(SLACK, 2 / math.sqrt(known))
    threshold = SKEW * threshold_of(n, slack, alpha)
    # Kept as a table, since where a rise began is looked for from where it is seen: two scans, also of a million rows.
    bench.run(
        f"""
        create or replace temp table {quoted(WALK)} as
        with stream as (select place, (error - ?) / ? - ? as step from {quoted(table)} where error is not null),
        walk as (select place, sum(step) over (order by place rows unbounded preceding) as height from stream)
        select *, least(0, min(height) over (order by place rows unbounded preceding)) as low from walk""",
        [mean, deviation, slack],
    )
    rows = bench.values(
        f"select place, low from {quoted(WALK)} where height - low > ? order by place limit 1", [threshold]
    )
    if not rows:
        return None
    place, low = rows[0]
    since = bench.value(
        f"select max(place) filter (place <= ? and height <= ?) from {quoted(WALK)}", [place, low]
    )  # None where it rose from the first value on
    if since is None:
        since = bench.value(f"select min(place) from {quoted(WALK)}")
    return Change(int(place), int(since), threshold)


def threshold_of(n: int, slack: float, alpha: float) -> float:
    """Return the height at which a stream of n values alarms with the probability alpha, where nothing changes."""
    wanted = n / alpha  # the mean length until a false alarm
    low, high = 0.0, 1000.0 / slack
    for _ in range(100):
        middle = (low + high) / 2
        b = 2 * slack * (middle + 1.166)
        length = (math.exp(b) - b - 1) / (2 * slack * slack) if b < 700 else math.inf
        low, high = (middle, high) if length < wanted else (low, middle)
    return high
