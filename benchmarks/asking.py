"""What questions cost: beside peers on a small store, alone on a large one, and of a panel that looks again and again."""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import child
import generated
import peers
from peers import TOOLS, installed
from report import Row, median

INDEX_FILES = (".duckdb", ".parquet")


def build(tool: str) -> None:
    """Make the store that is asked; runs in a process of its own."""
    TOOLS[tool]().build()


def ask(tool: str, question: str, runs: list[str]) -> dict[str, Any]:
    """Return the milliseconds of the import and of a question, the first time and again; in a process of its own.

    Parameters
    ----------
    question : table (all runs with params and last metrics) or series (all metrics of some runs, every point).
    """
    peer = TOOLS[tool]()
    start = time.perf_counter()
    peer.load()
    imported = time.perf_counter() - start
    times, answer = [], None
    for _ in range(4):
        start = time.perf_counter()
        answer = peer.table() if question == "table" else peer.series(runs)
        times.append((time.perf_counter() - start) * 1e3)
    return {"import": imported * 1e3, "first": times[0], "again": median(times[1:]), "answer": answer}


def measure_beside_peers(folder: Path, rounds: int) -> list[Row]:
    """Measure the runs table and the series of some runs, the tools in turns."""
    asked: dict[str, list[str]] = {}
    for name in [name for name, tool in installed().items() if tool.asked]:
        try:
            child.call(_place(folder, name), "asking.build", name)
            runs, values = child.call(_place(folder, name), "asking.ask", name, "table", [])["answer"]
            assert (len(runs), values) == (peers.RUNS, peers.RUNS * peers.KEYS), (name, len(runs), values)
            asked[name] = sorted(runs)[: peers.SHOWN]
        except (child.Gone, AssertionError) as error:
            print(f"{name}: {error}", file=sys.stderr)
    rows = []
    shape = f"{peers.RUNS} runs, {peers.KEYS} metrics, {peers.STEPS} steps"
    for question, what in (
        ("table", f"runs table with params and last metrics: {shape}"),
        ("series", f"all {peers.SHOWN * peers.KEYS * peers.STEPS:,} points of {peers.SHOWN} of these runs"),
    ):
        samples: dict[str, list[dict[str, Any]]] = {name: [] for name in asked if question in TOOLS[name].asked}
        for _ in range(rounds):
            for name, found in samples.items():
                found.append(child.call(_place(folder, name), "asking.ask", name, question, asked[name]))
        if question == "series":
            counts = {name: found[0]["answer"] for name, found in samples.items()}
            assert set(counts.values()) == {peers.SHOWN * peers.KEYS * peers.STEPS}, counts
        rows += [_beside(what, moment, samples) for moment in ("first", "again")]
    return rows


def _beside(what: str, moment: str, samples: dict[str, list[dict[str, Any]]]) -> Row:
    found = {name: median([each[moment] for each in these]) for name, these in samples.items()}
    ours = found.pop("renex")
    imports = {name: median([each["import"] for each in these]) for name, these in samples.items()}
    note = "imports: " + ", ".join(f"{name} {value:,.0f} ms" for name, value in imports.items())
    rivals = [value for name, value in found.items() if name != "json + DuckDB"]
    when = "fresh process, after imports" if moment == "first" else "again, warm"
    met = all(ours < value for value in rivals) if rivals else None
    return Row(
        6, f"{what}; {when}", "ms", ours, found, "faster than every peer", met, note if moment == "first" else ""
    )


def _place(folder: Path, tool: str) -> Path:
    return folder / f"asked-{tool.replace(' ', '-')}"


def fill(points: int, runs: int, folds: int) -> dict[str, Any]:
    """Make the large store; runs in a process of its own."""
    return generated.fill(Path.cwd() / ".renex", points, runs, folds=folds)


def ask_large(question: str, run_id: str) -> dict[str, Any]:
    """Return the milliseconds of a question, the first time and again, and the peak memory; in a process of its own."""
    import pandas as pd  # noqa: F401  loaded before the clock starts

    from renex_jupyter.query.metrics import metric_series
    from renex_jupyter.query.runs import list_runs, search_runs
    from renex_jupyter.store.store import Store

    reader = Store(Path.cwd() / ".renex").reader
    questions: dict[str, Callable[[], Any]] = {
        "table": lambda: search_runs(reader),
        "page": lambda: list_runs(reader),
        "series": lambda: metric_series(reader, run_id, generated.OFTEN[0], points=2000),
    }
    times = []
    rows = 0
    for _ in range(6):
        start = time.perf_counter()
        rows = len(questions[question]())
        times.append((time.perf_counter() - start) * 1e3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"first": times[0], "again": median(times[1:]), "rows": rows, "bytes": peak}


