"""What a task may use: time, memory, GPUs."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from renex_jupyter.errors import invalid_argument, shown

GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"  # read by CUDA, and by ROCm
NO_GPU = "-1"
LEAST_MEMORY = 2**20  # bytes: below it no program starts
MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?b)?|b)?", re.IGNORECASE)
POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
GPUS = re.compile(r"all|\d+|\d+(,\d+)*,?|(?:GPU|MIG)-[\w/,-]+")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a task may use at most; None: as much as it takes."""

    timeout: float | None = None  # seconds
    memory: int | None = None  # bytes, of the process and its children together
    gpus: str | None = None  # "all", a number, or ids with commas between

    @property
    def given(self) -> dict[str, float | int | str]:
        """Those that are set, by name."""
        pairs = {"timeout": self.timeout, "memory": self.memory, "gpus": self.gpus}
        return {name: value for name, value in pairs.items() if value is not None}


def limits_of(
    timeout: float | str | None = None, memory: int | str | None = None, gpus: int | str | None = None
) -> Limits:
    """Return limits as users give them.

    Parameters
    ----------
    timeout : seconds.
    memory : bytes, or a text: `4g` and `4 GiB` are 4 * 1024**3 bytes, `4GB` is 4 * 1000**3.
    gpus : a number: so many of those that this process sees, 0 for none; `"0,2"`: these; `"2,"`: this one; `"all"`.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    return Limits(
        None if timeout is None else _seconds(timeout),
        None if memory is None else _bytes(memory),
        None if gpus is None else _gpus(gpus),
    )


def visible_gpus(gpus: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return what tells a program which GPUs it sees, see `GPU_VARIABLE`; None: nothing need be told."""
    if gpus == "all":
        return None
    if not gpus.isdecimal():
        return gpus.rstrip(",")
    seen = environment.get(GPU_VARIABLE)
    ids = [each.strip() for each in seen.split(",")] if seen is not None else list(map(str, range(int(gpus))))
    return ",".join(ids[: int(gpus)]) or NO_GPU


def _seconds(given: float | str) -> float:
    try:
        value = float(given) if not isinstance(given, bool) else math.nan
    except (TypeError, ValueError):
        value = math.nan
    if not 0 < value < math.inf:
        raise invalid_argument(f"timeout {shown(given)} is no number of seconds.", "Give a number above 0, such as 60.")
    return value


def _bytes(given: int | str) -> int:
    hint = 'Give bytes, or a text such as "4g", "512 MiB" or "2GB".'
    if isinstance(given, str):
        found = MEMORY.fullmatch(given.strip())
        if found is None:
            raise invalid_argument(f"memory {shown(given)} is no number of bytes.", hint)
        base = 1000 if (found[3] or "").lower() == "b" else 1024
        value = int(float(found[1]) * base ** POWERS[found[2].lower()]) if found[2] else int(float(found[1]))
    elif isinstance(given, bool) or not hasattr(given, "__index__"):
        raise invalid_argument(f"memory {shown(given)} is no number of bytes.", hint)
    else:
        value = given.__index__()
    if not LEAST_MEMORY <= value < 2**63:
        raise invalid_argument(f"no program runs in {value:,} bytes of memory.", hint)
    return value


def _gpus(given: int | str) -> str:
    text = str(given).replace(" ", "") if not isinstance(given, bool) else ""
    if not GPUS.fullmatch(text):
        raise invalid_argument(f"gpus {shown(given)} names none.", 'Give a number, ids as in "0,2", or "all".')
    return text
