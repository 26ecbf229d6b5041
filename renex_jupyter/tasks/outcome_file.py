"""The file that tells how an action ended. Its room is taken at the start: a disk that fills up meanwhile takes no end away."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from renex_jupyter.store.run_folders import OUTCOME
from renex_jupyter.tasks.order import Outcome

ROOM = 64 * 2**10  # bytes; more than the longest error takes as JSON
PATIENCE = 60.0  # seconds that are waited for a disk that takes nothing
AGAIN = 0.5  # seconds between two tries


class OutcomeFile:
    """`outcome.json` in a run's folder: whole, or not there."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / OUTCOME
        self._reserved = folder / f".{OUTCOME}.tmp"
        with suppress(OSError):  # without it, it is as likely to be written as any other file
            self._reserved.write_bytes(b" " * ROOM)

    def write(self, outcome: Outcome, give_up: Callable[[], bool]) -> None:
        """Write the end.

        Parameters
        ----------
        give_up : says that nobody waits for it any more.

        Raises
        ------
        OSError : the disk took nothing for a minute.
        """
        data, until = json.dumps(asdict(outcome)).encode(), time.monotonic() + PATIENCE
        while True:
            try:
                self._put(data)
                return
            except OSError:
                if time.monotonic() >= until or give_up():
                    raise
                time.sleep(AGAIN)

    def _put(self, data: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have removed it
        descriptor = os.open(self._reserved, os.O_CREAT | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.truncate()
        self._reserved.replace(self._path)
