"""Snapshots from a terminal."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from terminal import refused, say, told

import renex_jupyter as rx


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "model.py").write_text("x = 1\n")
    return tmp_path


def test_a_terminal_takes_compares_edits_and_deletes(project: Path) -> None:
    def renex(*words: str) -> Any:
        command = [sys.executable, "-m", "renex_jupyter.cli.main", *words, "--json"]
        done = subprocess.run(command, cwd=project, env=dict(os.environ), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done
        return json.loads(done.stdout)

    taken = renex("snapshot", "two", "words", "-l", "start", "-c", "lr=0.1", "-c", "depth=3", "--metrics", "acc=0.5")
    assert (taken["message"], taken["label"]) == ("two words", "start")
    assert (taken["config"], taken["metrics"]) == ({"lr": 0.1, "depth": 3}, {"acc": 0.5})
    (project / "model.py").write_text("x = 2\n")
    renex("snapshot", "-m", "later", "-c", "lr=0.2", "-c", "depth=3", "--metrics", "acc=0.6")
    found = renex("diff", "start", taken["snapshot_id"])
    assert found["same"]
    found = renex("diff", "start", renex("ls", "snapshots", "-n", "1")[0]["snapshot_id"])
    assert [set(found) & {"code", "files", "environment", "config", "metrics"}] == [
        {"code", "files", "environment", "config", "metrics"}
    ]
    assert found["files"][0]["lines"] == ["-x = 1", "+x = 2"]
    assert (found["config"][0]["delta"], round(found["metrics"][0]["relative"], 6)) == (0.1, 0.2)
    assert renex("edit", "start", "-m", "better", "--hide")["hidden"] is True
    assert [each["message"] for each in renex("ls", "snapshots")] == ["later"]
    assert renex("delete", "start")["dry_run"] is True
    assert renex("delete", "start", "-y")["snapshot"]["message"] == "better"
    assert [each["message"] for each in renex("ls", "snapshots", "-a")] == ["later"]


def test_the_saved_notebook_is_kept_when_it_is_named(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENEX_NOTEBOOK", "")
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x")]), project / "a.ipynb")
    assert refused(capsys, "snapshot", "--notebook", "b.ipynb")["code"] == "invalid_argument"
    assert told(capsys, "snapshot", "--notebook", "a.ipynb")["notebook"] == "a.ipynb"
    (row,) = told(capsys, "ls", "snapshots", "--notebook", "a.ipynb")
    assert row["cells"] == 1


def test_a_dry_run_says_what_would_be_kept_and_keeps_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / ".env").write_text("PASSWORD=x")
    shown = say(capsys, "snapshot", "--dry-run")
    assert "model.py" in shown and ".env" in shown
    assert told(capsys, "snapshot", "--dry-run")
    assert not (project / ".renex").exists()


def test_a_word_of_the_terminal_is_no_variable_of_ours(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "snapshot", "-c", "main")["code"] == "not_found"


def test_diff_without_words_is_about_the_last_snapshot(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "diff")["code"] == "not_found"
    rx.snapshot("first")
    rx.snapshot("last")
    (project / "new.txt").write_text("x")
    assert 'last" -> now: 1 file' in say(capsys, "diff")
    assert "+ new.txt (1 B)" in say(capsys, "diff")


def test_status_names_the_last_snapshot_and_how_long_ago_it_was(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rx.snapshot("first", label="a")
    shown = say(capsys, "status")
    assert 'a "first", ' in shown and " s ago; diff tells what changed since" in shown


def test_a_list_is_filtered_and_an_empty_one_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rx.snapshot("one", label="a")
    rx.snapshot("two")
    assert [row["message"] for row in told(capsys, "ls", "snapshots", "--since", "1h", "--label", "a")] == ["one"]
    assert say(capsys, "ls", "snapshots", "--message", "three") == "nothing found\n"
    head, *rows = say(capsys, "ls", "snapshots").splitlines()
    assert head.split()[:4] == ["snapshot_id", "label", "message", "created_at"]
    assert len(rows) == 2


def test_hidden_ones_are_told_apart_where_they_are_listed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rx.snapshot("one", label="a")
    rx.snapshot("two")
    assert "yes: lists pass it over" in say(capsys, "edit", "a", "--hide")
    assert [(row["message"], row["hidden"]) for row in told(capsys, "ls", "snapshots", "-a")] == [
        ("two", False),
        ("one", True),
    ]
    assert "hidden" not in told(capsys, "ls", "snapshots")[0]


@pytest.mark.parametrize(
    "words",
    [
        ["ls", "snapshots", "--since", "yesterday"],
        ["ls", "runs", "--label", "a"],
        ["ls", "snapshots", "-n", "0"],
        ["edit", "a"],
        ["edit", "a", "--hide", "--unhide"],
        ["delete"],
    ],
    ids=" ".join,
)
def test_wrong_words_are_told_with_a_hint(project: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    rx.snapshot(label="a")
    error = refused(capsys, *words)
    assert error["code"] == "invalid_argument" and error["hint"]


def test_the_state_of_a_run_is_not_deleted_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with rx.start_run("train") as run:
        pass
    before = rx.get_run(run.run_id).before_snapshot_id
    error = refused(capsys, "delete", before or "", "--yes")
    assert (error["code"], error["hint"]) == ("conflict", f"It goes with its run: renex purge {run.run_id[:8]} --yes")
