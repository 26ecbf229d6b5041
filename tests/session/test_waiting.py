"""What a full disk did not take waits in memory, also for those who look for it there."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from disk import full_disk
from told import heard, last_line, rows

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.session import points

SECRET = "hunter2-is-it"


def test_params_of_a_full_disk_are_written_later_in_order(project: Path) -> None:
    with heard() as said, rx.start_run() as run:
        with full_disk():
            rx.log_params({"lr": 1, "depth": 3})
            rx.log_param("lr", 2)
        rx.log_param("lr", 3)
    assert len([each for each in said if "params" in each]) == 1
    assert rx.get_run(run.run_id).params == {"lr": 3, "depth": 3}
    query = "select after->>'value_text' as v from change_events where object_id like '%/lr' order by \"at\""
    assert [each["v"] for each in rows(query)] == ["1", "2", "3"]


def test_points_of_a_full_disk_wait_and_are_written_once_and_in_order(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "RETRY_AFTER", 3600.0)
    with heard() as said, rx.start_run() as run:
        rx.log_metric("loss", 0.0)
        with full_disk():
            for step in range(1, 50):
                rx.log_metrics({"loss": step, "other": step})
        rx.log_metric("loss", 50.0)  # before it is tried again: it waits behind the others
        assert last_line(project)["s"] == 0
        run.points._next_try = 0.0
        rx.log_metric("loss", 51.0)
        assert last_line(project)["s"] == 51
    assert [("disk_full" in each, "memory" in each) for each in said] == [(True, True)]
    assert "all points" in capsys.readouterr().out
    found = rows(f"select key, value from metrics where run_id = '{run.run_id}' order by wallclock, step, key")
    assert [each["value"] for each in found if each["key"] == "loss"] == [float(step) for step in range(52)]
    assert [each["value"] for each in found if each["key"] == "other"] == [float(step) for step in range(1, 50)]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_handler_that_logs_while_waiting_points_are_written_doubles_none(
    project: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr(points, "RETRY_AFTER", 0.0)
    monkeypatch.setattr(points, "MOST_WAITING", 5)
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", real)
        if moment == "before":
            signal.raise_signal(signal.SIGALRM)
        written = real(descriptor, data)
        if moment == "after":
            signal.raise_signal(signal.SIGALRM)
        return written

    was = signal.signal(signal.SIGALRM, lambda *_: rx.log_metric("loss", 99.0, step=99))
    try:
        with heard(), rx.start_run():
            with full_disk():
                for step in range(4):
                    rx.log_metric("loss", 1.0, step=step)
            monkeypatch.setattr(os, "write", write)
            rx.log_metric("loss", 1.0, step=4)  # five wait, as many as may, and the handler brings one more
    finally:
        signal.signal(signal.SIGALRM, was)
    assert [each["step"] for each in rows("select step from metrics order by step")] == [0, 1, 2, 3, 4, 99]


def test_points_that_no_disk_took_are_counted_at_the_end(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "MOST_WAITING", 10)
    with heard() as said:
        run = rx.start_run()
        rx.log_metric("loss", 1.0)
        with full_disk():
            for _ in range(25):
                rx.log_metric("loss", 2.0)
            rx.end_run()
        assert len(run.points._waiting) == 0
    assert len([each for each in said if "wait in memory" in each]) == 1
    assert len([each for each in said if "25 points" in each and "lost" in each]) == 1
    rx.snapshot("space again")
    assert rx.get_run(run.run_id).tags == {"renex.lost_points": "25"}


def test_the_oldest_are_dropped_where_too_many_wait(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "MOST_WAITING", 10)
    with heard() as said:
        run = rx.start_run()
        with full_disk():
            for step in range(25):
                rx.log_metric("loss", float(step))
        assert len(run.points._waiting) == 10
        rx.end_run()
    assert len([each for each in said if "15 points" in each and "lost" in each]) == 1
    assert [each["step"] for each in rows("select step from metrics order by step")] == list(range(15, 25))
    assert rx.get_run(run.run_id).tags == {"renex.lost_points": "15"}


def test_points_that_were_all_written_after_all_leave_no_tag(project: Path) -> None:
    with heard(), rx.start_run() as run, full_disk():
        rx.log_metric("loss", 1.0)
    assert rx.get_run(run.run_id).tags == {}


def test_points_that_are_lost_again_before_the_first_are_told_are_counted_too(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "MOST_WAITING", 10)
    host = "import sys, renex_jupyter as rx; print(rx.start_run('host').run_id, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", host], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        run_id = process.stdout.readline().split()[-1]
        with heard():
            for count in (2, 1):
                rx.start_run(run_id=run_id)
                with full_disk():
                    for _ in range(count):
                        rx.log_metric("loss", 1.0)
                    rx.end_run()
        process.stdin.close()
    rx.snapshot("space again")
    assert rx.get_run(run_id).tags == {"renex.lost_points": "3"}


def test_points_that_several_processes_of_a_run_lost_are_counted_together(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "MOST_WAITING", 10)

    def child() -> None:
        lose(12)

    with heard():
        with rx.start_run() as run:
            process = multiprocessing.get_context("fork").Process(target=child)
            process.start()
            process.join(60)
            lose(13)
        with rx.start_run(run_id=run.run_id):
            lose(14)
    assert rx.get_run(run.run_id).tags == {"renex.lost_points": "9"}


def lose(count: int) -> None:
    """Log on a full disk, whose waiting room takes ten."""
    with full_disk():
        for _ in range(count):
            rx.log_metric("loss", 1.0)


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from disk import full_disk
import renex_jupyter as rx
from renex_jupyter.session import points
points.MOST_WAITING = 10
with full_disk():
    for _ in range(25):
        rx.log_metric("loss", 1.0)
"""


def test_points_that_a_command_of_a_task_lost_are_told_by_its_run(project: Path) -> None:
    run = rx.run_task([sys.executable, "-c", SCRIPT, str(Path(__file__).parent)], name="train", echo=lambda _: None)
    assert run.status == "finished"
    assert run.tags == {"renex.lost_points": "15"}


def test_a_secret_that_had_to_wait_does_not_come_back_after_its_purge(project: Path) -> None:
    with rx.start_run("train") as run:
        with full_disk():
            with pytest.warns(UserWarning, match="they wait in memory"):
                rx.log_param("word", SECRET)
            with pytest.warns(UserWarning, match="they wait in memory"):
                rx.log_metric("said", SECRET)
            with pytest.raises(RenexError, match="disk_full"):
                rx.purge(secret=SECRET)
        assert rx.purge(secret=SECRET).points == 1
    assert rx.get_run(run.run_id).params == {"word": "[purged]"}
    assert list(rx.sql("select text_value from metrics")["text_value"]) == ["[purged]"]
