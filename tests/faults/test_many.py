"""Many at one time: processes, threads and forked children lose nothing and meet no error."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import children
import pytest
import victims
from invariant import invariant
from ledger import Ledger

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.session import current

Say = Callable[[object], None]
PROCESSES, OPERATIONS, ROUNDS = 32, 20, 20
MIX = {"log": 120, "params": 60, "sql": 1, "search": 1, "snapshot": 2, "fold": 1}  # shares


def mixed(_say: Say, number: int, project: Path, ledger: Path, meeting: Any) -> dict[str, int]:
    """Do mixed operations in rounds that all begin together; return how many of each."""
    os.chdir(project)
    try:
        counts = mixed_rounds(number, Ledger(ledger), meeting)
        meeting.wait(800)
    except BaseException:
        meeting.abort()  # the others need not wait for us
        raise
    rx.end_run()
    return counts


def mixed_rounds(number: int, pen: Ledger, meeting: Any) -> dict[str, int]:
    settings().fold_in_background = False  # each of those is a process of its own; folds are among the operations
    rng, counts = random.Random(number), dict.fromkeys(MIX, 0)
    run = rx.start_run(f"run {number}")
    store = current.current().store
    for turn in range(ROUNDS):
        meeting.wait(800)
        for operation, name in enumerate(rng.choices(list(MIX), list(MIX.values()), k=OPERATIONS)):
            counts[name] += 1
            step = turn * OPERATIONS + operation
            if name == "log":
                victims.log(store, pen, run.run_id, step, count=5)
            elif name == "params":
                noted = ("param", f"{run.run_id}/q{step}", f"{step}")
                pen.tries(noted)
                rx.log_param(f"q{step}", step)
                pen.has(noted)
            elif name == "sql":
                found = rx.sql("select count(*) as n from metrics where run_id = ?", [run.run_id])["n"][0]
                assert found == 5 * counts["log"], (found, counts)
            elif name == "search":
                assert run.run_id in set(rx.search_runs()["run_id"])
            elif name == "snapshot":
                pen.has(("snapshot", rx.snapshot().snapshot_id, None))
            else:
                store.fold()
    return counts


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a machine that is busy with other things
def test_32_processes_that_do_everything_at_once_lose_nothing(project: Path, tmp_path: Path) -> None:
    meeting = children.meeting(PROCESSES)
    ledgers = [tmp_path / f"ledger{number}" for number in range(PROCESSES)]
    alive = [children.Child(mixed, i, project, ledger, meeting) for i, ledger in enumerate(ledgers)]
    counts = children.answers(alive, 800, behind="BrokenBarrierError")
    assert sum(sum(each.values()) for each in counts) == PROCESSES * OPERATIONS * ROUNDS
    invariant(project / ".renex", *ledgers, deep=True)
    assert children.ask(statuses, project) == ["finished"] * (PROCESSES + 1)  # one is the invariant's own


def statuses(_say: Say, project: Path) -> list[str]:
    os.chdir(project)
    return list(rx.sql("select status from runs where status is not null")["status"])


def log_in_threads(_say: Say, project: Path, folder: Path) -> None:
    os.chdir(project)
    settings().rotate_bytes = 5000
    sys.setswitchinterval(1e-6)
    run = rx.start_run("threads")
    store = current.current().store
    wrong: list[BaseException] = []

    def work(number: int) -> None:
        try:
            pen = Ledger(folder / f"ledger{number}")
            for turn in range(40):
                victims.log(store, pen, run.run_id, number * 1000 + turn)
                if turn % 20 == number % 20:
                    rx.sql("select count(*) from metrics")
                if turn == number:
                    store.fold()
        except BaseException as error:  # noqa: BLE001  of whatever kind
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []
    rx.end_run()


def test_32_threads_lose_nothing(project: Path, tmp_path: Path) -> None:
    children.ask(log_in_threads, project, tmp_path)
    invariant(project / ".renex", *(tmp_path / f"ledger{number}" for number in range(32)), deep=True)


FORKING = """
import multiprocessing, os, queue, sys, threading, time
import renex_jupyter as rx

run = rx.start_run("train")
rx.sql("select 1")  # a reader is open
stop, counts = threading.Event(), [0] * 4
def log(number):
    while not stop.is_set():
        rx.log_metric(f"thread{number}", 1.0)
        counts[number] += 1
        time.sleep(0.0005)
threads = [threading.Thread(target=log, args=(number,), daemon=True) for number in range(4)]
for each in threads: each.start()

def in_pool(number):
    rx.log_metric("pool", float(number), step=number)
    return len(rx.sql("select * from metrics where key = 'pool' and step = ?", [number]))

def loader(epoch, requests, answers):  # as torch.utils.data does it: forked workers, batches through queues
    while (item := requests.get()) is not None:
        rx.log_metric(f"loaded{epoch}", 1.0, step=item)
        answers.put((item, [item] * 4))

def batches(epoch, n):
    context = multiprocessing.get_context("fork")
    requests, answers = context.Queue(), context.Queue()
    workers = [context.Process(target=loader, args=(epoch, requests, answers), daemon=True) for _ in range(2)]
    for each in workers: each.start()
    for item in range(n): requests.put(item)
    for _ in range(n): yield answers.get(timeout=60)
    for each in workers: requests.put(None)
    for each in workers: each.join(60)
    assert all(each.exitcode == 0 for each in workers), [each.exitcode for each in workers]

kids = []
for number in range(20):
    if (pid := os.fork()) == 0:
        code = 1
        try:
            rx.log_metric("forked", 1.0, step=number)
            rx.log_param(f"p{number}", number)
            code = 0
        finally:
            os._exit(code)
    kids.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in kids] == [0] * 20
with multiprocessing.get_context("fork").Pool(4) as pool:
    assert pool.map(in_pool, range(40), chunksize=5) == [1] * 40
for epoch in range(2):
    for step, batch in batches(epoch, 30):
        rx.log_metric("loss", 0.5, step=epoch * 30 + step)
stop.set()
for each in threads: each.join()
rx.end_run()
found = dict(rx.sql("select key, count(*) as n from metrics group by key").itertuples(index=False))
logged = {"pool": 40, "loaded0": 30, "loaded1": 30, "forked": 20, "loss": 60}
assert found == {**{f"thread{i}": counts[i] for i in range(4)}, **logged}, found
assert len(rx.get_run(run.run_id).params) == 20
assert rx.get_run(run.run_id).status == "finished"
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forked_children_log_beside_their_parents_threads(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING], cwd=project, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr
    invariant(project / ".renex", deep=True)
