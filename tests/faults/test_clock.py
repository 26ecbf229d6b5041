"""A clock that jumps an hour back and forth changes neither what is there nor the order of one writer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
assert rx.get_run(run.run_id).status == "finished", "a process that is alive is not lost"
print(json.dumps(run.run_id))
'''


def test_a_clock_that_jumps_loses_nothing_and_keeps_the_order_of_a_writer(project: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", JUMPING, str(project / ".renex")],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    pen = Ledger(tmp_path / "ledger")
    pen.has(*(("point", f"{run}/loss/{turn}", f"{turn}.0") for turn in range(40)))
    pen.has(*(("param", f"{run}/p{turn}", str(turn)) for turn in range(40)), ("param", f"{run}/turn", "39"))
    invariant(project / ".renex", tmp_path / "ledger", deep=True)
