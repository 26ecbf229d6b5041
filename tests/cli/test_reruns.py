"""`renex rerun` and `renex verify`, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import renex_jupyter as rx


def renex(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "renex_jupyter.cli.main", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "steady.py").write_text("import renex_jupyter as rx\nrx.log_metric('loss', 0.5)\nprint('hello')\n")
    (tmp_path / "noisy.py").write_text(
        "import os, renex_jupyter as rx\nrx.log_metric('loss', int.from_bytes(os.urandom(6)))\n"
    )
    rx.run_task([sys.executable, "steady.py"], name="steady", echo=lambda _: None)
    rx.run_task([sys.executable, "noisy.py"], name="noisy", echo=lambda _: None)
    return tmp_path


def test_verify_answers_with_its_exit_status(project: Path) -> None:
    done = renex(project, "verify", "steady")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == ["hello", "run 'steady': reproduced"]
    done = renex(project, "verify", "noisy", "--no-confirm")
    assert done.returncode == 1
    assert "metric loss at step 0" in done.stdout
    assert renex(project, "verify", "noisy", "--ignore", "loss").returncode == 0
    assert renex(project, "verify", "nobody").returncode == 2


def test_json_is_the_answer_and_nothing_else(project: Path) -> None:
    done = renex(project, "verify", "steady", "--json")
    told = json.loads(done.stdout)
    assert (told["verdict"], told["differences"], told["compared"]["points"]) == ("reproduced", [], 1)
    assert done.stderr == "hello\n"
    again = json.loads(renex(project, "rerun", "steady", "--json").stdout)
    assert (again["status"], again["metrics"]) == ("finished", {"loss": 0.5})
    kept = renex(project, "verify", "steady", "--rerun", again["run_id"], "--json")
    assert json.loads(kept.stdout)["rerun_run_id"] == again["run_id"]


def test_a_rerun_that_fails_has_an_exit_status_of_its_own(project: Path) -> None:
    (project / "fails.py").write_text("raise SystemExit(3)\n")
    rx.run_task([sys.executable, "fails.py"], name="fails", echo=lambda _: None)
    assert renex(project, "rerun", "fails").returncode == 1
    assert renex(project, "verify", "fails").returncode == 0
