"""The quickstart's runs give the same again, in the environment that recorded them and in one that is built anew."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from quickstart import RUNS, executed

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.records.verifications import Verification

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with the quickstart, executed in a real kernel."""
    folder = tmp_path_factory.mktemp("quickstart")
    executed(folder, tmp_path_factory.mktemp("ipython"))
    return folder


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


@pytest.fixture
def folder(project: Path, environments: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    monkeypatch.setattr(settings(), "environments_folder", str(environments))
    return project


def reproduced(found: Verification) -> bool:
    assert (found.verdict, found.reason, found.differences) == ("reproduced", "", ())
    return found.compared == {"points": 450, "params": 3, "files": 0}


def test_the_last_run_is_reproduced_here(folder: Path) -> None:
    recorded = rx.get_run("fast")
    found = rx.verify(recorded)
    assert reproduced(found)
    again = rx.get_run(found.rerun_run_id)
    assert (again.rerun_of, again.kind, again.name) == (recorded.run_id, "cell", "fast")
    assert again.before_snapshot_id == recorded.before_snapshot_id
    assert again.params == recorded.params
    assert not list((folder / ".renex" / "runs").iterdir())


@pytest.mark.parametrize("name", RUNS)
def test_each_run_is_reproduced_in_a_fresh_virtual_environment(folder: Path, environments: Path, name: str) -> None:
    said: list[str] = []
    recorded = rx.search_runs("rerun_of is null").set_index("name").loc[name]["run_id"]
    found = rx.verify(recorded, environment="fresh", echo=said.append)
    assert reproduced(found), "".join(said)
    (built,) = (each for each in environments.iterdir() if each.is_dir())
    assert not str(sys.prefix).startswith(str(built))
