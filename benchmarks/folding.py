"""What folding costs, and what it costs to read what is not folded yet."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import child
import generated
from report import Row, median

RUNS = 20
TAIL = 100_000  # points
FULL = 500_000  # points, about as many as one fold takes; of fewer the fixed costs are most of the time
COUNT = "select key, count(*) as n from metrics group by key order by key"


def fold() -> float:
    """Return the seconds of a fold of all journals; runs in a process of its own."""
    from renex_jupyter.store.store import Store

    store = Store(Path.cwd() / ".renex")
    _ = store.reader  # what every process has imported by then
    start = time.perf_counter()
    while store.fold():  # a fold takes 64 MB at most
        pass
    return time.perf_counter() - start


def bare(threads: int) -> float:
    """Return the seconds of DuckDB's own way from the same lines to a sorted Parquet file; in a process of its own."""
    import duckdb

    files = [str(path) for path in sorted(Path(".renex/journal").glob("*.points.jsonl"))]
    columns = "{o: 'VARCHAR', i: 'VARCHAR', k: 'VARCHAR', s: 'BIGINT', w: 'BIGINT', y: 'DOUBLE'}"
    start = time.perf_counter()
    with duckdb.connect(config={"threads": threads}) as connection:
        connection.execute(f"""
            copy (
                select o as owner_kind, i as owner_id, k as key, s as step, make_timestamptz(w) as wallclock, y as value
                from read_json({files}, format = 'newline_delimited', columns = {columns})
                order by owner_kind, owner_id, key, step, wallclock
            ) to 'bare.parquet' (format parquet, parquet_version v2, compression zstd)""")
    return time.perf_counter() - start


def journals(folder: Path, points: int, runs: int = RUNS) -> list[generated.Planned]:
    """Make a store whose points are all in journals; return its runs."""
    from renex_jupyter.store.store import Store

    store = Store(folder / ".renex")
    plan = generated.planned(points, runs)
    generated.write_runs(store, plan)
    store.journal.seal()
    for run in plan:
        generated.write_points(store.layout.journal, run)
    return plan


def measure(folder: Path, rounds: int, sizes: list[int]) -> list[Row]:
    """Measure the fold beside DuckDB's own `read_json` and sorted `copy`, in turns."""
    rows = []
    for points in sizes:
        place = folder / f"fold-{points}"
        journals(place / "made", points)
        samples: dict[str, list[float]] = {"fold": [], "1": [], "2": []}
        for turn in range(rounds):
            here = place / str(turn)
            shutil.copytree(place / "made", here)
            for threads in (1, 2):
                samples[str(threads)].append(child.call(here, "folding.bare", threads))
            samples["fold"].append(child.call(here, "folding.fold"))
            shutil.rmtree(here)
        ratio = median([ours / least for ours, least in zip(samples["fold"], samples["1"], strict=True)])
        beside = {f"read_json + copy, threads {n}": median(samples[n]) for n in ("1", "2")}
        what, note = f"fold of {points:,} points", f"{ratio:.2f}x with one thread, which is the fold's setting"
        target, met = ("at most 2x DuckDB", ratio <= 2) if points >= FULL else ("", None)
        rows.append(Row(4, what, "s", median(samples["fold"]), beside, target, met, note))
        shutil.rmtree(place)
    return rows


def read(run_id: str) -> dict[str, list[float]]:
    """Return the milliseconds of some questions, the first time and warm; runs in a process of its own."""
    import pandas as pd  # noqa: F401  loaded before the clock starts

    from renex_jupyter.query.metrics import metric_series
    from renex_jupyter.query.runs import search_runs
    from renex_jupyter.store.reader import Reader
    from renex_jupyter.store.store import Store

    store = Store(Path.cwd() / ".renex")
    start = time.perf_counter()
    reader: Reader = store.reader
    questions: dict[str, Callable[[], Any]] = {
        "count per key": lambda: reader.frame(COUNT),
        "runs table": lambda: search_runs(reader),
        "one series": lambda: metric_series(reader, run_id, generated.OFTEN[0]),
    }
    counted = questions["count per key"]()
    found = {"opened": [(time.perf_counter() - start) * 1e3], "points": [float(counted["n"].sum())]}
    for name, ask in questions.items():
        found[name] = []
        for _ in range(7):
            start = time.perf_counter()
            ask()
            found[name].append((time.perf_counter() - start) * 1e3)
    return found


def measure_tail(folder: Path, rounds: int) -> list[Row]:
    """Measure reads of the same points, all folded or a part of them still in the journals, in turns."""
    places = {"folded": folder / "all-folded", "tail": folder / "with-tail"}
    plan = journals(places["folded"], 3 * TAIL)
    shutil.copytree(places["folded"], places["tail"])
    waiting = _tail_of(plan)
    aside = folder / "aside"
    aside.mkdir()
    for run in waiting:
        for path in (places["tail"] / ".renex/journal").glob(f"*-{run.run_id[:8]}.*"):
            path.rename(aside / path.name)
    for place in places.values():
        child.call(place, "folding.fold")
    for path in aside.iterdir():
        path.rename(places["tail"] / ".renex/journal" / path.name)
    samples: dict[str, list[dict[str, list[float]]]] = {name: [] for name in places}
    for _ in range(rounds):
        for name, place in places.items():
            samples[name].append(child.call(place, "folding.read", waiting[0].run_id))
    [points] = {each["points"][0] for found in samples.values() for each in found}
    tail = sum(run.points for run in waiting)
    rows = []
    for question, what in (
        ("opened", "count per key in a fresh process, after imports"),
        ("count per key", "count per key, warm"),
        ("runs table", "runs table with params and last metrics, warm"),
        ("one series", "one series that lies in the tail, warm"),
    ):
        with_tail, without = (median([median(each[question]) for each in samples[name]]) for name in ("tail", "folded"))
        asked = f"{what}: {points:,.0f} points, {tail:,} of them not folded"
        ratio = with_tail / without
        first = question == "opened"  # which reads the tail, as DuckDB's own read_json would, and then answers
        target, met = ("", None) if first else ("at most 1.5x all folded", ratio <= 1.5)
        rows.append(Row(5, asked, "ms", with_tail, {"all folded": without}, target, met, f"{ratio:.2f}x"))
    return rows


def _tail_of(plan: list[generated.Planned]) -> list[generated.Planned]:
    """Return runs that have about `TAIL` points together, the one that is asked for first."""
    chosen: list[generated.Planned] = []
    for run in sorted(plan, key=lambda run: run.points, reverse=True):
        if sum(each.points for each in chosen) + run.points <= TAIL:
            chosen.append(run)
    return chosen
