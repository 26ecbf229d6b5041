"""A signal reaches the process of a run and no other one."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from renex_jupyter.errors import RenexError
from renex_jupyter.ids import new_id
from renex_jupyter.records.changes import now
from renex_jupyter.records.runs import Run
from renex_jupyter.store.liveness import boot_id, identity
from renex_jupyter.store.run_folders import OUTCOME
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
    return Run(new_id(), "r", now(), **{**identity(pid), "host": platform.node(), **other})


def test_a_running_run_is_interrupted(child: subprocess.Popen[str], tmp_path: Path) -> None:
    interrupt(run_of(child.pid), tmp_path)
    assert child.communicate(timeout=60)[0] == "interrupted\n"


def test_whoever_records_the_end_of_a_run_is_not_interrupted(child: subprocess.Popen[str], tmp_path: Path) -> None:
    (tmp_path / OUTCOME).write_text('{"status": "finished", "duration_s": 1.0}')
    interrupt(run_of(child.pid), tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):  # an interrupt ends it
        child.wait(0.5)


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
    child: subprocess.Popen[str], tmp_path: Path, other: dict[str, Any], code: str, fact: str
) -> None:
    with pytest.raises(RenexError, match=fact) as caught:
        interrupt(run_of(child.pid, **other), tmp_path)
    assert caught.value.code == code
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.3)


@pytest.mark.parametrize("pid", [0, -1, -os.getpgrp()])
def test_no_number_of_a_hostile_store_means_a_group_of_processes(pid: int, tmp_path: Path) -> None:
    run = Run(new_id(), "r", now(), pid=pid, pid_started=1.0, boot_id=boot_id(), host=platform.node())
    with pytest.raises(RenexError, match="did not note its process"):
        interrupt(run, tmp_path)


def test_an_ended_process_is_not_there_to_be_stopped(child: subprocess.Popen[str]) -> None:
    run = run_of(child.pid)
    assert refusal(run) is None
    child.kill()
    child.wait()
    assert "its process is gone" in str(refusal(run))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_process_of_somebody_else_takes_no_signal(child: subprocess.Popen[str], tmp_path: Path) -> None:
    run = run_of(child.pid, user_name="alice")
    os.setresuid(65534, 65534, 0)
    try:
        with pytest.raises(RenexError, match="belongs to alice") as caught:
            interrupt(run, tmp_path)
    finally:
        os.setresuid(0, 0, 0)
    assert caught.value.code == "permission"
