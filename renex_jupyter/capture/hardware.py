"""The machine on which something ran: told beside an environment, never part of its id."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from renex_jupyter.ids import content_id
from renex_jupyter.records.changes import to_json
from renex_jupyter.records.environments import Hardware

Told = TypeVar("Told")
Otherwise = TypeVar("Otherwise")


@cache
def capture_hardware() -> Hardware:
    """Return CPU, memory (bytes), GPUs and host name; what the system does not tell is empty or 0, never an error."""
    cpu = _or(_cpu, "") or _or(platform.processor, "") or _or(platform.machine, "")
    gpus = _or(_gpus, ())
    cores = os.cpu_count() or 0
    memory, host = _or(_memory, 0), _or(platform.node, "")
    return Hardware(content_id([cpu, cores, memory, to_json(gpus), host]), cpu, cores, memory, gpus, host)


def _or(ask: Callable[[], Told], otherwise: Otherwise) -> Told | Otherwise:
    try:
        return ask()
    except Exception:  # noqa: BLE001  # drivers raise what they like, and no snapshot may fail for it
        return otherwise


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.lower().startswith("model name")), "")


def _memory() -> int:
    import psutil

    return int(psutil.virtual_memory().total)


def _gpus() -> tuple[Mapping[str, Any], ...]:
    import pynvml

    pynvml.nvmlInit()
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return tuple(_gpu(handle, driver) for handle in handles)
    finally:
        pynvml.nvmlShutdown()


def _gpu(handle: Any, driver: str) -> Mapping[str, Any]:
    import pynvml

    memory = int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
    return {"name": _text(pynvml.nvmlDeviceGetName(handle)), "memory_bytes": memory, "driver": driver}


def _text(told: bytes | str) -> str:
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else told
