"""Metrics in what an action prints: lines such as `loss: 0.3`, and nothing else on the line."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 500  # characters of a line that is looked at
_NUMBER = r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf(?:inity)?)"
_LINE = re.compile(rf"\s*([^\W\d](?:[\w ./@%()\[\]-]{{0,98}}[\w%)\]])?)\s*:\s*((?a:{_NUMBER}))\s*", re.IGNORECASE)


class StdoutMetrics:
    """Takes rendered text in pieces, so that of a progress bar only the last state counts."""

    def __init__(self) -> None:
        self._open = ""

    def feed(self, text: str) -> Iterator[tuple[str, float]]:
        """Give the key and the value of each line that is a metric."""
        whole, end, rest = text.rpartition("\n")
        if not end:
            self._open = (self._open + rest)[: LONGEST + 1]
            return
        first = self._open + whole
        self._open = rest[: LONGEST + 1]
        if ":" in first:
            for line in first.split("\n"):
                if found := parsed(line):
                    yield found

    def end(self) -> Iterator[tuple[str, float]]:
        """Give the metric of a last line without a line end, if it is one."""
        if found := parsed(self._open):
            yield found
        self._open = ""


def parsed(line: str) -> tuple[str, float] | None:
    """Return key and value of a line that is a metric."""
    found = _LINE.fullmatch(line) if ":" in line and len(line) <= LONGEST else None
    return (found[1], float(found[2])) if found else None
