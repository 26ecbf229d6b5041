"""What the system tells of a tree of processes while it runs: CPU, memory, disk, network and GPU, as metrics of its run."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any

import psutil

from renex_jupyter.tasks.process_tree import descendants, memory_of

PREFIX = "system/"


class Sampler:
    """Looks at a process and all processes below it; nothing here ever raises, what cannot be told is left out."""

    def __init__(self, pid: int | None = None, *, with_root: bool = True) -> None:
        """Begin to count.

        Parameters
        ----------
        pid : None: this process.
        with_root : False: the process itself is not meant, only those below it, of which none had begun before.
        """
        self._pid = os.getpid() if pid is None else pid
        self._with_root = with_root
        self._gpus: Gpus | None = None
        self._at, self._cpu = time.monotonic(), self._cpu_seconds(self._tree())
        self._disk = (0, 0)
        self._disk_before = self._disk_bytes(self._tree()) if with_root else (0, 0)
        self._network_before = _network()

    def sample(self) -> dict[str, float]:
        """Return the values of this moment.

        Returns
        -------
        system/cpu_percent [% of one core, since the last sample], system/memory_bytes [B, shared memory counted once],
        system/disk_read_bytes, system/disk_write_bytes [B, since the start], system/network_received_bytes,
        system/network_sent_bytes [B, of the machine, since the start], system/gpu0/utilization_percent [%],
        system/gpu0/memory_bytes [B, of the whole device]
        """
        if self._gpus is None:
            self._gpus = Gpus()
        pids = self._tree()
        meant = pids if self._with_root else pids[1:]
        found = {"cpu_percent": self._cpu_percent(pids), "memory_bytes": float(memory_of(meant))}
        if (disk := self._disk_bytes(pids)) is not None and self._disk_before is not None:
            self._disk = max(self._disk[0], disk[0]), max(self._disk[1], disk[1])
            found["disk_read_bytes"] = float(max(0, self._disk[0] - self._disk_before[0]))
            found["disk_write_bytes"] = float(max(0, self._disk[1] - self._disk_before[1]))
        if (network := _network()) is not None and self._network_before is not None:
            found["network_received_bytes"] = float(network[0] - self._network_before[0])
            found["network_sent_bytes"] = float(network[1] - self._network_before[1])
        return {f"{PREFIX}{key}": value for key, value in (found | self._gpus.values()).items()}

    def _tree(self) -> list[int]:
        return [self._pid, *descendants(self._pid)]

    def _cpu_percent(self, pids: list[int]) -> float:
        now, used = time.monotonic(), self._cpu_seconds(pids)
        percent = 100 * max(0.0, used - self._cpu) / max(now - self._at, 1e-3)
        self._at, self._cpu = now, used
        return percent

    def _cpu_seconds(self, pids: list[int]) -> float:
        """Return what the tree used; a process that ended is counted by its parent, which waited for it."""
        total = 0.0
        for pid in pids:
            with suppress(psutil.Error, OSError):
                times = psutil.Process(pid).cpu_times()
                own = times.user + times.system if self._with_root or pid != self._pid else 0.0
                total += own + times.children_user + times.children_system
        return total

    def _disk_bytes(self, pids: list[int]) -> tuple[int, int] | None:
        read = written = 0
        for pid in pids if self._with_root else pids[1:]:
            try:
                counted = psutil.Process(pid).io_counters()
            except AttributeError:  # macOS does not count them
                return None
            except (psutil.Error, OSError):
                continue
            read, written = read + counted.read_bytes, written + counted.write_bytes
        return read, written


class Gpus:
    """The NVIDIA devices of this machine; none where nvidia-ml-py, a driver or a device is missing."""

    def __init__(self) -> None:
        self._handles: list[Any] = []
        with suppress(Exception):  # the library raises errors of its own
            import pynvml

            pynvml.nvmlInit()
            self._nvml: Any = pynvml
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(each) for each in range(pynvml.nvmlDeviceGetCount())]

    def values(self) -> dict[str, float]:
        """Return utilisation and memory in use of each device."""
        found: dict[str, float] = {}
        for number, handle in enumerate(self._handles):
            with suppress(Exception):  # a device may tell one of them only
                found[f"gpu{number}/utilization_percent"] = float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
            with suppress(Exception):
                found[f"gpu{number}/memory_bytes"] = float(self._nvml.nvmlDeviceGetMemoryInfo(handle).used)
        return found


def _network() -> tuple[int, int] | None:
    with suppress(psutil.Error, OSError, AttributeError):  # None where no device is seen
        counted = psutil.net_io_counters()
        return counted.bytes_recv, counted.bytes_sent
    return None
