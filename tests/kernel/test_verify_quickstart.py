"""The quickstart's runs give the same again: here, in a fresh virtual environment, and in a container."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import renex_jupyter as rx

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
RUNS = ("small", "medium", "fast")


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with the quickstart, executed in a real kernel."""
    folder = tmp_path_factory.mktemp("quickstart")
    shutil.copy(NOTEBOOK, folder / "quickstart.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.setenv("RENEX_NOTEBOOK", str(folder / "quickstart.ipynb"))
        notebook = nbformat.read(folder / "quickstart.ipynb", as_version=4)
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return folder


@pytest.fixture
def folder(executed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(executed)
    return executed


@pytest.mark.parametrize("name", RUNS)
def test_each_run_is_reproduced_here(folder: Path, name: str) -> None:
    recorded = rx.get_run(name)
    found = rx.verify(recorded)
    assert (found.verdict, found.reason, found.differences) == ("reproduced", "", ())
    assert found.compared == {"points": 450, "params": 3, "files": 0}
    again = rx.get_run(found.rerun_run_id)
    assert (again.rerun_of, again.kind, again.name) == (recorded.run_id, "cell", name)
    assert again.before_snapshot_id == recorded.before_snapshot_id
    assert again.params == recorded.params
