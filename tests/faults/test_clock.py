"""A clock that jumps an hour back and forth changes neither what is there, nor the order of one writer, nor who is alive."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from invariant import invariant
from ledger import Ledger

JUMPING = '''
import datetime, json, random, sys, time

rng, really, really_ns = random.Random(5), time.time, time.time_ns
ahead = 0
class Meta(type):
    def __instancecheck__(cls, value):
        return isinstance(value, real)
real = datetime.datetime
class Jumping(real, metaclass=Meta):
    @classmethod
    def now(cls, tz=None):
        return real.fromtimestamp(time.time(), tz)
time.time = lambda: really() + ahead
time.time_ns = lambda: really_ns() + ahead * 10**9

try:
    import psutil._pslinux as linux  # it adds the time of boot to what it tells, which moves with the clock
except ImportError:
    pass
else:
    booted = linux.boot_time
    linux.boot_time = lambda: booted() + ahead

import pandas  # binds to the true class
import renex_jupyter as rx
from renex_jupyter.records import changes
from renex_jupyter.session import current

changes.datetime = Jumping
root, said = sys.argv[1], []
run = rx.start_run("train")
store = current.current().store
for turn in range(40):
    ahead = rng.choice([-3600, 0, 3600])
    rx.log_metric("loss", turn)
    rx.log_param("turn", turn)
    rx.log_param(f"p{turn}", turn)
    if turn % 20 == 7:
        rx.snapshot(f"{turn}")
    if turn % 15 == 14:
        store.fold()
    if turn % 5 == 0:
        assert rx.get_run(run.run_id).params["turn"] == turn, (turn, "the last value wins")
        assert rx.get_run(run.run_id).status == "running", (turn, "a process that is alive is not lost")
ahead = -3600
rx.end_run()
rows = rx.sql('select writer, seq from change_events order by "at", writer, seq')
for writer, events in rows.groupby("writer"):
    assert events["seq"].is_monotonic_increasing, "the order of one writer"
turns = rx.sql(
    """select (after->>'value')::int as turn from change_events where object_id = ? order by "at", writer, seq""",
    [run.run_id + "/turn"],
)
assert list(turns["turn"]) == list(range(40))
assert list(rx.sql("select step, value from metrics order by step")["value"]) == [float(i) for i in range(40)]
assert rx.get_run(run.run_id).status == "finished"
print(json.dumps(run.run_id))
'''


def test_a_clock_that_jumps_loses_nothing_and_keeps_the_order_of_a_writer(project: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", JUMPING, str(project / ".renex")],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    pen = Ledger(tmp_path / "ledger")
    pen.has(*(("point", f"{run}/loss/{turn}", f"{turn}.0") for turn in range(40)))
    pen.has(*(("param", f"{run}/p{turn}", str(turn)) for turn in range(40)), ("param", f"{run}/turn", "39"))
    invariant(project / ".renex", tmp_path / "ledger", deep=True)


BEGINS = """
import renex_jupyter as rx

argv = ["sh", "-c", "until [ -e go ]; do sleep 0.1; done; echo went"]
rx.run_task(argv, name="train", detach=True)
"""
LOOKS = """
import sys

import psutil._pslinux as linux

booted = linux.boot_time
linux.boot_time = lambda: booted() + int(sys.argv[1])

import renex_jupyter as rx

run = rx.get_run("train")
print(run.status, rx.run_output(run).strip())
"""


def said_by(code: str, project: Path, *argv: str) -> str:
    called = [sys.executable, "-c", code, *argv]
    done = subprocess.run(called, cwd=project, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the start of a process does not move with the clock")
def test_a_task_goes_on_whatever_the_clock_is_set_to_meanwhile(project: Path) -> None:
    said_by(BEGINS, project)
    try:
        assert [said_by(LOOKS, project, set_by) for set_by in ("5", "-5", "3600", "-3600")] == ["running"] * 4
    finally:
        (project / "go").touch()
    until = time.monotonic() + 120
    while (told := said_by(LOOKS, project, "3600")).startswith("running") and time.monotonic() < until:
        time.sleep(0.1)
    assert told == "finished went"
