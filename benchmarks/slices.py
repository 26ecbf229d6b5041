"""The search for slices: how long it takes, how much memory, and the `sliceline` package beside it on the same data.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install sliceline numba
    python benchmarks/slices.py --peer /tmp/peer/bin/python
    python benchmarks/slices.py --rows 10000000 --columns 15 --parquet

Each search runs in a process of its own, in turns; time is that of the search alone, without reading or imports.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VALUES = 10  # of each column
K = 10
ALPHA = 0.95


def make(path: Path, rows: int, columns: int, skew: float) -> None:
    """Write a table of codes with two slices that err more: one of two conditions, one of three."""
    import duckdb

    names = [f"c{at:02}" for at in range(columns)]
    fields = ", ".join(f"floor({VALUES} * random() ** {skew})::utinyint + 1 as {name}" for name in names)
    last, third = names[-1], names[columns // 2]
    bad = (
        f"case when {names[1]} = 2 and {last} = 3 then 0.6 when {names[2]} = 1 and {third} = 1 and {last} = 1 then 0.5"
    )
    connection = duckdb.connect(config={"threads": 1, "temp_directory": str(path.parent)})
    connection.execute("select setseed(0.4)")
    connection.execute(
        f"""copy (select *, (random() < {bad} else 0.08 end)::double as error
        from (select {fields} from range({rows}) where random() >= 0)) to '{path}' (format parquet)"""
    )


def ours(path: Path, level: int, memory: str, *, parquet: bool) -> dict[str, float]:
    """Search with renex_jupyter."""
    from renex_jupyter.analysis.slices.search import find_slices
    from renex_jupyter.store.workbench import Workbench

    with Workbench(memory=memory) as bench:
        bench.files("given", [path])
        if not parquet:
            bench.run("create table held as from given")
        columns = [each for each in bench.columns("given") if each != "error"]
        before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        found = find_slices(bench, "given" if parquet else "held", columns, "error", k=K, alpha=ALPHA, max_level=level)
        return _told(before, begin, [[each.score, each.size] for each in found.slices])


PEER = """
import json, resource, sys, time
import numpy as np
from sliceline.slicefinder import Slicefinder
data = np.load(sys.argv[1])
X, error = data[:, :-1].astype(int), data[:, -1]
support = max(32, -(-len(X) // 100))
warm = Slicefinder(alpha={alpha}, k=3, max_l=2, min_sup=5, verbose=False)
warm.fit(X[:500], error[:500] + 1e-9)
before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
finder = Slicefinder(alpha={alpha}, k={k}, max_l=int(sys.argv[2]), min_sup=support, verbose=False)
finder.fit(X, error)
seconds = time.perf_counter() - begin
after = resource.getrusage(resource.RUSAGE_SELF)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
found = [[each["slice_score"], each["slice_size"]] for each in finder.top_slices_statistics_]
print(json.dumps(dict(seconds=seconds, cpu=cpu, peak=after.ru_maxrss / 1024, found=found)))
"""


def peer(python: str, table: Path, level: int) -> dict[str, float]:
    """Search with the `sliceline` package, whose compiled parts were compiled by a small search before."""
    program = PEER.format(alpha=ALPHA, k=K)
    told = subprocess.run([python, "-c", program, str(table), str(level)], capture_output=True, text=True, check=False)
    if told.returncode:
        print(told.stderr[-400:], file=sys.stderr)
        return {"seconds": float("nan"), "cpu": float("nan"), "peak": float("nan"), "found": []}  # type: ignore[dict-item]
    return dict(json.loads(told.stdout.splitlines()[-1]))


def _told(before: resource.struct_rusage, begin: float, found: list[list[float]]) -> dict[str, float]:
    seconds = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu": cpu, "peak": after.ru_maxrss / 1024, "found": found}  # type: ignore[dict-item]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--level", type=int, default=3)
    parser.add_argument(
        "--skew", type=float, default=1.0, help="1: all values alike; 3: the first in nearly half of all rows"
    )
    parser.add_argument("--memory", default="1GB", help="of DuckDB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parquet", action="store_true", help="search the file, which is not loaded before")
    parser.add_argument("--peer", help="a Python that has the package sliceline")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(ours(given.one, given.level, given.memory, parquet=given.parquet)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        make(path, given.rows, given.columns, given.skew)
        table = path.with_suffix(".npy")
        if given.peer:
            import duckdb
            import numpy as np

            np.save(table, duckdb.connect().execute(f"from '{path}'").df().to_numpy(dtype=float))
        again = [sys.executable, __file__, "--one", str(path), "--level", str(given.level), "--memory", given.memory]
        again += ["--parquet"] if given.parquet else []
        mine, theirs = [], []
        for _ in range(given.rounds):
            mine.append(json.loads(subprocess.run(again, capture_output=True, text=True, check=True).stdout))
            if given.peer:
                theirs.append(peer(given.peer, table, given.level))
    for name, rounds in (("renex_jupyter", mine), ("sliceline", theirs)):
        if rounds:
            best = min(rounds, key=lambda each: each["seconds"])
            print(
                f"{name}: {best['seconds']:.2f} s, CPU {best['cpu']:.2f} s, peak {best['peak']:.0f} MB; {best['found'][:3]}"
            )
    if theirs:
        ratio = min(each["seconds"] for each in theirs) / min(each["seconds"] for each in mine)
        cpu = min(each["cpu"] for each in theirs) / min(each["cpu"] for each in mine)
        same = [[round(s, 6), n] for s, n in theirs[0]["found"]] == [[round(s, 6), n] for s, n in mine[0]["found"]]  # type: ignore[attr-defined]
        print(f"sliceline takes {ratio:.1f}x as long ({cpu:.1f}x the CPU time); the same scores and sizes: {same}")


if __name__ == "__main__":
    main()
