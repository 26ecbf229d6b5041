"""What `kill -9` takes from a run: points whose call had returned, and which the tool does not show afterwards.

A child logs in a loop as the tool's documentation shows, with the tool's default settings, and says through a pipe
which calls have returned. At a random moment it is killed; a fresh process then asks the tool for all points.
"""

from __future__ import annotations

import fcntl
import os
import random
import select
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import child
import wandb_file
from peers import installed
from report import Row, median

PAUSES = {"a point every 10 ms": 0.01, "points without a pause": 0.0}  # seconds of training between two calls
SECONDS = (2.0, 6.0)  # how long the loop lives, from the first point
QUIET = 2.0  # seconds without a change of any file: what the tool left behind has ended its work
CALL = struct.Struct("=qqq")  # step, when its call had returned, how long that took; nanoseconds
PIPE = "returned"
Log = Callable[[int], Any]


@dataclass(frozen=True)
class Left:
    """What one kill left."""

    returned: int  # calls
    lost: int  # points of these that nobody shows
    seconds: float  # of the loop, from the last point before the first lost one to the kill
    microseconds: float  # of a call, median


def _open_renex() -> Log:
    import renex_jupyter as rx

    rx.start_run("killed")
    return lambda step: rx.log_metric("loss", 1 / (step + 1), step=step)


def _renex() -> list[int]:
    import renex_jupyter as rx

    return list(map(int, rx.sql("select step from metrics where key = 'loss'")["step"]))


def _open_mlflow() -> Log:
    import mlflow

    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.start_run()
    return lambda step: mlflow.log_metric("loss", 1 / (step + 1), step=step)


def _mlflow() -> list[int]:
    import mlflow

    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    client = mlflow.MlflowClient()
    [run] = mlflow.search_runs()["run_id"]
    return [point.step for point in client.get_metric_history(run, "loss")]


def _open_trackio() -> Log:
    import trackio

    trackio.init(project="bench")
    return lambda step: trackio.log({"loss": 1 / (step + 1)}, step=step)


def _trackio() -> list[int]:
    from trackio.sqlite_storage import SQLiteStorage

    runs = [{"run_id": each["id"]} for each in SQLiteStorage.get_run_records("bench")]
    found = SQLiteStorage.get_logs_batch("bench", runs)
    return [row["step"] for each in found for row in each["logs"] if "loss" in row]


def _open_wandb() -> Log:
    import wandb

    run = wandb.init(project="bench", mode="offline")
    return lambda step: run.log({"loss": 1 / (step + 1)}, step=step)


def _wandb() -> list[int]:
    return wandb_file.steps(Path(), "loss")


TOOLS: dict[str, tuple[Callable[[], Log], Callable[[], list[int]]]] = {
    "renex": (_open_renex, _renex),
    "MLflow": (_open_mlflow, _mlflow),
    "Trackio": (_open_trackio, _trackio),
    "W&B offline": (_open_wandb, _wandb),
}


def train(tool: str, pause: float) -> None:
    """Log until killed, and say of every call that it has returned; runs in a process of its own."""
    log = TOOLS[tool][0]()
    pipe = os.open(PIPE, os.O_WRONLY)
    step = 0
    while True:
        if pause:
            time.sleep(pause)
        start = time.monotonic_ns()
        log(step)
        end = time.monotonic_ns()
        os.write(pipe, CALL.pack(step, end, end - start))
        step += 1


def shown(tool: str) -> list[int]:
    """Return the steps that the tool shows; runs in a process of its own."""
    return TOOLS[tool][1]()


