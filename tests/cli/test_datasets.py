"""Datasets from a terminal and with `%renex dataset`."""

from pathlib import Path

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from terminal import refused, say, told

import renex_jupyter as rx

ROWS = pd.DataFrame({"id": list("abcdefgh"), "age": range(30, 38), "y": ["no", "yes"] * 4})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    ROWS.to_csv("a.csv", index=False)
    rx.create_dataset("adult", ROWS, key="id", target="y")
    return tmp_path


def test_a_terminal_creates_shows_lists_splits_and_compares(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = told(capsys, "dataset", "create", "adult", "a.csv", "--key", "id", "--target", "y")
    assert same["version"] == 1
    assert told(capsys, "dataset", "create", "census/empty", "--description", "later")["name"] == "empty"
    assert told(capsys, "dataset", "show", "adult:1")["digest"] == same["digest"]
    split = told(capsys, "dataset", "split", "adult", "train=0.5", "test=0.5", "--stratify", "y")
    assert (split["version"], split["splits"]) == (2, {"test": 4, "train": 4})
    assert [row["version"] for row in told(capsys, "dataset", "ls", "adult")] == [2, 1]
    assert {row["name"] for row in told(capsys, "dataset", "ls")} == {"adult", "empty"}
    assert [row["name"] for row in told(capsys, "dataset", "ls", "--namespace", "census")] == ["empty"]
    found = told(capsys, "dataset", "samples", "adult", "--where", "age >= 33 and y = 'yes'", "-n", "2")
    assert [row["id"] for row in found] == ["d", "f"]
    assert told(capsys, "dataset", "diff", "adult:1", "adult:2")["fields_added"][0]["name"] == "split"
    assert "adult" in say(capsys, "dataset")


def test_a_terminal_annotates_and_predicts(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ROWS.assign(label=ROWS.y)[["id", "label"]].to_csv("said.csv", index=False)
    marked = told(capsys, "dataset", "annotate", "adult:1", "said.csv", "--annotator", "ana")
    assert (marked["version"], marked["n_annotations"]) == (2, 8)
    made = told(capsys, "dataset", "predict", "adult:1", "said.csv", "--name", "baseline")
    assert made["n_predictions"] == 8
    assert [row["name"] for row in told(capsys, "dataset", "predictions", "adult:1")] == ["baseline"]


def test_a_terminal_edits_and_deletes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edited = told(capsys, "dataset", "edit", "adult", "--name", "grown", "--archive", "--description", "who")
    assert (edited["name"], edited["archived"], edited["description"]) == ("grown", True, "who")
    assert told(capsys, "dataset", "ls") == []
    assert refused(capsys, "dataset", "delete", "grown")["code"] == "conflict"
    told(capsys, "dataset", "delete", "grown", "--versions")
    assert told(capsys, "dataset", "ls", "--archived") == []


def test_what_a_terminal_cannot_do_with_datasets_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'ages'" in refused(capsys, "dataset", "samples", "adult", "--where", "ages > 3")["message"]
    assert "half" in refused(capsys, "dataset", "split", "adult", "train=half")["message"]
    assert refused(capsys, "dataset", "show", "adlut")["code"] == "not_found"
    assert "none.csv" in refused(capsys, "dataset", "create", "new", "none.csv")["message"]


def test_a_notebook_lists_and_makes_datasets(project: Path) -> None:
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "renex_jupyter")
    assert shell.run_line_magic("renex", "dataset create adult a.csv --key id --target y").version == 1
    assert list(shell.run_line_magic("renex", "dataset ls")["name"]) == ["adult"]
    assert list(shell.run_line_magic("renex", "dataset samples adult -w 'age = 31'")["id"]) == ["b"]
