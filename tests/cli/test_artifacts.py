"""Artifacts, checkpoints and lineage from a terminal."""

from pathlib import Path

import pytest
from terminal import refused, say, told

import renex_jupyter as rx
from renex_jupyter.cli.main import main


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "model.bin").write_text("weights")
    with rx.start_run("train"):
        rx.log_checkpoint("model.bin", 3, {"acc": 0.5})
    return tmp_path


def test_a_file_is_logged_listed_brought_back_verified_and_deleted(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = told(
        capsys, "artifact", "log", "model.bin", "--on", "train", "--name", "m/best", "--kind", "model", "--meta", "a=1"
    )
    assert (made["name"], made["kind"], made["metadata"], made["size"]) == ("m/best", "model", {"a": 1}, 7)
    rows = told(capsys, "artifacts", "train")
    assert [row["name"] for row in rows] == ["m/best", "model.bin"]
    assert [row["name"] for row in told(capsys, "artifacts", "--kind", "model")] == ["m/best"]
    assert len(told(capsys, "artifacts", "-n", "1")) == 1
    assert "m/best" in say(capsys, "artifact", "show", "m/best")
    path = say(capsys, "artifact", "get", "m/best", "--to", "copy.bin").strip()
    assert path == str(project / "copy.bin") and Path(path).read_text() == "weights"
    (project / "copy.bin").write_text("mine")
    assert refused(capsys, "artifact", "get", "m/best", "--to", "copy.bin")["code"] == "conflict"
    say(capsys, "artifact", "get", "m/best", "--to", "copy.bin", "-f")
    assert "ok" in say(capsys, "artifact", "verify", "m/best")
    assert told(capsys, "artifact", "delete", "m/best")["dry_run"] is True
    told(capsys, "artifact", "delete", "m/best", "-y")
    assert refused(capsys, "artifact", "show", "m/best")["code"] == "not_found"


def test_what_is_tracked_and_has_changed_is_told_by_the_exit_status(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "artifact", "track", "model.bin", "--on", "experiment:default", "--name", "data")
    assert main(("artifact", "verify", "data")) == 0
    (project / "model.bin").write_text("WEIGHTS")
    capsys.readouterr()
    assert main(("artifact", "verify", "data")) == 1
    assert "changed" in capsys.readouterr().out


def test_without_a_run_it_is_asked_what_it_belongs_to(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, "artifact", "log", "model.bin")
    assert error["code"] == "invalid_argument" and "--on" in error["hint"]
    assert refused(capsys, "artifact", "log", "gone", "--on", "train")["code"] == "not_found"
    assert refused(capsys, "artifacts", "-n", "0")["code"] == "invalid_argument"


def test_checkpoints_and_lineage_are_listed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("checkpoints", "train"), ("checkpoints",)):
        (row,) = told(capsys, *words)
        assert (row["step"], row["metrics.acc"]) == (3, 0.5)
    found = told(capsys, "lineage", f"checkpoint:{row['checkpoint_id']}", "--direction", "up", "--depth", "1")
    assert {(each["relation"], each["to_kind"]) for each in found} == {("written_by", "run"), ("holds", "artifact")}
    assert "written_by" in say(capsys, "lineage", "train")
