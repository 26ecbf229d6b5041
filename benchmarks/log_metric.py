"""What a logged point costs, against the least that could be done: `json.dumps` and `os.write` of the same fields.

Run with `make bench`. Each round times both in turns in one process, and the median of the ratios is what counts.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import renex_jupyter as rx

POINTS, ROUNDS = 5_000, 31
RUN = "a" * 32


def bare(descriptor: int) -> None:
    """Write the same fields without a checksum, by what the standard library offers."""
    for step in range(POINTS):
        fields = {"o": "run", "i": RUN, "k": "loss", "s": step, "w": time.time_ns() // 1000, "y": 1 / (step + 1)}
        os.write(descriptor, json.dumps(fields).encode() + b"\n")


def ours() -> None:
    """Log with `rx.log_metric`."""
    for step in range(POINTS):
        rx.log_metric("loss", 1 / (step + 1), step=step)


def seconds(action: Callable[[], None]) -> float:
    """Return how long an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure() -> dict[str, float]:
    """Return the median microseconds of one point, ours and the bare one, the median of their ratio by round, and more.

    Makes a store in a folder of its own, which goes away again.
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        try:
            return _measured()
        finally:
            os.chdir(before)


def _measured() -> dict[str, float]:
    descriptor = os.open("bare.jsonl", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    with rx.start_run("bench") as run:
        ours(), bare(descriptor)  # warm
        pairs = [_pair(descriptor, turned=bool(number % 2)) for number in range(ROUNDS)]
        start = time.perf_counter()
        seen = int(rx.sql("select count(*) as n from metrics where run_id = ? and key = 'loss'", [run.run_id])["n"][0])
        read = time.perf_counter() - start
    os.close(descriptor)
    assert seen == POINTS * (ROUNDS + 1), (seen, POINTS * (ROUNDS + 1))
    return {
        "log_metric_us": statistics.median(pair[0] for pair in pairs) / POINTS * 1e6,
        "bare_us": statistics.median(pair[1] for pair in pairs) / POINTS * 1e6,
        "ratio": statistics.median(mine / least for mine, least in pairs),
        "points": seen,
        "count_ms": read * 1e3,
    }


def _pair(descriptor: int, *, turned: bool) -> tuple[float, float]:
    """Time both, each first in every second round."""
    if turned:
        least = seconds(lambda: bare(descriptor))
        return seconds(ours), least
    return seconds(ours), seconds(lambda: bare(descriptor))


def main() -> None:
    """Print what was measured."""
    found = measure()
    print(
        "log_metric {log_metric_us:.1f} us, json.dumps + os.write {bare_us:.1f} us, ratio {ratio:.2f}".format(**found)
    )
    print("{points:.0f} points counted in {count_ms:.0f} ms, tail included".format(**found))


if __name__ == "__main__":
    main()