def kill(folder: Path, tool: str, pause: float) -> Left:
    """Let a child log, kill it, and ask a fresh process what is left."""
    folder.mkdir(parents=True)
    os.mkfifo(folder / PIPE)
    pipe = os.open(folder / PIPE, os.O_RDWR | os.O_NONBLOCK)  # both ends, so that it outlives the child
    fcntl.fcntl(pipe, getattr(fcntl, "F_SETPIPE_SZ", 1031), 2**20)  # the loop never waits for its listener
    process = child.start(folder, "killing.train", tool, pause)
    try:
        heard = _listen(pipe, process.poll)
    finally:
        process.kill()
        process.wait()
    heard += _drain(pipe)
    os.close(pipe)
    if not heard:
        child.answer(process, timeout=10)  # raises, with its last words
    _settle(folder)
    return _left(list(CALL.iter_unpack(heard)), set(child.call(folder, "killing.shown", tool, timeout=120)))


def _listen(pipe: int, ended: Callable[[], int | None]) -> bytes:
    """Return what was said from the first word on for a random time; nothing from a child that says nothing."""
    heard, until = b"", time.monotonic() + 120
    while time.monotonic() < until and ended() is None:
        if select.select([pipe], [], [], 0.02)[0]:
            if not heard:
                until = time.monotonic() + random.uniform(*SECONDS)
            heard += _drain(pipe)
    return heard


def _drain(pipe: int) -> bytes:
    heard = b""
    with suppress(BlockingIOError):
        while said := os.read(pipe, 2**20):
            heard += said
    return heard


def _settle(folder: Path) -> None:
    """Wait for the end of what the tool left behind: W&B writes in a process of its own, which was not killed."""
    before, since, until = -1, time.monotonic(), time.monotonic() + 60
    while time.monotonic() < min(since + QUIET, until):
        now = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        before, since = (now, time.monotonic()) if now != before else (before, since)
        time.sleep(0.1)


def _left(calls: list[tuple[int, int, int]], there: set[int]) -> Left:
    lost = [number for number, (step, _, _) in enumerate(calls) if step not in there]
    start = calls[max(0, lost[0] - 1)][1] if lost else calls[-1][1]
    times = [nanoseconds / 1e3 for _, _, nanoseconds in calls]
    return Left(len(calls), len(lost), (calls[-1][1] - start) / 1e9, median(times))


def measure(folder: Path, rounds: int) -> list[Row]:
    """Kill each tool `rounds` times with each pause, the tools in turns."""
    rows = []
    for number, (what, pause) in enumerate(PAUSES.items()):
        found: dict[str, list[Left]] = {}
        for turn in range(rounds):
            for tool in sorted(TOOLS.keys() & installed().keys(), key=list(TOOLS).index):
                place = folder / f"kill-{number}-{turn}-{tool.replace(' ', '-').replace('&', '')}"
                try:
                    found.setdefault(tool, []).append(kill(place, tool, pause))
                except child.Gone as error:
                    print(f"{tool}, {what}: {error}", file=sys.stderr)
        rows += _rows(what, {tool: each for tool, each in found.items() if each})
    return rows


def _rows(what: str, found: dict[str, list[Left]]) -> list[Row]:
    """Return what one kill takes, how much of the loop that is, and what a call costs, by tool."""
    lost = {tool: sum(left.lost for left in each) for tool, each in found.items()}
    returned = {tool: sum(left.returned for left in each) for tool, each in found.items()}
    points = {tool: lost[tool] / len(each) for tool, each in found.items()}
    seconds = {tool: sum(left.seconds for left in each) / len(each) for tool, each in found.items()}
    call = {tool: median([left.microseconds for left in each]) for tool, each in found.items()}
    counts = ", ".join(f"{tool} {lost[tool]:,} of {returned[tool]:,}" for tool in found)
    kills = f"lost in {len(found['renex'])} kills: {counts}"
    ours = points.pop("renex")
    return [
        Row(9, f"points that a `kill -9` takes; {what}", "points", ours, points, "none", not ours, kills),
        Row(9, f"how much of the loop that is; {what}", "s", seconds.pop("renex"), seconds, note="mean of the kills"),
        Row(9, f"a call, as this loop felt it; {what}", "µs", call.pop("renex"), call, note="median of the calls"),
    ]
