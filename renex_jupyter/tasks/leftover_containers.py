"""Containers that nobody looks after any more: known by their labels, removed by the next run in a container."""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renex_jupyter.store import liveness
from renex_jupyter.tasks.order import Order

if TYPE_CHECKING:
    from docker import DockerClient

RUN_LABEL, STORE_LABEL, HOST_LABEL = "renex.run_id", "renex.store", "renex.host"
OWNER_LABELS = {"pid": "renex.pid", "pid_started": "renex.pid_started", "boot_id": "renex.boot_id"}


def labels(order: Order) -> dict[str, str]:
    """Return by what the container of an order, and the process that looks after it, is found again."""
    owner = {OWNER_LABELS[key]: str(value) for key, value in liveness.identity().items()}
    return {RUN_LABEL: order.run_id, STORE_LABEL: order.store, HOST_LABEL: platform.node(), **owner}


def sweep(client: DockerClient, store: str) -> list[str]:
    """Remove the containers of a store whose supervisor is gone; return the ids of their runs.

    A supervisor removes its container itself when the run is over, so none of a finished run is left while it lives.
    """
    swept = []
    for each in client.api.containers(all=True, filters={"label": [f"{STORE_LABEL}={store}"]}):
        given: Mapping[str, str] = each["Labels"]
        with suppress(KeyError, ValueError):  # labels of somebody else
            pid, started, boot = (given[OWNER_LABELS[key]] for key in ("pid", "pid_started", "boot_id"))
            if liveness.is_gone(int(pid), float(started), boot, given[HOST_LABEL]):
                remove(client.api, each["Id"])
                swept.append(given[RUN_LABEL])
    return swept


def remove(api: Any, container: str) -> None:
    """Remove a container and its own volumes; what runs in it is killed. One that is gone is no error."""
    from docker.errors import APIError

    try:
        api.remove_container(container, force=True, v=True)
    except APIError as error:
        if error.status_code not in (404, 409):  # gone, or being removed
            raise


def kill_process(pid: int, container: str) -> bool:
    """Kill the init of a container without its daemon; say whether that was surely it, and is dead or dying.

    Only where the daemon counts processes as this machine does, and we may: its processes are the user's own.
    """
    if not pid:
        return False
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False
    if container not in groups:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return False
    return True
