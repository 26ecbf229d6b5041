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
        self.sent_at = 0.0  # by time.monotonic()
        threading.Thread(target=self._work, daemon=True).start()

    def send(self, after: float) -> None:
        """Send a signal in `after` seconds; `sent` is set when it was."""
        self.after, self.sent = after, threading.Event()
        self.asked.set()

    def _work(self) -> None:
        while True:
            self.asked.wait()
            self.asked.clear()
            sent = self.sent
            time.sleep(self.after)
            self.sent_at = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)
            sent.set()  # after it: who waits for this must not go on to the next before the signal is there


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
    longest = LONGEST[name]  # or what it takes where that is less, once it is warm
    for turn in (TIMES[name], TIMES[name] + 1):
        began = time.monotonic()
        _action(name, project, pen, run.run_id, store, turn)()
        longest = min(longest, time.monotonic() - began)
    for turn in range(TIMES[name]):
        action = _action(name, project, pen, run.run_id, store, turn)
        completed = False
        try:
            timer.send(rng.uniform(0.0, longest))
            action()
            completed = True
            timer.sent.wait()
            time.sleep(0.01)  # the signal arrives here where the action was faster
        except KeyboardInterrupt:
            stopped += 1
            done += completed
        timer.sent.wait()
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


LONG = "select count(*) from range(10_000_000_000_000) where hash(range) = 5"  # takes minutes
QUESTIONS: dict[str, Callable[[], object]] = {
    "sql": lambda: rx.sql(LONG),
    "search_runs": lambda: rx.search_runs(f"({LONG}) > 5"),
    "rows": lambda: current.current().store.reader.rows(LONG),
}


def stop_asking(_say: Say, project: Path, name: str) -> tuple[float, float, list[int]]:
    """Interrupt a question that would take minutes, twice; return for the slower one the seconds until it ended.

    Then the seconds of CPU that went on after that, and what the next questions answered.
    """
    os.chdir(project)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings().fold_in_background = False
    rx.start_run("train")
    waited, burnt, answers = [], [], []
    for _ in range(2):
        timer = Interrupter()
        timer.send(0.5)
        try:
            QUESTIONS[name]()
        except KeyboardInterrupt:
            waited.append(time.monotonic() - timer.sent_at)
        burnt.append(_burnt())
        until = time.monotonic() + 20  # on a busy machine its threads take a while to end
        while burnt[-1] >= 0.5 and time.monotonic() < until:
            burnt[-1] = _burnt()
        answers.append(len(rx.sql("select * from runs")))
    return max(waited), max(burnt), answers


def _burnt() -> float:
    """Return the seconds of CPU that go in one second in which nothing is asked."""
    time.sleep(0.1)
    before = time.process_time()
    time.sleep(1.0)
    return time.process_time() - before


@pytest.mark.parametrize("name", list(QUESTIONS))
def test_an_interrupted_question_ends_at_once_and_leaves_nothing_running(project: Path, name: str) -> None:
    waited, burnt, answers = children.Child(stop_asking, project, name).answer()
    assert answers == [1, 1]
    assert waited < 30
    assert burnt < 0.5


def wait_for_another(_say: Say, project: Path) -> tuple[bool, list[int]]:
    """Ask while another thread asks something long, and interrupt that; say whether the other one goes on."""
    os.chdir(project)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings().fold_in_background = False
    rx.start_run("train")
    read = current.current().store.reader
    ended = []
    long = "select count(*) as n from range({}) where hash(range) = 5"
    began = time.monotonic()
    read.rows(long.format(20_000_000))
    long = long.format(int(20_000_000 * 3 / (time.monotonic() - began)))  # some three seconds, on whatever machine
    other = threading.Thread(target=lambda: ended.append(read.rows(long)[0]["n"]))
    other.start()
    while read._lock.acquire(blocking=False):
        read._lock.release()
        time.sleep(0.001)
    Interrupter().send(0.2)
    with pytest.raises(KeyboardInterrupt):
        read.rows("select 1")
    goes_on = other.is_alive()
    other.join()
    return goes_on, ended


def test_an_interrupt_of_who_waits_for_another_thread_disturbs_only_who_waits(project: Path) -> None:
    assert children.Child(wait_for_another, project).answer() == (True, [0])
