"""The tutorial of fault-tolerant training runs top to bottom, and its promise holds for a kernel that is really killed."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import nbformat
import pytest
from kernels import Start
from nbclient import NotebookClient

import renex_jupyter as rx

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "fault_tolerant_training.ipynb"
PATIENCE = 60.0  # seconds

# The training cell of the tutorial in small; a file says how far it got, so that it is killed at a known point.
CELL = """
import os, time
from pathlib import Path
import renex_jupyter as rx

with rx.start_run("train", resume=True) as run:
    last = rx.last_checkpoint()
    start = last.step + 1 if last else 0
    state = int(last.path.read_text()) if last else 0
    for epoch in range(start, 8):
        state += epoch
        rx.log_metric("state", state, step=epoch)
        Path("state.txt").write_text(str(state))
        rx.log_checkpoint("state.txt", epoch, {"state": state})
        Path("reached").write_text(str(epoch))
        while epoch == 4 and Path("wait").exists():
            time.sleep(0.01)
"""


def test_the_tutorial_runs_top_to_bottom_without_an_error_or_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(NOTEBOOK, folder)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("RENEX_NOTEBOOK", str(folder / NOTEBOOK.name))
    notebook = nbformat.read(folder / NOTEBOOK.name, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            assert output.get("name") != "stderr", (cell.source, output.text)
    monkeypatch.chdir(folder)
    runs = rx.search_runs()
    assert list(runs["name"]) == ["train"] and list(runs["status"]) == ["finished"]
    assert sorted(rx.list_checkpoints("train")["step"]) == list(range(10))


def test_the_stored_tutorial_has_no_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert cell.cell_type != "code" or (cell.outputs == [] and cell.execution_count is None)


def wait_for(path: Path, text: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (path.exists() and path.read_text() == text):
        assert time.monotonic() < deadline, f"{path} does not say {text}"
        time.sleep(0.01)


def test_a_kernel_that_is_killed_in_the_training_cell_goes_on_when_the_cell_is_run_again(
    project: Path, start: Start
) -> None:
    (project / "wait").touch()
    first = start()
    first.client.execute(CELL)
    wait_for(project / "reached", "4")
    os.kill(first.manager.provisioner.pid, signal.SIGKILL)
    (project / "wait").unlink()
    second = start()
    assert second.run(CELL)["status"] == "ok"
    (run,) = rx.search_runs().to_dict("records")
    assert (run["name"], run["status"]) == ("train", "finished")
    points = rx.sql("select step, value from metrics where owner_kind = 'run' and key = 'state' order by wallclock")
    assert list(points["step"]) == list(range(8))
    assert list(points["value"]) == [sum(range(step + 1)) for step in range(8)]
    assert list(rx.list_checkpoints("train")["step"]) == list(range(7, -1, -1))
    assert rx.last_checkpoint("train").path.read_text() == "28"
    assert rx.fsck()
