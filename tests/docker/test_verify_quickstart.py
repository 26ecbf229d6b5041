"""The quickstart's runs give the same again in a container, in an image that is built of their environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from daemons import IMAGE, Daemon
from quickstart import RUNS, executed

import renex_jupyter as rx
from renex_jupyter.config import settings


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with the quickstart, executed in a real kernel."""
    folder = tmp_path_factory.mktemp("quickstart")
    executed(folder, tmp_path_factory.mktemp("ipython"))
    return folder


@pytest.mark.parametrize("name", RUNS)
def test_each_run_is_reproduced_in_a_container(
    quickstart: Path, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(quickstart)
    monkeypatch.setattr(settings(), "base_image", IMAGE)
    said: list[str] = []
    recorded = rx.search_runs("rerun_of is null").set_index("name").loc[name]["run_id"]
    found = rx.verify(recorded, executor="container", echo=said.append)
    assert (found.verdict, found.reason, found.differences) == ("reproduced", "", ()), "".join(said)
    assert found.compared == {"points": 450, "params": 3, "files": 0}
    again = rx.get_run(found.rerun_run_id)
    assert (again.executor, again.rerun_of) == ("container", recorded)
    assert not (quickstart / "outputs").exists()
