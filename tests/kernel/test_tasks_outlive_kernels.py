"""Runs of real kernels: one is stopped from another process, one outlives its kernel."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kernels import Start

import renex_jupyter as rx
from renex_jupyter.errors import RenexError

LOAD = "%load_ext renex_jupyter\nimport renex_jupyter as rx, os, time\npid = os.getpid()"
WAIT = "%%task waits\nprint('begun')\ntime.sleep(60)"
COMMAND = "%task goes_on -- sh -c 'echo begun > begun; sleep 3; echo x > made.txt; echo done'"


def wait_for(what: Callable[[], object]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + 120
    while not what():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)


def status(name: str) -> str | None:
    """Return how a run is, None while it is not recorded."""
    try:
        return rx.get_run(name).status
    except RenexError:
        return None


def test_a_cell_of_a_kernel_is_stopped_from_another_process(project: Path, start: Start) -> None:
    kernel = start()
    kernel.run(LOAD)
    kernel.client.execute(WAIT)
    wait_for(lambda: status("waits") == "running" and "begun" in rx.run_output("waits"))
    run = rx.stop("waits")
    assert (run.status, run.error) == ("stopped", "KeyboardInterrupt")
    wait_for(lambda: kernel.run("1 + 1")["status"] == "ok")  # what came at once after the interrupt is aborted


def test_a_command_outlives_its_kernel_and_its_end_is_recorded(project: Path, start: Start) -> None:
    kernel = start()
    kernel.run(LOAD)
    kernel.client.execute(COMMAND)
    wait_for((project / "begun").exists)
    pid = kernel.manager.provisioner.pid  # type: ignore[union-attr]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: status("goes_on") != "running")
    run = rx.get_run("goes_on")
    assert (run.status, run.exit_code) == ("finished", 0)
    assert rx.run_output(run) == "done\n"
    assert "made.txt" in [each.path for each in run.files]


def test_a_kernel_that_executes_nothing_is_not_harmed_by_a_stop(
    project: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    from renex_jupyter.session import attaching

    monkeypatch.setattr(attaching, "CLOSING", -8.0)  # it never ends: two seconds are enough to see that
    kernel = start()
    kernel.run(LOAD)
    kernel.run("rx.start_run('idle')")
    with pytest.raises(RenexError, match="has not ended"):
        rx.stop("idle")
    assert kernel.run("rx.end_run()")["status"] == "ok"
    assert status("idle") == "finished"
