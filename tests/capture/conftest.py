"""A project to capture, and no reading process that outlives its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from renex_jupyter.capture.files import stop_worker


@pytest.fixture(autouse=True)
def no_worker_is_left() -> Iterator[None]:
    yield
    stop_worker()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    return tmp_path / "store" / "blobs"
