"""Who else writes to a store: told by process, with the run that this process has open and no other."""

import os
import platform

import psutil
import pytest

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
