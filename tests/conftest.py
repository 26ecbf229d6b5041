"""What every test shares: a store of its own, and a process that remembers nothing of the test before."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import hypothesis
import pytest

from renex_jupyter.session import current as sessions
from renex_jupyter.session import family
from renex_jupyter.store.store import Store

# The points of most tests are counted, and a slow machine takes longer than the interval over them.
os.environ["RENEX_SYSTEM_METRICS_INTERVAL"] = "0"

# A shell that starts the tests in the background has it ignored, also by whatever they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What is found must not hang on how fast a machine draws its examples, nor on which it draws.
hypothesis.settings.register_profile(
    "any machine", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

# Folders whose files take long, although they hold few tests: given out last, they leave one process alone at the end.
LONG = ("docker", "browser", "faults", "kernel")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long."""
    items.sort(key=lambda item: LONG.index(item.path.parent.name) if item.path.parent.name in LONG else len(LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep a file's tests in one process, where they share what was started for them; all in containers share a daemon.

    So do all in browsers, of which one at a time is enough for two cores. Its own groups would do, but for pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            folder = PurePosixPath(file).parent.name
            return folder if folder in ("docker", "browser") else file

    config.option.loadscopereorder = False  # by the number of tests, it would be
    return ByFile(config, log)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that nothing was written to."""
    return Store(tmp_path / ".renex")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variable of the machine, no session of the test before, and no notebook: a shell makes its names `__main__`."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    for name in (*family.NAMES, "RENEX_STORE", "RENEX_NOTEBOOK", "JPY_SESSION_NAME", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    sessions.reset()
    yield
    sessions.reset()
