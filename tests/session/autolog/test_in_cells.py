"""Autolog in cells of a notebook: on the run of the task, on one inside of it, and on one of its own in any other cell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from autolog_seen import runs
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import renex_jupyter as rx

FIT = """
import renex_jupyter as rx
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier
x, y = load_iris(return_X_y=True)
{}DecisionTreeClassifier(max_depth=2).fit(x, y)
"""


@pytest.fixture
def shell(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell with the magics, in which scikit-learn is logged."""
    monkeypatch.setenv("IPYTHONDIR", str(project / "ipython"))
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "renex_jupyter")
    rx.autolog("sklearn")
    yield shell
    shell.run_line_magic("unload_ext", "renex_jupyter")
    InteractiveShell.clear_instance()


def test_a_fit_in_a_task_cell_logs_on_the_run_of_the_task(shell: InteractiveShell) -> None:
    shell.run_cell_magic("task", "train", FIT.format(""))
    [name] = runs()
    run = rx.get_run(name)
    assert (run.name, run.status, run.params["max_depth"]) == ("train", "finished", 2)
    assert run.metrics["training/accuracy"] > 0.9


def test_a_fit_in_a_run_inside_of_a_task_cell_logs_on_that_run(shell: InteractiveShell) -> None:
    shell.run_cell_magic("task", "train", FIT.format("with rx.start_run('inner'): "))
    assert sorted(runs()) == ["inner", "train"]
    inner, task = rx.get_run("inner"), rx.get_run("train")
    assert (inner.parent_run_id, inner.params["max_depth"]) == (task.run_id, 2)
    assert task.params == {} and not any(key.startswith("training/") for key in task.metrics)


def test_a_fit_in_any_other_cell_is_a_run_of_its_own(shell: InteractiveShell) -> None:
    shell.run_cell(FIT.format("")).raise_error()
    [name] = runs()
    assert name == "DecisionTreeClassifier"


def test_a_task_cell_can_turn_it_on_and_it_stays_on(shell: InteractiveShell) -> None:
    rx.autolog(disable=True)
    shell.run_cell_magic("task", "train", "import renex_jupyter as rx\nrx.autolog('sklearn')")
    shell.run_cell_magic("task", "again", FIT.format(""))
    assert rx.get_run("again").params["max_depth"] == 2


def test_an_isolated_cell_turns_it_on_for_itself_and_logs_on_the_run_of_the_task(shell: InteractiveShell) -> None:
    shell.run_cell_magic("task", "without --isolated", FIT.format(""))
    shell.run_cell_magic(
        "task", "with --isolated", "import renex_jupyter as rx\nrx.autolog('sklearn')" + FIT.format("")
    )
    assert runs() == ["without", "with"]
    assert rx.get_run("without").params == {}
    assert rx.get_run("with").params["max_depth"] == 2
