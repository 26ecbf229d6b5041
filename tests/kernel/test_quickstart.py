"""The quickstart notebook, our front page, runs top to bottom on a fresh copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import renex_jupyter as rx

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nbformat.NotebookNode]:
    """A project folder with the quickstart, executed in a real kernel."""
    folder = tmp_path_factory.mktemp("quickstart")
    shutil.copy(NOTEBOOK, folder / "quickstart.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.setenv("RENEX_NOTEBOOK", str(folder / "quickstart.ipynb"))
        notebook = nbformat.read(folder / "quickstart.ipynb", as_version=4)
        NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        ).execute()
    return folder, notebook


@pytest.fixture
def folder(executed: tuple[Path, nbformat.NotebookNode], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(executed[0])
    return executed[0]


def test_three_models_are_trained_and_recorded(folder: Path) -> None:
    runs = rx.search_runs(order_by="started_at")
    assert list(runs["name"]) == ["small", "medium", "fast"]
    assert set(runs["status"]) == {"finished"}
    assert set(runs["experiment"]) == {"digits"}
    assert (runs["metrics.accuracy"] > 0.8).all()
    points = rx.sql("select count(*) as n, count(distinct step) as steps from metrics group by run_id, key")
    assert set(points["n"]) == set(points["steps"]) == {150}


def test_the_first_state_is_back_in_a_folder(folder: Path) -> None:
    start = rx.get_snapshot("start")
    assert start.notebook == "quickstart.ipynb"
    brought = nbformat.read(folder / "start-again" / "quickstart.ipynb", as_version=4)
    assert [cell.source for cell in brought.cells] == [
        cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells
    ]


def test_no_cell_shows_an_error_or_a_warning(executed: tuple[Path, nbformat.NotebookNode]) -> None:
    for cell in executed[1].cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            assert output.get("name") != "stderr", (cell.source, output.text)


def test_every_cell_that_ran_is_kept_in_order(folder: Path, executed: tuple[Path, nbformat.NotebookNode]) -> None:
    ran = list(rx.sql("select source from cell_executions order by seq")["source"])
    sources = [cell.source for cell in executed[1].cells if cell.cell_type == "code"]
    assert ran == sources[: len(ran)]
    assert len(ran) >= len(sources) - 1


def test_the_stored_notebook_has_no_outputs(folder: Path) -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert cell.cell_type != "code" or (cell.outputs == [] and cell.execution_count is None)
