"""A project with a store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded import Project

from renex_jupyter.config import settings
from renex_jupyter.store.store import Store


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    settings().fold_in_background = False
    yield Project(tmp_path, Store(tmp_path / ".renex"))
    settings().fold_in_background = True
