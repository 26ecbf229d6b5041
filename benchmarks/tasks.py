"""What a task costs above its action: a command in a process of its own, an isolated cell, a cell in the kernel.

Run with `python benchmarks/tasks.py`. The project is a small one: twenty files and a notebook's worth of cells. Each round
times the bare command and the tasks in turn, and the median of the differences is what counts.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import renex_jupyter as rx

ROUNDS, FILES = 15, 20
COMMAND = (sys.executable, "-c", "import json, random, csv")
PROCESS_GOAL, KERNEL_GOAL = 0.5, 0.15  # seconds


def seconds(action: Callable[[], object], *, of_processor: bool = False) -> float:
    """Return how long an action takes, or how long it and the processes that it waits for keep a processor busy."""
    clock = _processor if of_processor else time.perf_counter
    start = clock()
    action()
    return clock() - start


def _processor() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def measure() -> dict[str, float]:
    """Return median seconds: `bare` of the command, and by which `process`, `isolated` and `kernel` are above it,
    with `_processor` the seconds that a processor is busy, which tell more where others work on the machine.

    Makes a project in a folder of its own, which goes away again. For the two cells `bare` is nothing, and a bare
    interpreter with the same imports.
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        try:
            Path("pyproject.toml").write_text("")
            for number in range(FILES):
                Path(f"module_{number}.py").write_text(f"x = {number}\n" * 50)
            return _measured()
        finally:
            os.chdir(before)


def _measured() -> dict[str, float]:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "renex_jupyter")
    cell = "import json, random, csv"
    timed: dict[str, Callable[[], object]] = {
        "bare": lambda: subprocess.run(COMMAND, check=True),
        "process": lambda: rx.run_task(list(COMMAND), name="bench", echo=str),
        "isolated": lambda: shell.run_cell(f"%%task bench --isolated\n{cell}\n"),
        "kernel": lambda: shell.run_cell(f"%%task bench\n{cell}\n"),
    }
    for action in timed.values():  # warm
        action()
    rounds = [{name: seconds(action) for name, action in timed.items()} for _ in range(ROUNDS)]
    busy = [{name: seconds(action, of_processor=True) for name, action in timed.items()} for _ in range(ROUNDS)]
    above = {"process": "bare", "isolated": "bare", "kernel": None}
    found = {"bare": statistics.median(each["bare"] for each in rounds)}
    for name, least in above.items():
        for title, times in ((name, rounds), (f"{name}_processor", busy)):
            found[title] = statistics.median(each[name] - (each[least] if least else 0.0) for each in times)
    return found


def main() -> None:
    """Print what was measured."""
    found = measure()
    print(f"bare command {found['bare']:.3f} s")
    for name, goal in (("process", PROCESS_GOAL), ("isolated", PROCESS_GOAL), ("kernel", KERNEL_GOAL)):
        busy = found[f"{name}_processor"]
        met = "" if found[name] <= goal else " MISSED"
        print(f"{name}: {found[name]:.3f} s above it ({busy:.3f} s of a processor), goal {goal} s{met}")


if __name__ == "__main__":
    main()
