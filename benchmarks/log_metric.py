"""What a logged point costs, against the least that could be done: `json.dumps` and `os.write` of the same fields.

Run with `make bench`. Both are timed in turns in one process, and the ratio is what counts.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

os.chdir(tempfile.mkdtemp())

import renex_jupyter as rx  # noqa: E402  the store belongs into the temporary folder

POINTS, ROUNDS = 20_000, 7


def bare(descriptor: int) -> float:
    """Seconds for the points with json.dumps and os.write alone."""
    start = time.perf_counter()
    for step in range(POINTS):
        fields = {"run": "a" * 32, "key": "loss", "step": step, "wallclock": time.time(), "value": 1 / (step + 1)}
        os.write(descriptor, json.dumps(fields).encode() + b"\n")
    return time.perf_counter() - start


def ours() -> float:
    """Seconds for the points with `rx.log_metric`."""
    start = time.perf_counter()
    for step in range(POINTS):
        rx.log_metric("loss", 1 / (step + 1), step=step)
    return time.perf_counter() - start


def main() -> None:
    """Print both and their ratio, round by round in turns."""
    descriptor = os.open("bare.jsonl", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    with rx.start_run("bench") as run:
        pairs = [(ours(), bare(descriptor)) for _ in range(ROUNDS)]
        start = time.perf_counter()
        seen = int(rx.sql("select count(*) as n from metrics where run_id = ?", [run.run_id])["n"][0])
        read = time.perf_counter() - start
    assert seen == POINTS * ROUNDS, (seen, POINTS * ROUNDS)
    each = [statistics.median(pair[i] for pair in pairs) / POINTS * 1e6 for i in (0, 1)]
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"log_metric {each[0]:.1f} us, json.dumps + os.write {each[1]:.1f} us, ratio {ratio:.2f}")
    print(f"{seen} points counted in {read * 1e3:.0f} ms, tail included")
    size = sum(path.stat().st_size for path in Path(".renex").rglob("*") if path.is_file())
    print(f"{size / seen:.0f} bytes per point in .renex")


if __name__ == "__main__":
    main()
