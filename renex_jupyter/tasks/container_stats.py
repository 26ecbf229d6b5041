"""What Docker tells of a running container: memory, CPU, disk, network, about once a second."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

Sample = Mapping[str, Any]


class Stats:
    """A thread that keeps the newest sample of the daemon's stream; nobody ever waits for the daemon."""

    def __init__(self) -> None:
        self.memory = 0  # bytes, without the cache of files
        self.peak = 0
        self.values: dict[str, float] = {}

    def start(self, api: Any, container: str) -> None:
        """Begin to follow a container, until it ends."""
        threading.Thread(target=self._run, args=(api, container), name="renex-stats", daemon=True).start()

    def _run(self, api: Any, container: str) -> None:
        with suppress(Exception):  # the daemon is away, which others notice
            for sample in api.stats(container, stream=True, decode=True):
                self.take(sample)

    def take(self, sample: Sample) -> None:
        """Take a sample; one of a container that has ended, or of which the daemon knows nothing, is empty."""
        counted = sample.get("memory_stats") or {}
        if "usage" not in counted:
            return
        self.memory = memory_of(counted)
        self.peak = max(self.peak, self.memory)
        self.values = {
            "system/cpu_percent": cpu_percent(sample),
            "system/memory_bytes": float(self.memory),
            **{f"system/disk_{name}_bytes": _disk(sample, name) for name in ("read", "write")},
            "system/network_received_bytes": _network(sample, "rx_bytes"),
            "system/network_sent_bytes": _network(sample, "tx_bytes"),
        }


def memory_of(counted: Sample) -> int:
    """Return the bytes in use without files that the kernel could drop, as `docker stats` counts them."""
    details = counted.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    return max(int(counted["usage"]) - int(cache), 0)


def cpu_percent(sample: Sample) -> float:
    """Return the CPU time since the sample before, 100 being one core; 0 in the first sample."""
    now, before = sample.get("cpu_stats") or {}, sample.get("precpu_stats") or {}
    try:
        used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
        passed = (now["system_cpu_usage"] - before["system_cpu_usage"]) / (now.get("online_cpus") or 1)
    except KeyError:
        return 0.0
    return 100.0 * used / passed if passed > 0 and used > 0 else 0.0


def _disk(sample: Sample, name: str) -> float:
    rows = (sample.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    return float(sum(row["value"] for row in rows if str(row.get("op", "")).lower() == name))


def _network(sample: Sample, name: str) -> float:
    return float(sum(each.get(name, 0) for each in (sample.get("networks") or {}).values()))
