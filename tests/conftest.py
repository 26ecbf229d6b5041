"""What every test shares: a store of its own, and a process that remembers nothing of the test before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from renex_jupyter.session import current as sessions
from renex_jupyter.session import family
from renex_jupyter.store.store import Store


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, where they share what was started for them; all in containers share a daemon."""
    for item in items:
        path = item.path
        item.add_marker(pytest.mark.xdist_group("docker" if path.parent.name == "docker" else str(path)))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that nothing was written to."""
    return Store(tmp_path / ".renex")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variable of the machine, and no session of the test before."""
    for name in (*family.NAMES, "RENEX_STORE", "RENEX_NOTEBOOK", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    sessions.reset()
    yield
    sessions.reset()
