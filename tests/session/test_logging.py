"""Logging from children and threads, and cut by interrupts and failing writes."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from disk import full_disk
from told import heard, rows

import renex_jupyter as rx
from renex_jupyter.session.current import current


def test_a_child_does_not_write_what_its_parent_has_waiting(project: Path) -> None:
    def child() -> None:
        rx.log_metric("child", 1.0)

    with heard(), rx.start_run() as run:
        with full_disk():
            rx.log_metric("loss", 1.0)
        assert len(run.points._waiting) == 1
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join(60)
        assert process.exitcode == 0
    assert sorted(each["key"] for each in rows("select key from metrics")) == ["child", "loss"]


def test_a_child_logs_although_a_thread_was_logging_when_it_was_forked(project: Path) -> None:
    with rx.start_run() as run:
        rx.log_metric("loss", 1.0)
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with run.points._lock:
                held.set()
                done.wait(60)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(60)
        process = multiprocessing.get_context("fork").Process(target=rx.log_metric, args=("child", 1.0))
        process.start()
        process.join(60)
        code = process.exitcode
        process.kill()
        done.set()
        thread.join()
    assert code == 0
    assert [each["key"] for each in rows("select key from metrics where key = 'child'")] == ["child"]


def test_logging_without_a_run_does_not_stop_where_no_store_can_be_made(project: Path) -> None:
    (project / ".renex").write_text("in the way")
    with heard() as said:
        rx.log_metric("loss", 1.0)
    assert said and all("not recorded" in each for each in said)


class Slow:
    """A number that lets other threads run when it is asked."""

    def __index__(self) -> int:
        time.sleep(0)
        return 1


def test_32_threads_lose_nothing(project: Path) -> None:
    go = threading.Barrier(32)

    def log(number: int) -> None:
        go.wait(60)
        for step in range(100):
            rx.log_metric(f"own/{number}", step)
            rx.log_metric("shared", Slow())

    threads = [threading.Thread(target=log, args=(number,)) for number in range(32)]
    with rx.start_run():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = rows("select key, count(*) as n, count(distinct step) as steps, max(step) as top from metrics group by key")
    assert len(found) == 33
    for each in found:
        many = 3200 if each["key"] == "shared" else 100
        assert (each["n"], each["steps"], each["top"]) == (many, many, many - 1), each


INTERRUPTED = """
import os, signal, sys, threading, time
import renex_jupyter as rx
rx.start_run("train")
go, asked, done, struck = True, 0, [], 0
def goes_on():
    return time.monotonic() < until and not (len(done) > 1000 and struck > 300 and time.monotonic() > soonest)
def train():
    global asked
    while goes_on():
        step, asked = asked, asked + 1
        rx.log_metric("loss", 0.5, step=step)
        done.append(step)
def interrupt():
    while go:
        time.sleep(0.003)
        os.kill(os.getpid(), signal.SIGINT)
def interrupted(_, frame):
    while frame is not None and frame.f_code is not train.__code__:
        frame = frame.f_back
    if frame is not None:  # not where this script is between two turns
        raise KeyboardInterrupt
signal.signal(signal.SIGINT, interrupted)
thread = threading.Thread(target=interrupt)
thread.start()
soonest, until = time.monotonic() + 3, time.monotonic() + 90
while goes_on():
    try:
        train()
    except KeyboardInterrupt:
        struck += 1
go = False
thread.join()
print(len(set(done)), *sorted(set(done)))
"""


@pytest.mark.slow
def test_interrupts_at_any_moment_leave_a_whole_journal(project: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], cwd=project, capture_output=True, text=True, check=False, timeout=120
    )
    count, *done = map(int, ended.stdout.splitlines()[-1].split())
    assert count > 500, ended.stderr
    steps = [each["step"] for each in rows("select step from metrics order by step")]
    assert set(done) <= set(steps)
    assert len(steps) == len(set(steps))


def test_a_write_that_an_interrupt_cut_in_two_is_taken_back(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rx.start_run():
        rx.log_metric("loss", 0.0)
        write = os.write

        def cut(descriptor: int, data: bytes) -> int:
            write(descriptor, data[: len(data) // 2])
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "write", cut)
        with pytest.raises(KeyboardInterrupt):
            rx.log_metric("loss", 1.0)
        monkeypatch.undo()
        rx.log_metric("loss", 2.0)
        lines = max((project / ".renex" / "journal").glob("*.points.jsonl")).read_bytes().splitlines()
        assert [json.loads(line)["y"] for line in lines] == [0.0, 2.0]


def test_a_file_that_could_not_be_begun_is_begun_later(project: Path) -> None:
    with heard(), rx.start_run():
        current().store.journal.seal()
        folder = project / ".renex" / "journal"
        folder.rename(folder.with_name("away"))
        rx.log_metric("loss", 1.0)
        folder.with_name("away").rename(folder)
        rx.log_metric("loss", 2.0)
    assert [each["value"] for each in rows("select value from metrics order by step")] == [1.0, 2.0]


def test_a_write_that_an_interrupt_left_half_counted_is_not_vouched_for(project: Path) -> None:
    with rx.start_run():
        rx.log_metric("loss", 0.0)
        journal = current().store.journal
        file, size, crc = journal.points, journal.points.size, journal.points.crc
        rx.log_metric("loss", 1.0)
        file._underway, file.crc, file.lines = file.size - size, crc, 1  # as an interrupt between the counts leaves it
        rx.log_metric("loss", 2.0)
        journal.seal()
        *_, last = max((project / ".renex" / "journal").glob("*.points.jsonl")).read_bytes().splitlines()
        assert json.loads(last)["y"] == 2.0  # and not a line that sums up the file
    assert [each["value"] for each in rows("select value from metrics order by step")] == [0.0, 1.0, 2.0]
