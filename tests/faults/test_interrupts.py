"""Ctrl-C at any moment is a KeyboardInterrupt, and neither tears nor doubles what is recorded."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import children
import pytest
import victims
from invariant import invariant
from ledger import Ledger

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.session import current

Say = Callable[[object], None]
LONGEST = {"log": 0.004, "snapshot": 0.05, "sql": 0.05, "fold": 0.3}  # seconds from the beginning to the interrupt
TIMES = {"log": 150, "snapshot": 40, "sql": 60, "fold": 40}


class Interrupter:
    """A thread that sends this process SIGINT, a while after it was asked to."""

    def __init__(self) -> None:
        self.asked, self.after, self.sent = threading.Event(), 0.0, threading.Event()
        threading.Thread(target=self._work, daemon=True).start()

    def send(self, after: float) -> None:
        """Send a signal in `after` seconds."""
        self.after = after
        self.sent.clear()
        self.asked.set()

    def _work(self) -> None:
        while True:
            self.asked.wait()
            self.asked.clear()
            time.sleep(self.after)
            self.sent.set()
            os.kill(os.getpid(), signal.SIGINT)


def interrupted(_say: Say, name: str, project: Path, ledger: Path) -> tuple[int, int]:
    """Do one thing again and again, interrupted each time; return how often it was and how often it was done before."""
    os.chdir(project)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings().fold_in_background = False
    settings().rotate_bytes = 5000
    pen, rng, timer = Ledger(ledger), random.Random(name), Interrupter()
    run = rx.start_run("train")
    store = current.current().store
    stopped = done = 0
    for turn in range(TIMES[name]):
        action = _action(name, project, pen, run.run_id, store, turn)
        completed = False
        try:
            timer.send(rng.uniform(0.0, LONGEST[name]))
            try:
                action()
                completed = True
            finally:
                timer.sent.wait()
                time.sleep(0.01)  # the signal arrives here where the action was faster
        except KeyboardInterrupt:
            stopped += 1
            done += completed
    victims.log(store, pen, run.run_id, 10**6)
    rx.end_run()
    assert rx.get_run(run.run_id).status == "finished"
    return stopped, done


def _action(name: str, project: Path, pen: Ledger, run: str, store: object, turn: int) -> Callable[[], object]:
    def log() -> None:
        for i in range(50):
            victims.log(store, pen, run, turn * 50 + i)  # type: ignore[arg-type]

    def snapshot() -> None:
        (project / "model.py").write_text(f"turn {turn}")
        taken = rx.snapshot(f"{turn}").snapshot_id
        pen.has(("snapshot", taken, victims.files_of(taken)))

    def sql() -> None:
        victims.log(store, pen, run, turn)  # type: ignore[arg-type]
        rx.sql("select count(*), max(a.step) from metrics a, range(3_000_000)")

    def fold() -> None:
        victims.log(store, pen, run, turn)  # type: ignore[arg-type]
        store.fold()  # type: ignore[attr-defined]

    return {"log": log, "snapshot": snapshot, "sql": sql, "fold": fold}[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TIMES))
def test_an_interrupt_at_any_moment_is_one_and_nothing_is_torn(project: Path, tmp_path: Path, name: str) -> None:
    stopped, done = children.ask(interrupted, name, project, tmp_path / "ledger")
    assert stopped == TIMES[name]
    assert done < stopped, "none came while it worked"
    invariant(project / ".renex", tmp_path / "ledger", deep=True)
