"""Failure patterns from a terminal and with `%renex patterns`."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from terminal import refused, say, told

import renex_jupyter as rx


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "model.bin").write_bytes(b"weights")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"time": rng.choice(["day", "night"], 2_400), "city": rng.choice(list("abc"), 2_400)})
    frame["y"] = rng.choice(["no", "yes"], 2_400)
    wrong = rng.random(2_400) < np.where(frame.time == "night", 0.4, 0.1)
    rx.create_dataset("images", frame, target="y")
    version = rx.register_model("digits", path="model.bin")
    rx.log_predictions("images", np.where(wrong, np.where(frame.y == "no", "yes", "no"), frame.y), model=version)
    return tmp_path


def test_a_terminal_finds_keeps_lists_measures_and_deletes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "patterns", "find", "images", "--columns", "time,city", "-k", "2")
    assert (found[0]["predicate_text"], found[0]["status"]) == ("time = 'night'", "confirmed")
    assert found[0]["holdout_error_rate"] == pytest.approx(0.4, abs=0.06)
    assert "confirmed" in say(capsys, "patterns", "find", "images", "--model", "digits:1", "--no-record")
    kept = told(capsys, "patterns", "keep", found[0]["failure_pattern_id"], "night images", "--description", "dark")
    assert (kept["name"], kept["error"], kept["dataset"]) == ("night images", "error", "default/images")
    told(capsys, "patterns", "keep", "city = 'a'", "city a", "--dataset", "images")
    listed = told(capsys, "patterns", "ls", "images")
    assert [row["name"] for row in listed] == ["city a", "night images"]
    assert told(capsys, "patterns", "list") == told(capsys, "patterns") == listed
    assert "night images" in say(capsys, "patterns")
    measured = told(capsys, "patterns", "measure", "images", "digits:1")
    assert {row["pattern"] for row in measured} == {"city a", "night images"}
    told(capsys, "patterns", "delete", "city a", "images")
    assert [row["name"] for row in told(capsys, "patterns", "ls")] == ["night images"]


def test_what_a_terminal_cannot_do_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no column 'town'" in refused(capsys, "patterns", "find", "images", "--columns", "town")["message"]
    assert "not_found" in refused(capsys, "patterns", "find", "nowhere")["code"]
    assert "k 0" in refused(capsys, "patterns", "find", "images", "-k", "0")["message"]
    assert "Usage: renex patterns keep" in refused(capsys, "patterns", "keep")["hint"]


def test_a_notebook_finds_and_keeps_patterns(project: Path) -> None:
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "renex_jupyter")
    found = shell.run_line_magic("renex", "patterns find images --columns time")
    assert found[0].predicate_text == "time = 'night'"
    kept = shell.run_line_magic("renex", f"patterns keep {found[0].failure_pattern_id} 'night images'")
    assert kept.name == "night images"
    assert list(shell.run_line_magic("renex", "patterns ls images")["name"]) == ["night images"]
