"""What a process was about to record and what it was told is recorded: a file that outlives it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Ledger:
    """The pen of one process; a line is written before and after each record."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def tries(self, *records: tuple[Any, ...]) -> None:
        """Note what may be there from now on."""
        self._note("tries", records)

    def has(self, *records: tuple[Any, ...]) -> None:
        """Note what must be there from now on; None as value: whatever it is."""
        self._note("has", records)

    def _note(self, word: str, records: tuple[tuple[Any, ...], ...]) -> None:
        os.write(self._descriptor, json.dumps([word, records]).encode() + b"\n")


@dataclass
class Promised:
    """Records as `(kind, key, value)`: all that were tried, the acknowledged ones, and those tried in one call."""

    tried: dict[tuple[str, str], Any] = field(default_factory=dict)
    kept: dict[tuple[str, str], Any] = field(default_factory=dict)
    together: list[list[tuple[str, str]]] = field(default_factory=list)


def read(*paths: Path) -> Promised:
    """Return what the ledgers of some processes promise together."""
    promised = Promised()
    for path in paths:
        for line in path.read_bytes().splitlines() if path.exists() else ():
            word, records = json.loads(line)
            found = {(kind, key): value for kind, key, value in records}
            (promised.kept if word == "has" else promised.tried).update(found)
            if word == "tries":
                promised.together.append(list(found))
    return promised
