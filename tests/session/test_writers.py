"""Who else writes to a store: told by process, with the run that this process has open and no other."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import renex_jupyter as rx
from renex_jupyter.records.changes import Change, now
from renex_jupyter.session.writers import other_writers
from renex_jupyter.store import liveness
from renex_jupyter.store.store import Store


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ({}, "mine"),
        ({"host": "elsewhere"}, None),
        ({"host": "elsewhere", "boot_id": "another"}, None),
        ({"boot_id": "before"}, None),
        ({"pid_started": 1.0}, None),
    ],
)
def test_a_process_is_told_with_its_own_run_only(store: Store, place: dict[str, object], named: str | None) -> None:
    parent = psutil.Process(os.getppid())
    here = {
        "pid": parent.pid,
        "pid_started": parent.create_time(),
        "boot_id": liveness.boot_id(),
        "host": platform.node(),
    }
    store.write(Change("sessions", "5" * 32, "create", {"session_id": "5" * 32, **here}))
    run = {"run_id": "c" * 32, "name": "mine", "status": "running", "started_at": now(), **here, **place}
    store.write(Change("runs", "c" * 32, "create", run))
    assert [(each.pid, each.run) for each in other_writers(store)] == [(parent.pid, named)]


def test_what_recorded_in_a_container_is_no_process_of_this_one(store: Store) -> None:
    there = {"pid": os.getppid(), "pid_started": 1.0, "boot_id": liveness.boot_id(), "host": "container"}
    store.write(Change("sessions", "5" * 32, "create", {"session_id": "5" * 32, **there}))
    assert other_writers(store) == ()


def test_a_worker_that_outlives_a_run_is_told_when_the_run_is_purged(project: Path) -> None:
    worker = "import sys, renex_jupyter as rx; rx.log_metric('loss', 1); print('up', flush=True); sys.stdin.read()"
    with rx.start_run("train") as run:
        process = subprocess.Popen([sys.executable, "-c", worker], stdin=-1, stdout=-1, text=True)
        assert process.stdout and process.stdout.readline() == "up\n"
    with process:
        done = rx.purge(run.run_id)
        assert [each.pid for each in done.writers] == [process.pid]
        assert f"process {process.pid}" in str(done)


def test_a_kernel_may_be_left_out(store: Store) -> None:
    parent = psutil.Process(os.getppid())
    there = {"pid": parent.pid, "pid_started": parent.create_time(), "boot_id": liveness.boot_id(), "kernel_id": "k"}
    store.write(Change("sessions", "5" * 32, "create", {"session_id": "5" * 32, **there}))
    assert [each.pid for each in other_writers(store)] == [parent.pid]
    assert other_writers(store, kernels=False) == ()
