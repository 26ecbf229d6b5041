"""Scripts and notebooks that are recorded to be done again."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient

import renex_jupyter as rx
from renex_jupyter.records.runs import Run

FIRST = "%load_ext renex_jupyter\nimport renex_jupyter as rx"


def task(project: Path, source: str, *words: str, name: str = "train", **more: object) -> Run:
    """Run a script of the project as a task."""
    (project / "train.py").write_text(f"import renex_jupyter as rx\n{source}")
    return rx.run_task([sys.executable, "train.py", *words], name=name, **more)  # type: ignore[arg-type]


def notebook(project: Path, cells: Sequence[str], *, order: Sequence[int] | None = None) -> nbformat.NotebookNode:
    """Write a notebook and run its cells in a real kernel, in an order of their own if wanted; some may fail."""
    path = project / "work.ipynb"
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in (FIRST, *cells)])
    nbformat.write(made, path)
    client = NotebookClient(
        made, timeout=120, kernel_name="python3", allow_errors=True, resources={"metadata": {"path": str(project)}}
    )
    with client.setup_kernel(env={**os.environ, "RENEX_NOTEBOOK": str(path)}):
        for place in (0, *(order or range(1, len(cells) + 1))):
            client.execute_cell(made.cells[place], place)
    return made
