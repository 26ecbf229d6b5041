"""Snapshots of a notebook that a person edits: what stands on the page counts, and nothing on it is replaced unasked."""

import json
from pathlib import Path

import pytest
from lab import Lab, Tab

from renex_jupyter.store.store import Store

SOURCES = (
    "%load_ext renex_jupyter",
    "lr = 0.1",
    "%snapshot -m first -l first",
    "%snapshot -m second -l second",
    "%renex diff first second",
    "%renex checkout first --in-place",
    "%renex checkout first --in-place --force",
)


@pytest.fixture
def notebook(lab: Lab) -> Path:
    folder = lab.root / "kept"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    (folder / "params.yaml").write_text("epochs: 1\n")
    return lab.write_notebook("kept/train.ipynb", *SOURCES)


def sources(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]


def test_unsaved_edits_are_kept_compared_and_not_replaced_unless_forced(lab: Lab, tab: Tab, notebook: Path) -> None:
    tab.open("kept/train.ipynb")
    for index in (0, 1):
        tab.run_cell(index)
    first = tab.run_cell(2)
    assert "4 never run" in first and "as saved" not in first  # the page answered
    cell = tab.page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".cm-content")
    cell.click()
    tab.page.keyboard.press("End")
    tab.page.keyboard.type("5  # on the page only")
    (notebook.parent / "params.yaml").write_text("epochs: 2\n")
    assert "1 changed since it ran" in tab.run_cell(3)
    shown = tab.run_cell(4)
    assert "lr = 0.15  # on the page only" in shown and "epochs: 2" in shown
    tab.screenshot("diff-of-two-snapshots")
    assert sources(notebook) == list(SOURCES)  # nobody saved

    refused = tab.run_cell(5)
    assert "conflict" in refused and "train.ipynb is open" in refused
    assert (notebook.parent / "params.yaml").read_text() == "epochs: 2\n"
    done = tab.run_cell(6)
    assert "to go back" in done and "reload" in done.lower()
    assert (notebook.parent / "params.yaml").read_text() == "epochs: 1\n"
    assert sources(notebook) == list(SOURCES)
    read = Store(notebook.parent / ".renex").reader
    edits = read.rows("""
        select message from snapshots join snapshot_cells using (snapshot_id)
        where source like '%on the page only%' order by snapshots.created_at""")
    assert "second" in [row["message"] for row in edits]
    assert any(str(row["message"]).startswith("unsaved edits before checkout") for row in edits)
    tab.screenshot("checkout-in-place")
