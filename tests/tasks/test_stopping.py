"""A signal reaches the process of a run and no other one."""

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from renex_jupyter.errors import RenexError
from renex_jupyter.ids import new_id
from renex_jupyter.records.changes import now
from renex_jupyter.records.runs import Run
from renex_jupyter.store.liveness import boot_id
from renex_jupyter.tasks.stopping import interrupt, refusal

WAITS = "import time\ntry: print('ready', flush=True); time.sleep(60)\nexcept KeyboardInterrupt: print('interrupted')"


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def run_of(pid: int, /, **other: Any) -> Run:
    noted = {
        "pid": pid,
        "pid_started": psutil.Process(pid).create_time(),
        "boot_id": boot_id(),
        "host": platform.node(),
    }
    return Run(new_id(), "r", now(), **{**noted, **other})


def test_a_running_run_is_interrupted(child: subprocess.Popen[str]) -> None:
    interrupt(run_of(child.pid))
    assert child.communicate(timeout=10)[0] == "interrupted\n"


@pytest.mark.parametrize(
    ("other", "code", "fact"),
    [
        ({"status": "finished"}, "conflict", "is over: finished"),
        ({"status": "lost"}, "not_found", "its process is gone"),
        ({"host": "elsewhere"}, "invalid_argument", "runs on elsewhere"),
        ({"boot_id": "another boot"}, "not_found", "its process is gone"),
        ({"boot_id": None}, "invalid_argument", "did not note its process"),
        ({"pid": None}, "invalid_argument", "did not note its process"),
        ({"pid_started": 1.0}, "not_found", "its process is gone"),
    ],
)
def test_a_process_that_may_be_another_one_gets_no_signal(
    child: subprocess.Popen[str], other: dict[str, Any], code: str, fact: str
) -> None:
    with pytest.raises(RenexError, match=fact) as caught:
        interrupt(run_of(child.pid, **other))
    assert caught.value.code == code
    child.terminate()
    assert child.wait(10) == -signal.SIGTERM  # not of an interrupt


@pytest.mark.parametrize("pid", [0, -1, -os.getpgrp()])
def test_no_number_of_a_hostile_store_means_a_group_of_processes(pid: int) -> None:
    run = Run(new_id(), "r", now(), pid=pid, pid_started=1.0, boot_id=boot_id(), host=platform.node())
    with pytest.raises(RenexError, match="did not note its process"):
        interrupt(run)


def test_an_ended_process_is_not_there_to_be_stopped(child: subprocess.Popen[str]) -> None:
    run = run_of(child.pid)
    assert refusal(run) is None
    child.kill()
    child.wait()
    assert "its process is gone" in str(refusal(run))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_process_of_somebody_else_takes_no_signal(child: subprocess.Popen[str]) -> None:
    run = run_of(child.pid, user_name="alice")
    os.setresuid(65534, 65534, 0)
    try:
        with pytest.raises(RenexError, match="belongs to alice") as caught:
            interrupt(run)
    finally:
        os.setresuid(0, 0, 0)
    assert caught.value.code == "permission"
