"""Tasks and runs in several threads at once: each has its own, and none ends that of another."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import renex_jupyter as rx
from renex_jupyter.records.runs import Run

LOGS = "import renex_jupyter as rx; rx.log_metric('which', {}); print('did', {})"


def task(number: int) -> Run:
    """Run a command that logs its number, the later ones for a shorter time."""
    program = f"import time; time.sleep({0.4 * (3 - number)}); " + LOGS.format(number, number)
    return rx.run_task([sys.executable, "-c", program], name=f"t{number}", echo=str)


def test_commands_in_threads_end_each_as_its_own_did(project: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(task, range(3)))
    for number, run in enumerate(runs):
        assert (run.name, run.status, run.exit_code, run.parent_run_id) == (f"t{number}", "finished", 0, None)
        assert (run.metrics, rx.run_output(run)) == ({"which": number}, f"did {number}\n")
        assert run.after_snapshot_id
    assert rx.active_run() is None


def test_commands_in_threads_of_a_run_are_its_children(project: Path) -> None:
    with rx.start_run("sweep") as sweep, ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(task, (1, 2)))
        rx.log_metric("own", 1.0)
    assert [each.parent_run_id for each in runs] == [sweep.run_id] * 2
    assert [each.metrics for each in runs] == [{"which": 1}, {"which": 2}]
    assert rx.get_run("sweep").metrics == {"own": 1.0}


def test_a_rerun_in_a_thread_belongs_where_its_run_does_and_moves_no_other_one(project: Path) -> None:
    recorded = []
    for experiment in ("a", "b"):
        rx.set_experiment(experiment, namespace=f"of {experiment}")
        recorded.append(rx.run_task([sys.executable, "-c", "import time; time.sleep(1)"], name=experiment, echo=str))
    rx.set_experiment("mine", namespace="default")
    with ThreadPoolExecutor(3) as pool:
        reruns = [pool.submit(rx.rerun, each, echo=str) for each in recorded]
        meanwhile = []
        while not (meanwhile and all(each.done() for each in reruns)):
            with rx.start_run("meanwhile") as run:
                meanwhile.append(run.run)
        again = [each.result() for each in reruns]
    for one, other in zip(recorded, again, strict=True):
        assert (other.namespace, other.experiment) == (one.namespace, one.experiment)
        after = rx.get_snapshot(str(other.after_snapshot_id))
        assert (after.parent_id, after.namespace) == (one.before_snapshot_id, one.namespace)
    assert {(each.namespace, each.experiment) for each in meanwhile} == {("default", "mine")}
    kept = rx.snapshot("mine")
    assert kept.namespace == "default"
    assert kept.parent_id not in {each.after_snapshot_id for each in again}


def test_each_thread_logs_on_the_run_that_it_opened(project: Path) -> None:
    both_open, one_ended = threading.Barrier(2), threading.Event()

    def fold(number: int) -> None:
        with rx.start_run(f"fold {number}"):
            both_open.wait(60)
            if number:
                one_ended.wait(60)
            rx.log_metric("fold", number)
        one_ended.set()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fold, range(2)))
    for number in range(2):
        run = rx.get_run(f"fold {number}")
        assert (run.status, run.metrics, run.parent_run_id) == ("finished", {"fold": number}, None)


def test_a_thread_whose_run_is_not_the_newest_logs_on_its_own(project: Path) -> None:
    older, newer = threading.Event(), threading.Event()

    def first() -> None:
        with rx.start_run("first"):
            older.set()
            newer.wait(60)
            rx.log_metric("value", 0)

    def second(other: threading.Thread) -> None:
        older.wait(60)
        with rx.start_run("second"):
            newer.set()
            other.join(60)
            rx.log_metric("value", 1)

    one = threading.Thread(target=first)
    two = threading.Thread(target=second, args=(one,))
    for each in (one, two):
        each.start()
    two.join(60)
    assert (rx.get_run("first").metrics, rx.get_run("second").metrics) == ({"value": 0}, {"value": 1})


def test_a_thread_logs_on_the_run_of_the_main_thread(project: Path) -> None:
    with rx.start_run("main") as run:
        thread = threading.Thread(target=rx.log_metric, args=("loss", 1.0))
        thread.start()
        thread.join()
    assert rx.get_run(run.run_id).metrics == {"loss": 1.0}
