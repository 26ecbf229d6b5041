"""What logging costs: one call, one loop, eight processes at once."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import child
from peers import TOOLS, installed
from report import Row, median, tool_rows

PROCESSES = 8


def loop(tool: str, points: int) -> dict[str, Any]:
    """Log from one loop until all is on disk and the tool's own interface shows it; runs in a process of its own."""
    peer = TOOLS[tool]()
    peer.open("loop")
    start = time.perf_counter()
    peer.log(points)
    if TOOLS[tool].asked:
        seen = peer.count(points)
        seconds = time.perf_counter() - start
    else:
        seconds = time.perf_counter() - start
        seen = peer.count(points)
    peer.close()
    return {"seconds": seconds, "points": points, "lost": points - seen}


def one_of_many(tool: str, run: str, points: int) -> None:
    """Open a run, wait for the word, log: one of the eight processes."""
    peer = TOOLS[tool]()
    peer.open(run)
    print("ready", flush=True)
    sys.stdin.readline()
    peer.log(points)
    print("\nlogged", flush=True)
    sys.stdin.readline()
    peer.close()


def many(tool: str, points: int) -> dict[str, Any]:
    """Log from eight processes at once until all is on disk and visible; runs in a process of its own."""
    peer = TOOLS[tool]()
    peer.open("first")  # makes the store, so that nobody waits for that
    started = [
        child.start(Path.cwd(), "writing.one_of_many", tool, f"run-{number}", points) for number in range(PROCESSES)
    ]
    _all_say(started, "ready")
    start = time.perf_counter()
    _word_to(started)
    failed = PROCESSES - _all_say(started, "logged")
    seen = peer.count(PROCESSES * points) if TOOLS[tool].asked else 0
    seconds = time.perf_counter() - start
    seen = seen or peer.count(PROCESSES * points)
    _word_to(started)
    for process in started:
        process.communicate(timeout=60)
    peer.close()
    return {"seconds": seconds, "points": PROCESSES * points, "lost": PROCESSES * points - seen, "failed": failed}


def _all_say(processes: list[Any], word: str) -> int:
    """Wait until each process has said a word or is gone; return how many said it."""
    saying = 0
    for process in processes:
        said = []
        for line in process.stdout:
            said.append(line)
            if line.strip() == word:
                saying += 1
                break
        else:
            print(*said[-3:], file=sys.stderr, flush=True)
    return saying


def _word_to(processes: list[Any]) -> None:
    for process in processes:
        try:
            process.stdin.write("go\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it failed, and what it did not log counts as lost


def measure_call(folder: Path) -> list[Row]:
    """Measure one call of `log_metric` beside `json.dumps` and `os.write` of the same line."""
    found = child.call(folder / "call", "log_metric.measure")
    ours, bare, ratio = (found[name] for name in ("log_metric_us", "bare_us", "ratio"))
    return [
        Row(
            1, "one `log_metric` call", "µs", ours, {"json.dumps + os.write": bare}, "at most 2x the bare write",
            ratio <= 2, f"{ratio:.2f}x",
        )
    ]  # fmt: skip


def measure(folder: Path, rounds: int, scale: float) -> list[Row]:
    """Measure the loop and the eight processes, the tools in turns."""
    rows = []
    for number, function, what, count in (
        (2, "writing.loop", "a point of one loop, until on disk and visible", "loop_points"),
        (3, "writing.many", f"a point of {PROCESSES} processes, until on disk and visible", "process_points"),
    ):
        rows += tool_rows(number, what, _in_turns(folder, function, count, rounds, scale))
    return rows


def _in_turns(folder: Path, function: str, count: str, rounds: int, scale: float) -> dict[str, dict[str, Any]]:
    samples: dict[str, list[dict[str, Any]]] = {}
    failed: dict[str, str] = {}
    for turn in range(rounds):
        for name, tool in installed().items():
            if not getattr(tool, count):  # it only asks
                continue
            place = folder / f"{function}-{name.replace(' ', '-')}-{turn}".replace("&", "")
            points = max(10, round(getattr(tool, count) * scale))
            try:
                samples.setdefault(name, []).append(child.call(place, function, name, points, timeout=300))
            except child.Gone as error:
                failed[name] = str(error)
                print(f"{name} {function}: {error}", file=sys.stderr)
    return {
        name: {
            "us": median([each["seconds"] / max(1, each["points"] - each["lost"]) * 1e6 for each in found]),
            "points": found[0]["points"],
            "lost": sum(each["lost"] for each in found),
            "of": sum(each["points"] for each in found),
            "failed": sum(each.get("failed", 0) for each in found),
        }
        for name, found in samples.items()
        if found
    }
