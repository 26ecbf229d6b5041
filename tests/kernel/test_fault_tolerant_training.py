"""What the tutorial of fault-tolerant training promises holds for a kernel that is really killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from kernels import Start

import renex_jupyter as rx

PATIENCE = 60.0  # seconds

# The training cell of the tutorial in small; a file says how far it got, so that it is killed at a known point.
CELL = """
import os, time
from pathlib import Path
import renex_jupyter as rx

with rx.start_run("train", resume=True) as run:
    last = rx.last_checkpoint()
    start = last.step + 1 if last else 0
    state = int(last.path.read_text()) if last else 0
    for epoch in range(start, 8):
        state += epoch
        rx.log_metric("state", state, step=epoch)
        Path("state.txt").write_text(str(state))
        rx.log_checkpoint("state.txt", epoch, {"state": state})
        Path("reached").write_text(str(epoch))
        while epoch == 4 and Path("wait").exists():
            time.sleep(0.01)
"""


def wait_for(path: Path, text: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (path.exists() and path.read_text() == text):
        assert time.monotonic() < deadline, f"{path} does not say {text}"
        time.sleep(0.01)


def test_a_kernel_that_is_killed_in_the_training_cell_goes_on_when_the_cell_is_run_again(
    project: Path, start: Start
) -> None:
    (project / "wait").touch()
    first = start()
    first.client.execute(CELL)
    wait_for(project / "reached", "4")
    os.kill(first.manager.provisioner.pid, signal.SIGKILL)
    (project / "wait").unlink()
    second = start()
    assert second.run(CELL)["status"] == "ok"
    (run,) = rx.search_runs().to_dict("records")
    assert (run["name"], run["status"]) == ("train", "finished")
    points = rx.sql("select step, value from metrics where owner_kind = 'run' and key = 'state' order by wallclock")
    assert list(points["step"]) == list(range(8))
    assert list(points["value"]) == [sum(range(step + 1)) for step in range(8)]
    assert list(rx.list_checkpoints("train")["step"]) == list(range(7, -1, -1))
    assert rx.last_checkpoint("train").path.read_text() == "28"
    assert rx.fsck()
