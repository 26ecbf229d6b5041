"""What the container of an order gets of this machine, and what it never gets."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.tasks.daemon import DEFAULT, address
from renex_jupyter.tasks.order import Container, Order

SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock")
NETWORKS = ("bridge", "none")
SHARED_MEMORY = "1g"  # of /dev/shm, through which PyTorch's workers hand over batches; Docker gives 64 MB by itself
# The environment of every container. Its init hands signals to the action's whole group, as a terminal does.
GIVEN = {"HOME": "/tmp", "PYTHONUNBUFFERED": "1", "TINI_KILL_PROCESS_GROUP": "1"}  # noqa: S108  the container's own


def host_settings(order: Order) -> dict[str, Any]:
    """Return what the machine gives to the container of an order, and what it does not.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    from docker.types import Mount

    wanted = order.container
    assert wanted is not None
    if wanted.network not in NETWORKS:
        raise invalid_argument(f"no network '{wanted.network}' for a container.", f"Use {' or '.join(NETWORKS)}.")
    return {
        "mounts": [Mount(each.target, each.source, type="bind", read_only=each.read_only) for each in wanted.mounts],
        "mem_limit": order.memory,
        "memswap_limit": order.memory,  # of both together: no swap
        "nano_cpus": int(wanted.cpus * 1e9) if wanted.cpus is not None else None,
        "device_requests": _gpus(wanted.gpus),
        "network_mode": wanted.network,
        "security_opt": ["no-new-privileges"],
        "cap_drop": ["ALL"],
        "privileged": False,
        "init": True,
        "shm_size": SHARED_MEMORY,
        "log_config": {"Type": "none", "Config": {}},  # the run keeps the output, and an image may print secrets
    }


def check_mounts(wanted: Container) -> None:
    """Refuse to show a container all of the machine, or the daemon, with which it could do all to the machine.

    Raises
    ------
    RenexError : `unsafe_path`.
    """
    where = address()
    named = (where if where.startswith("unix://") else DEFAULT).removeprefix("unix://")
    sockets = {Path(each).resolve() for each in (*SOCKETS, named)}
    for mount in wanted.mounts:
        source = Path(mount.source).resolve()
        if (
            source == Path("/")
            or any(each == source or source in each.parents for each in sockets)
            or _is_socket(source)
        ):
            fact = f"{mount.source} is not shown to a container: with it, it could do anything to this machine."
            raise RenexError("unsafe_path", fact, "Give a folder of your own.")


def _gpus(wanted: str | None) -> list[Any] | None:
    from docker.types import DeviceRequest

    if wanted is None or wanted in ("", "0"):
        return None
    capabilities = [["gpu"]]
    if wanted == "all":
        return [DeviceRequest(count=-1, capabilities=capabilities)]
    if wanted.isdecimal():
        return [DeviceRequest(count=int(wanted), capabilities=capabilities)]
    return [DeviceRequest(device_ids=list(filter(None, wanted.split(","))), capabilities=capabilities)]


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False
