"""Workspaces from a terminal and with `%renex workspace`."""

from pathlib import Path

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from terminal import refused, say, told

import renex_jupyter as rx


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    frame = pd.DataFrame({"age": [20, 30, 40, 50], "sex": ["F", "M", "F", "M"], "y": ["n", "y", "n", "y"]})
    rx.create_dataset("people", frame, target="y", task="classification")
    rx.log_predictions("people", ["n", "n", "n", "y"], name="one")
    return tmp_path


def test_a_terminal_saves_shows_changes_gives_away_and_deletes(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = told(capsys, "workspace", "save", "old", "people", "-f", "age >= 30", "--chart", "error_rate:sex", "--chart",
                "count", "--compare", "one", "--sort", "age:desc", "--select", "3", "--columns", "age,sex")  # fmt: skip
    assert (made["version"], made["spec"]["selection"]["ids"]) == (1, ["3"])
    assert [row["name"] for row in told(capsys, "workspace")] == ["old"]
    assert told(capsys, "workspace", "ls", "people") == told(capsys, "workspace", "list")
    assert "age >= 30" in say(capsys, "workspace", "show", "old")
    assert [row["age"] for row in told(capsys, "workspace", "samples", "old")] == [50, 40, 30]
    assert [row["_key"] for row in told(capsys, "workspace", "samples", "old", "--selected")] == ["3"]
    charts = told(capsys, "workspace", "charts", "old")
    assert charts[1]["rows"] == [[3]]
    assert "error rate of sex" in say(capsys, "workspace", "charts", "old", "-f", "age < 30")
    assert "rx.view_dataset" in say(capsys, "workspace", "code", "old")
    assert "nothing changed" in say(capsys, "workspace", "changed", "old")
    assert (
        told(capsys, "workspace", "edit", "old", "-f", "age > 20", "--notes", "n", "--message", "why")["version"] == 2
    )
    assert "age >= 30" in say(capsys, "workspace", "diff", "old:1", "old:2")
    assert [row["message"] for row in told(capsys, "workspace", "versions", "old")] == ["why", None]
    say(capsys, "workspace", "export", "old", "old.json")
    assert (project / "old.json").is_file()
    assert told(capsys, "workspace", "import", "old.json", "--name", "given")["name"] == "given"
    assert told(capsys, "workspace", "delete", "given")["name"] == "given"
    assert "did you mean 'default/old'" in refused(capsys, "workspace", "show", "olt")["hint"]
    assert "'age'" in refused(capsys, "workspace", "save", "x", "people", "-f", "agee > 3")["hint"]


def test_a_notebook_has_the_same_verbs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = InteractiveShell.instance()
    rx.load_ipython_extension(shell)
    try:
        shell.run_line_magic("renex", "workspace save old people -f \"sex = 'F'\" --chart count")
        frame = shell.run_line_magic("renex", "workspace samples old")
        assert rx.open_workspace("old").count() == 2
        assert len(frame) == 2
    finally:
        rx.unload_ipython_extension(shell)
        InteractiveShell.clear_instance()
