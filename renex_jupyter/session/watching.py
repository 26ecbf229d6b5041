"""A run in this process, watched while it is open: what it prints, its memory, what the system says of it.

One thread looks now and then. Nothing of it ever gets in the way of the user's code: what fails is told once, at the end.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError, warn
from renex_jupyter.session.kept_output import keep_output
from renex_jupyter.store.format import number_line, point_head
from renex_jupyter.store.interrupts import interrupts_held_back
from renex_jupyter.store.store import Store
from renex_jupyter.tasks.kernel_output import KernelOutput
from renex_jupyter.tasks.process_tree import descendants, memory_of

if TYPE_CHECKING:
    from renex_jupyter.tasks.system_metrics import Sampler

TICK = 0.25  # seconds between two looks
SHARE = 0.02  # of a core, at most, that looking at the memory may take
PATIENCE = 2.0  # seconds that the end of a run waits for a look that is under way
WITH_OUTPUT = ("cell", "function")  # a block is part of a cell, or of a script, that prints for itself


class Watch:
    """Watches one run from now until `stop`."""

    def __init__(self, store: Store, run_id: str, kind: str, steps: Mapping[str, int]) -> None:
        """Begin; `steps` are the highest of each key, where the run goes on with what it was."""
        self._store, self._run_id = store, run_id
        self._folder = store.layout.runs / run_id
        self._steps = steps
        self._heads: dict[str, str] = {}
        self._sampled = 0
        self._peak = 0
        self._next_memory = 0.0
        self._over = threading.Event()
        self._output = KernelOutput(self._folder, settings().output_kept) if kind in WITH_OUTPUT else None
        self._see([os.getpid()])
        self._thread = threading.Thread(target=self._look, name="renex-watch", daemon=True)
        self._thread.start()

    def add_output(self, text: str) -> None:
        """Take something that is shown and not printed, such as a traceback."""
        if self._output is not None:
            self._output.add(text)

    def stop(self) -> dict[str, Any]:
        """Stop watching, and return what was seen as fields of the run; its folder is gone then."""
        with interrupts_held_back():
            self._over.set()
            if self._output is not None:
                self._output.end()
            self._thread.join(PATIENCE)
            self._see([os.getpid()])
            found: dict[str, Any] = {"peak_memory_bytes": self._peak} if self._peak else {}
            if self._output is not None:
                found |= self._printed(self._output)
        return found

    def _printed(self, output: KernelOutput) -> dict[str, Any]:
        if output.fault is not None:
            warn(f"not all that the run printed is kept: {output.fault.strerror or output.fault}.")
        if not output.size:
            return {}
        return {"output_size": output.size, **keep_output(self._store, self._folder, remove=True)}

    def _look(self) -> None:
        began = time.monotonic()
        interval = settings().system_metrics_interval
        sampler, next_sample = None, began + interval
        while not self._over.wait(TICK):
            with suppress(Exception):  # whatever it is, it is our fault, and there is a next time
                if self._output is not None:
                    self._output.refresh()
                self._look_at_memory()
                if interval <= 0:
                    continue
                sampler = sampler or _sampler()
                if time.monotonic() >= next_sample:
                    next_sample = max(next_sample + interval, time.monotonic())
                    self._sample(sampler)

    def _look_at_memory(self) -> None:
        start = time.monotonic()
        if start >= self._next_memory:
            pid = os.getpid()
            self._see([pid, *descendants(pid)])  # takes long where much is shared
            self._next_memory = start + (time.monotonic() - start) / SHARE

    def _see(self, pids: list[int]) -> None:
        with suppress(OSError):
            self._peak = max(self._peak, memory_of(pids))

    def _sample(self, sampler: Sampler) -> None:
        at, number = time.time_ns() // 1000, self._sampled
        lines = []
        for key, value in sampler.sample().items():
            head = self._heads.get(key) or self._heads.setdefault(key, point_head("run", self._run_id, key))
            lines.append(number_line(head, self._steps.get(key, -1) + 1 + number, at, float(value)))
        self._sampled += 1
        with suppress(RenexError, OSError):  # a full disk; the next sample may find room
            if lines:
                self._store.journal.append_points(b"".join(lines))


def _sampler() -> Sampler:
    from renex_jupyter.tasks.system_metrics import Sampler  # psutil, and the GPU's library, are loaded in the thread

    return Sampler(os.getpid())
