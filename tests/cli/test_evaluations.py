"""Evaluations and comparisons from a terminal and with `%renex`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from terminal import refused, say, told

import renex_jupyter as rx


@pytest.fixture
def predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder: a project with a dataset and two sets of predictions."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=100), "y": rng.choice(["cat", "dog"], 100)})
    rx.create_dataset("pets", frame, target="y", task="classification")
    rx.log_predictions("pets", np.where(rng.random(100) < 0.7, frame["y"], "cat"), name="old")
    rx.log_predictions("pets", frame["y"], name="new")


def test_a_terminal_measures_and_compares(predicted: None, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "evaluate", "pets", "new", "--positive", "cat", "--no-log")
    assert (found["metrics"]["accuracy"], found["positive"], found["logged"]) == (1.0, "cat", False)
    assert "accuracy 1" in say(capsys, "evaluate", "pets")
    compared = told(capsys, "compare", "pets", "old", "new", "--column", "x", "--samples", "3")
    assert compared["verdict"].startswith("new is better")
    assert (compared["broken"], len(compared["samples"])) == (0, 3)
    assert "better on" in say(capsys, "compare", "pets:1", "old", "new")
    assert refused(capsys, "evaluate", "pets", "newer")["code"] == "not_found"
    assert refused(capsys, "evaluate", "pets", "new", "--model", "pets:1")["code"] == "invalid_argument"
    Path("model.txt").write_text("a model")
    rx.log_predictions("pets", ["cat"] * 100, model=rx.register_model("pets", path="model.txt"))
    assert told(capsys, "evaluate", "pets", "--model", "pets:1")["logged"] is True
    assert refused(capsys, "compare", "pets", "old", "old")["code"] == "invalid_argument"
    shell = InteractiveShell()
    shell.run_cell("%load_ext renex_jupyter")
    assert shell.run_line_magic("renex", "evaluate pets new --positive cat").metrics["recall"] == 1
    assert shell.run_line_magic("renex", "compare pets old new").n == 100
