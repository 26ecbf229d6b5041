"""How long a filter takes to redraw a workspace of six charts on a million rows, and how long that takes to open.

    python benchmarks/workspace.py [--rows 1000000] [--threads 2]

Prints milliseconds of query time, the median of some filters; and the time of the processor, which other programs on the
machine do not stretch.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

CHARTS = [
    {"type": "histogram", "columns": ["income"]},
    {"type": "count", "columns": ["city"]},
    {"type": "error_rate", "columns": ["age"]},
    {"type": "heatmap", "columns": ["sex", "hours"]},
    {"type": "confusion"},
    {"type": "roc"},
]
FILTERS = [
    "age >= 30 and sex in ('F', 'X')",
    "20 <= income < 60",
    "not member or city = 'city 7'",
    "hours > 5 and age < 70 and sex != 'M'",
    None,
]


def main() -> None:
    parsed = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parsed.add_argument("--rows", type=int, default=1_000_000)
    parsed.add_argument("--rounds", type=int, default=3)
    args = parsed.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("pyproject.toml").write_text("[project]\nname = 'benchmark'\n")
        _prepare(args.rows)
        import renex_jupyter as rx

        began, used = time.perf_counter(), time.process_time()
        live = rx.open_workspace("large")
        live.tables()
        print(f"open and draw: {time.perf_counter() - began:.2f} s ({time.process_time() - used:.2f} s of processor)")
        walls, processors = [], []
        for _ in range(args.rounds):
            for each in FILTERS:
                began, used = time.perf_counter(), time.process_time()
                tables = live.tables(each or "every sample")
                walls.append(1000 * (time.perf_counter() - began))
                processors.append(1000 * (time.process_time() - used))
                assert not any(table.problem for table in tables)
        print(f"redraw {len(CHARTS)} charts: median {statistics.median(walls):.0f} ms, most {max(walls):.0f} ms, "
              f"processor {statistics.median(processors):.0f} ms, on {os.cpu_count()} cores")  # fmt: skip


def _prepare(rows: int) -> None:
    """Make the dataset, predictions on it, and the workspace."""
    import numpy as np
    import pandas as pd

    import renex_jupyter as rx

    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 90, rows),
            "income": random.normal(50, 15, rows),
            "sex": random.choice(["F", "M", "X"], rows),
            "city": random.choice([f"city {i}" for i in range(50)], rows),
            "member": random.random(rows) < 0.4,
            "hours": random.random(rows) * 10,
            "label": random.choice(["no", "yes"], rows),
        }
    )
    p = random.random(rows)
    rx.create_dataset("large", frame, target="label", task="classification")
    rx.log_predictions(
        "large", np.where(p > 0.5, "yes", "no"), probabilities=np.c_[1 - p, p], classes=["no", "yes"], name="a"
    )
    rx.save_workspace("large", "large", filter=FILTERS[0], charts=CHARTS).close()


if __name__ == "__main__":
    main()