def sweep() -> None:
    """Wait until nobody can be reading what is superseded, and fold once more, which removes it; in a process."""
    from renex_jupyter.records.changes import Change
    from renex_jupyter.store.store import Store
    from renex_jupyter.store.sweep import GRACE

    time.sleep(GRACE + 1)
    store = Store(Path.cwd() / ".renex")
    tag = {"owner_kind": "run", "owner_id": "none", "key": "of", "value": "the last fold"}
    store.write(Change("tags", "none/of", "update", tag))
    store.fold()


def _size(place: Path) -> int:
    return sum(path.stat().st_size for path in (place / ".renex").rglob("*") if path.is_file())


def poll() -> dict[str, Any]:
    """Return the milliseconds of a look when nothing is new, and which files of the index it opened; in a process."""
    from renex_jupyter.store.store import Store

    reader = Store(Path.cwd() / ".renex").reader
    reader.rows("select count(*) from runs")
    before = reader.marker()
    opened: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "open" and str(arguments[0]).endswith(INDEX_FILES):
            opened.append(str(arguments[0]))

    sys.addaudithook(watch)
    links = _open_files()
    times = []
    for _ in range(500):
        start = time.perf_counter()
        now = reader.marker()
        times.append((time.perf_counter() - start) * 1e3)
        assert now == before
    watching = False
    return {"ms": median(times), "opened": len(opened), "held": len(_open_files() - links)}


def _open_files() -> set[str]:
    """Return what this process holds open: DuckDB opens files itself, unseen by Python's audit."""
    folder = Path("/proc/self/fd")
    return {str(link.readlink()) for link in folder.iterdir() if link.is_symlink()} if folder.exists() else set()


def measure_large(folder: Path, points: int, runs: int, folds: int, rounds: int) -> list[Row]:
    """Measure questions, size and memory on a large store, and the poll of a panel."""
    place = folder / "large"
    made = child.call(place, "asking.fill", points, runs, folds, timeout=3600)
    size = _size(place)
    samples: dict[str, list[dict[str, Any]]] = {"table": [], "page": [], "series": []}
    for _ in range(rounds):
        for question, found in samples.items():
            found.append(child.call(place, "asking.ask_large", question, made["longest"]))
    polls = [child.call(place, "asking.poll") for _ in range(rounds)]
    child.call(place, "asking.sweep")
    swept = _size(place)
    shutil.rmtree(place)
    total = f"{made['points']:,} points in {runs:,} runs"
    rows = []
    for question, what in (
        ("table", f"runs table, all {runs:,} with params and last metrics"),
        ("page", "one page of the panel's runs, with params and last metrics"),
        ("series", f"one series of {made['steps']:,} points, thinned to about 2,000"),
    ):
        first, again = (median([each[moment] for each in samples[question]]) for moment in ("first", "again"))
        asked = f"{what}; {total}; fresh process, after imports"
        note = f"{samples[question][0]['rows']:,} rows"
        rows.append(Row(7, asked, "ms", first, {"again, warm": again}, "at most 100 ms", first <= 100, note))
    each = swept / made["points"]
    grown = {"with what the last folds superseded": size / made["points"]}
    peak = max(one["bytes"] for found in samples.values() for one in found) / 1e6
    note = f"all of them took {made['fold_s']:.0f} s"
    looks = median([each["ms"] for each in polls])
    touched = sum(each["opened"] + each["held"] for each in polls)
    return [
        *rows,
        Row(7, f"the whole `.renex` folder; {total}", "bytes a point", each, grown, "at most 20", each <= 20),
        Row(7, f"peak memory of a process with these questions; {total}", "MB", peak, {}, "at most 500", peak <= 500),
        Row(7, f"one of {folds} folds; {total}", "s", made["fold_s"] / folds, note=note),
        Row(
            8, f"a look of the panel when nothing is new; {total}", "ms", looks, {},
            "at most 1 ms, no file of the index opened", looks <= 1 and not touched, f"{touched} files opened",
        ),
    ]  # fmt: skip
