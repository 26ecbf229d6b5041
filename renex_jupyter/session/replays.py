"""The recorded cells of a notebook, laid out to be run once more in a process of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from renex_jupyter.config import NOTEBOOK_VARIABLE, REPLAY_VARIABLE, STORE_VARIABLE
from renex_jupyter.records.runs import Run
from renex_jupyter.records.snapshots import CellExecution
from renex_jupyter.tasks import handover

CELLS = "cells"  # folder in that of a run, or in what a container sees of it
PYTHON = r"(?:[\"']?(?:\S*python\S*|\{\s*sys\.executable\s*\}|\$\w+)[\"']?\s+-m\s+)"
INSTALL = rf"{PYTHON}?(?:uv\s+)?(?:pip[\d.]*|conda|mamba)\s+(?:install|add)\b(?:.*\\\n)*.*"  # with the lines that it goes on in
INSTALLS = re.compile(rf"^([ \t]*)([%!]{{1,2}}[ \t]*{INSTALL})$", re.MULTILINE)
SHELL = re.compile(r"\s*%%(?:bash|sh|!|script\s+(?:ba|z)?sh)\b|\s*%%!")
INSTALLS_IN_SHELL = re.compile(rf"^([ \t]*)({INSTALL})$", re.MULTILINE)
# Whatever else installs finds no index, else it would change the environment that other runs have in common.
NO_INDEX = {"PIP_NO_INDEX": "1", "UV_OFFLINE": "1", "CONDA_OFFLINE": "1"}
LOADING = re.compile(r"load_ext\s+renex_jupyter|load_extension\(")
NESTED = re.compile(r"\b(?:rerun|verify)\s*\(|%renex\s+(?:rerun|verify)\b")


def lay_out_cells(folder: Path, recorded: Run, cells: Sequence[CellExecution]) -> None:
    """Write the cells of a replay into the folder of a run; what failed when it was recorded may fail again."""
    told = [
        handover.Cell(without_installs(each.source), expect_error=_may_fail(each) and each is not cells[-1])
        for each in cells
    ]
    loaded = any(LOADING.search(each.source) for each in cells)
    name = recorded.notebook or recorded.name
    handover.lay_out(folder / CELLS, told, name=name, shell=True, load_extension=not loaded)  # noqa: S604  IPython's


def replay_variables(recorded: Run, scratch: str, top: str) -> dict[str, str]:
    """Return the variables of a replay: a store of its own, and the notebook in the checkout, as the cells see them."""
    named = {NOTEBOOK_VARIABLE: f"{top}/{recorded.notebook}"} if recorded.notebook else {}
    return {STORE_VARIABLE: scratch, REPLAY_VARIABLE: recorded.run_id, **NO_INDEX, **named}


def without_installs(source: str) -> str:
    """Return a cell without the lines that install packages: the environment is that of the run already."""
    if SHELL.match(source):
        return INSTALLS_IN_SHELL.sub(lambda found: _left_out(found, ":"), source)
    return INSTALLS.sub(lambda found: _left_out(found, "pass"), source)


def _left_out(found: re.Match[str], nothing: str) -> str:
    """Return the line that stands for an install, and does nothing."""
    return f"{found[1]}{nothing}  # left out of the rerun: {' '.join(found[2].split())}"


def _may_fail(cell: CellExecution) -> bool:
    return cell.status != "ok" or NESTED.search(cell.source) is not None
