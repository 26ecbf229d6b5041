"""Projects with a store of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recorded import Project

from renex_jupyter.config import settings
from renex_jupyter.store.store import Store
from renex_jupyter.views.panel import Panel


@pytest.fixture
def new_project(tmp_path: Path) -> Iterator[Callable[[str], Project]]:
    settings().fold_in_background = False

    def make(name: str) -> Project:
        root = tmp_path / name
        root.mkdir()
        return Project(root, Store(root / ".renex"))

    yield make
    settings().fold_in_background = True


@pytest.fixture
def project(new_project: Callable[[str], Project]) -> Project:
    return new_project("project")


@pytest.fixture
def new_panel() -> Iterator[Callable[[Path], Panel]]:
    """Makes panels of a store's project, as a panel's kernel does, and ends them."""
    made: list[Panel] = []

    def make(root: Path) -> Panel:
        made.append(Panel(root, hosted=True))
        made[-1].start()
        return made[-1]

    yield make
    for panel in made:
        panel.stop()
