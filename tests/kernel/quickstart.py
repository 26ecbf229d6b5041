"""The quickstart notebook, executed in a project of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
RUNS = ("small", "medium", "fast")


def executed(folder: Path, ipython: Path) -> nbformat.NotebookNode:
    """Copy the notebook into a folder, run it there in a real kernel, and return it with its outputs."""
    shutil.copy(NOTEBOOK, folder / "quickstart.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(ipython))
        patch.setenv("RENEX_NOTEBOOK", str(folder / "quickstart.ipynb"))
        notebook = nbformat.read(folder / "quickstart.ipynb", as_version=4)
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return notebook
