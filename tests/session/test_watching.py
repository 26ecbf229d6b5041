"""What is seen of a run in this process while it is open."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.records.runs import Run
from renex_jupyter.session.current import current
from renex_jupyter.session.tasks import run_task

MIB = 2**20


@pytest.fixture(autouse=True)
def _often(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "system_metrics_interval", 0.3)


def _output(run: Run) -> str:
    assert run.output_sha256 is not None
    return current().store.blobs.get(run.output_sha256).decode()


@pytest.fixture
def others() -> set[threading.Thread]:
    """The watches of runs that tests before this one left open."""
    return _watchers()


def _watchers() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "renex-watch"}


def _descriptors() -> int:
    place = Path("/proc/self/fd")
    return len(list(place.iterdir())) if place.exists() else 0


def _until(what: object, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:  # type: ignore[operator]
        time.sleep(0.05)


def test_what_a_function_prints_is_kept_with_its_run(capsys: pytest.CaptureFixture[str]) -> None:
    run = run_task(lambda: print("epoch 1\nepoch 2"), name="train")
    assert _output(run) == "epoch 1\nepoch 2\n" and run.output_size == 16
    assert capsys.readouterr().out == "epoch 1\nepoch 2\n"
    assert not list(current().store.layout.runs.iterdir())


def test_a_function_that_fails_keeps_what_it_printed_and_the_streams_are_as_before(
    others: set[threading.Thread],
) -> None:
    written = sys.stdout.write

    def fails() -> None:
        print("before")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  its own
        run_task(fails, name="train")
    assert _output(rx.get_run("train")) == "before\n"
    assert sys.stdout.write == written
    _until(lambda: _watchers() <= others)  # one that is just looking is not waited for long
    assert _watchers() <= others


def test_secrets_of_a_known_form_are_not_kept() -> None:
    key = "AKIA" + "IOSFODNN7" + "EXAMPLQ"
    run = run_task(lambda: print("key", key), name="train")
    assert key not in _output(run) and "key" in _output(run)


def test_the_peak_of_the_memory_is_that_of_the_run() -> None:
    def allocates() -> None:
        block = bytearray(200 * MIB)
        for place in range(0, len(block), 4096):
            block[place] = 1
        watch = current().runs[-1].watch
        assert watch is not None
        _until(lambda: watch._peak > 200 * MIB)

    run = run_task(allocates, name="train")
    assert run.peak_memory_bytes is not None and run.peak_memory_bytes > 200 * MIB


def test_a_block_has_system_metrics_and_they_are_not_among_its_metrics(others: set[threading.Thread]) -> None:
    with rx.start_run("train") as run:
        rx.log_metric("loss", 0.5)
        watch = run.watch
        assert watch is not None
        _until(lambda: watch._sampled >= 2)
    found = rx.sql(f"select key, step, value from metrics where run_id = '{run.run_id}' and key like 'system/%'")
    memory = found[found["key"] == "system/memory_bytes"]
    assert list(memory["step"])[:2] == [0, 1] and (memory["value"] > 10 * MIB).all()
    assert "system/cpu_percent" in set(found["key"])
    assert rx.get_run("train").metrics == {"loss": 0.5}
    _until(lambda: _watchers() <= others)
    assert _watchers() <= others


def test_a_run_that_is_gone_on_with_counts_its_samples_on() -> None:
    for run_id in (None, "train"):
        with rx.start_run("train" if run_id is None else None, run_id=run_id) as run:
            watch = run.watch
            assert watch is not None
            _until(lambda: watch._sampled >= 1)  # noqa: B023  at once
    steps = rx.sql("select step from metrics where key = 'system/memory_bytes' order by step")["step"]
    assert list(steps) == list(range(len(steps))) and len(steps) >= 2


def test_without_an_interval_there_are_no_system_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "system_metrics_interval", 0.0)
    with rx.start_run("train"):
        time.sleep(0.6)
    assert rx.sql("select * from metrics").empty


def test_a_hundred_runs_leave_no_thread_and_no_descriptor() -> None:
    run_task(lambda: print("x"), name="first")
    threads = threading.active_count()
    descriptors = _descriptors()
    from renex_jupyter.session.watching import Watch

    store = current().store
    for number in range(100):
        watch = Watch(store, f"r{number}", "cell", {})
        print(number)
        assert watch.stop()["output_size"] >= 2
    _until(lambda: threading.active_count() <= threads and _descriptors() <= descriptors + 1)
    assert threading.active_count() <= threads
    assert _descriptors() <= descriptors + 1


COST = """
import time
from renex_jupyter import run_task
from renex_jupyter.session.current import current
from renex_jupyter.session.watching import Watch

run_task(lambda: None, name="first")
took = []
for number in range(20):
    start = time.process_time()
    Watch(current().store, f"r{number}", "cell", {}).stop()
    took.append(time.process_time() - start)
print(sorted(took)[10])
"""


def test_watching_a_run_costs_little() -> None:
    # In a process of its own: to tell the memory of one takes as long as it is large, and this one has grown by its tests.
    told = subprocess.check_output([sys.executable, "-c", COST], text=True)
    assert float(told.splitlines()[-1]) < 0.005


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_child_does_not_watch_and_does_not_end_what_is_watched(others: set[threading.Thread]) -> None:
    with rx.start_run("train"):
        pid = os.fork()
        if pid == 0:
            rx.end_run()
            os._exit(len(_watchers() - others))
        assert os.waitpid(pid, 0)[1] == 0
        assert len(_watchers() - others) == 1
    assert rx.get_run("train").status == "finished"


KILLED = """
import os, signal, time
from pathlib import Path
import renex_jupyter as rx
def train():
    print("before")
    until = time.monotonic() + 60
    while time.monotonic() < until and not any(each.stat().st_size for each in Path().glob(".renex/runs/*/output.log")):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)
rx.run_task(train, name="train")
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_what_was_printed_before_the_process_was_killed_is_kept() -> None:
    assert subprocess.run([sys.executable, "-c", KILLED], check=False).returncode == -signal.SIGKILL
    run = rx.get_run("train")
    assert run.status == "lost" and _output(run) == "before\n"
