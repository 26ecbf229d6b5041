"""Each front end gives what it knows of the notebook, and a snapshot says in plain words what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from kernels import Start
from nbclient import NotebookClient

import renex_jupyter as rx
from renex_jupyter.records.snapshots import Snapshot

SNAPSHOT = "import renex_jupyter as rx\ntaken = rx.snapshot(label='taken')\nprint(taken.line)\n"
CELLS = ("%load_ext renex_jupyter\nx = 1", "print(x)", "x += 1", "print(x)", "%snapshot -l taken", "print('after')")
NO_NOTEBOOK = "no notebook is known: the executed cells instead"


def write(path: Path, *sources: str, **metadata: object) -> Path:
    cells = [nbformat.v4.new_markdown_cell("# title"), *map(nbformat.v4.new_code_cell, sources)]
    cells[1].metadata.update(metadata)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def taken() -> tuple[Snapshot, list[str], list[str]]:
    """The snapshot, the sources of its code cells, and how they ended, each once."""
    rows = rx.sql("select source, status from snapshot_cells where cell_type = 'code' order by position")
    return (
        rx.get_snapshot("taken"),
        list(rows["source"]),
        sorted({each if isinstance(each, str) else "unknown" for each in rows["status"]}),
    )


def run(argv: list[str], folder: Path, typed: str | None = None, **variables: str) -> str:
    environment = {**os.environ, **variables}
    done = subprocess.run(
        argv, cwd=folder, env=environment, input=typed, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_console_gives_the_cells_that_it_ran_also_where_nobody_loaded_the_extension(
    project: Path, start: Start
) -> None:
    kernel = start()
    for source in ("a = 1", "b = 2", SNAPSHOT):
        assert kernel.run(source)["status"] == "ok"
    found, sources, _ = taken()
    assert sources == ["a = 1", "b = 2", SNAPSHOT]
    assert (found.notebook, found.notebook_source) == (None, "history")
    assert NO_NOTEBOOK in found.line
    assert "3 cells, " in found.line
    assert NO_NOTEBOOK in str(found)


def execute(path: Path) -> None:
    NotebookClient(nbformat.read(path, as_version=4), resources={"metadata": {"path": str(path.parent)}}).execute()


def test_nbclient_names_no_notebook(project: Path) -> None:
    execute(write(project / "train.ipynb", *CELLS))
    found, sources, statuses = taken()
    assert sources == ["%load_ext renex_jupyter\nx = 1", "print(x)", "x += 1", "%snapshot -l taken"]
    assert statuses == ["ok", "running"]
    assert NO_NOTEBOOK in found.line


def test_a_user_who_names_the_notebook_gets_it_with_what_ran_of_each_cell(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(project / "train.ipynb", *CELLS)
    monkeypatch.setenv("RENEX_NOTEBOOK", str(path))
    execute(path)
    found, _, _ = taken()
    assert found.notebook == "train.ipynb"
    assert "7 cells (1 never run), " in found.summary  # the twins among them are in order
    assert "train.ipynb: the notebook as saved" in str(found)
    assert found.missing == ""


def test_papermill_names_the_notebook_that_it_writes(project: Path) -> None:
    write(project / "in.ipynb", "x = 1", *CELLS[1:], tags=["parameters"])
    argv = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "-p", "x", "7", "--inject-paths"]
    run(argv, project)
    found, sources, _ = taken()
    assert (found.notebook, found.notebook_source) == ("out.ipynb", "disk")
    assert any("x = 7" in source for source in sources)
    assert "(1 never run)" in found.summary
    assert "out.ipynb: the notebook as saved" in str(found)


def test_a_notebook_that_a_cell_of_another_one_executes_is_not_taken_for_that_one(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, inner = write(project / "outer.ipynb", "x"), write(project / "inner.ipynb", *CELLS)
    run([sys.executable, "-m", "jupyter", "execute", str(inner)], project, JPY_SESSION_NAME=str(outer))
    assert rx.get_snapshot("taken").notebook_source == "history"


def test_vs_code_names_its_notebook(project: Path, start: Start) -> None:
    path = write(project / "edited.ipynb", "a = 1", SNAPSHOT)
    kernel = start()
    for source in (f"__vsc_ipynb_file__ = {str(path)!r}", "a = 1", SNAPSHOT):
        assert kernel.run(source)["status"] == "ok"
    found, sources, _ = taken()
    assert sources == ["a = 1", SNAPSHOT.rstrip()] or sources == ["a = 1", SNAPSHOT]
    assert (found.notebook, found.notebook_source, found.missing) == ("edited.ipynb", "disk", "")


def test_a_page_that_does_not_answer_is_told(project: Path) -> None:
    path = write(project / "open.ipynb", "a = 1", SNAPSHOT)
    manager, client = start_new_kernel(
        kernel_name="python3", env={**os.environ, "JPY_SESSION_NAME": str(path)}, cwd=str(project)
    )
    try:
        assert (
            client.execute_interactive(SNAPSHOT, timeout=120, output_hook=lambda _: None)["content"]["status"] == "ok"
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    found = rx.get_snapshot("taken")
    assert (found.notebook, found.notebook_source) == ("open.ipynb", "unanswered")
    assert found.line.endswith("the notebook as saved: the page did not answer, unsaved edits are missing")


def test_ipython_in_a_terminal_gives_what_was_typed_there(project: Path) -> None:
    typed = ("x = 1", "import renex_jupyter as rx; print(rx.snapshot(label='taken').line)")
    ipython = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner"]
    printed = run(ipython, project, typed="\n".join((*typed, "exit", "")))
    found, sources, statuses = taken()
    assert (found.notebook, found.notebook_source) == (None, "history")
    assert (sources, statuses) == (
        list(typed),
        ["running", "unknown"],
    )  # what ran before renex came is known by its count
    assert NO_NOTEBOOK in printed


def test_python_without_a_script_says_that_no_cell_was_run(project: Path) -> None:
    line = run([sys.executable, "-c", SNAPSHOT], project)
    assert line.rstrip().endswith("no notebook is known, and no cell was run")
    assert rx.get_snapshot("taken").notebook_source == "none"


def test_a_script_is_the_code_of_its_snapshot_with_its_modules_also_where_they_are_ignored(project: Path) -> None:
    (project / "jobs/lib").mkdir(parents=True)
    (project / ".gitignore").write_text("jobs/\n")
    (project / "jobs/train.py").write_text(f"import lib.model\n{SNAPSHOT}")
    (project / "jobs/lib/model.py").write_text("layers = 3\n")
    (project / "jobs/lib/unused.py").touch()
    line = run([sys.executable, "jobs/train.py"], project)
    found = rx.get_snapshot("taken")
    paths = list(rx.sql("select path from snapshot_files order by path")["path"])
    assert paths == [".gitignore", "jobs/lib/model.py", "jobs/train.py", "pyproject.toml"]
    assert (found.notebook_source, found.script, found.missing) == ("script", "jobs/train.py", "")
    assert "jobs/train.py" in str(found)
    assert "cell" not in line


def test_a_helper_beside_the_project_is_told(project: Path, start: Start) -> None:
    (project.parent / "common").mkdir()
    (project.parent / "common/rx_shared.py").touch()
    kernel = start()
    source = f"import sys; sys.path.insert(0, '../common'); import rx_shared\n{SNAPSHOT}"
    assert kernel.run(source)["status"] == "ok"
    told = [(each.path, each.reason) for each in rx.get_snapshot("taken").left_out]
    assert told == [("../common/rx_shared.py", "outside the project")]
