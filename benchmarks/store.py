"""Every measurement of the store beside what it is compared with; `make bench` runs this (docs/performance.md).

Everything that is compared is measured in turns, in one run of this script, and the medians are shown.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import asking
import child
import folding
import killing
import peers
import report
import snapshots
import writing
from report import Row


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10_000_000, help="points of the large store")
    parser.add_argument("--runs", type=int, default=1000, help="runs of the large store")
    parser.add_argument("--folds", type=int, default=40, help="folds in which the large store grows")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of everything that is compared")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the points that are logged and folded")
    parser.add_argument("--only", help="numbers of the measurements, such as 4,5,10")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results.json", help="the figures as JSON")
    parser.add_argument("--page", type=Path, help="a Markdown page to write the figures into")
    parser.add_argument("--work", type=Path, help="folder to work in, on the disk to measure; default: temporary")
    return parser.parse_args()


def main() -> None:
    """Measure, print, keep."""
    given = arguments()
    for name, tool in peers.TOOLS.items():
        if name not in peers.installed():
            print(f"{name} is not installed (pip install {tool.module}): left out")
    absent = snapshots.missing()
    if absent:
        print(f"not installed: {', '.join(absent)} (apt-get install {' '.join(absent)}): 10 to 14 are left out")
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=given.work))
    about = report.machine(folder)
    sizes = [round(size * given.scale) for size in (100_000, 1_000_000)]
    parts: list[tuple[str, Callable[[], list[Row]]]] = [
        ("1", lambda: writing.measure_call(folder)),
        ("2 3", lambda: writing.measure(folder, given.rounds, given.scale)),
        ("4", lambda: folding.measure(folder, given.rounds, sizes)),
        ("5", lambda: folding.measure_tail(folder, given.rounds)),
        ("6", lambda: asking.measure_beside_peers(folder, given.rounds)),
        ("7 8", lambda: asking.measure_large(folder, given.points, given.runs, given.folds, given.rounds)),
        ("9", lambda: killing.measure(folder, given.rounds)),
        *([] if absent else snapshots.parts(folder, given.rounds)),
    ]
    only = set(given.only.split(",")) if given.only else None
    rows: list[Row] = []
    failed = []
    try:
        for numbers, measure in parts:
            if only and only.isdisjoint(numbers.split()):
                continue
            try:
                found = measure()
            except child.Gone as error:
                failed.append(numbers)
                print(f"{numbers}: {error}", file=sys.stderr)
                continue
            print(*map(report.text, found), sep="\n", flush=True)
            rows += found
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    shown = {name: str(value) for name, value in vars(given).items()}
    given.out.write_text(json.dumps(report.kept(rows, about, shown), indent=1) + "\n", encoding="utf-8")
    if given.page:
        report.write_page(given.page, rows, about)
    missed = [row for row in rows if row.met is False]
    print(f"{len(rows) - len(missed)} of {len(rows)} rows without a missed target; figures in {given.out}")
    if missed:
        print("not met: " + "; ".join(f"{row.number}. {row.what}" for row in missed), file=sys.stderr)
    if failed:
        sys.exit(f"not measured, because it failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
