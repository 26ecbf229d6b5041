"""What is said, what is refused and what is kept."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from renex_jupyter.errors import RenexError
from renex_jupyter.session.current import current


@contextmanager
def heard() -> Iterator[list[str]]:
    """The warnings of a block, but for what a test before left to the collector, which comes at any time."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)
        texts: list[str] = []
        yield texts
    texts.extend(str(each.message) for each in said)


def refused(error: pytest.ExceptionInfo[RenexError], value: object) -> bool:
    """Whether an error names the value, and says what to do."""
    said = error.value
    return said.code == "invalid_argument" and repr(value)[:20] in said.message and bool(said.hint)


def rows(query: str) -> list[dict[str, Any]]:
    return current().store.reader.rows(query)


def last_line(project: Path) -> dict[str, Any]:
    """The newest point, as the journal has it."""
    files = sorted((project / ".renex" / "journal").glob("*.points.jsonl"))
    return json.loads(files[-1].read_bytes().splitlines()[-1])
