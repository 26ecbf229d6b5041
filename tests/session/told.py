"""What is said and what is kept."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from renex_jupyter.session.current import current


@contextmanager
def heard() -> Iterator[list[str]]:
    """The warnings of a block."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        texts: list[str] = []
        yield texts
    texts.extend(str(each.message) for each in said)


def rows(query: str) -> list[dict[str, Any]]:
    return current().store.reader.rows(query)


def last_line(project: Path) -> dict[str, Any]:
    """The newest point, as the journal has it."""
    files = sorted((project / ".renex" / "journal").glob("*.points.jsonl"))
    return json.loads(files[-1].read_bytes().splitlines()[-1])
