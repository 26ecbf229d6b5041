"""Environments from a terminal and with `%renex env`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from small_wheels import small_wheel
from terminal import refused, say, told

import renex_jupyter as rx
from renex_jupyter.cli.main import main
from renex_jupyter.config import settings


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "pyproject.toml").write_text("")
    (folder / "requirements.txt").write_text("rx_leaf==1.0\n")
    small_wheel(tmp_path / "wheels", "rx_leaf")
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setattr(settings(), "environments_folder", str(tmp_path / "cache"))
    return folder


def test_a_terminal_creates_lists_shows_compares_exports_and_builds(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = told(capsys, "env", "create", "--name", "lock")
    assert (made["name"], made["requirements"]) == ("lock", "# read from requirements.txt\nrx-leaf==1.0\n")
    rows = told(capsys, "env", "ls")
    assert [row["current"] for row in rows] == [True, False]
    assert rows[1]["environment_id"] == made["environment_id"]
    assert rows == told(capsys, "env") == told(capsys, "env", "list")
    assert told(capsys, "env", "ls", "-n", "1") == rows[:1]
    assert told(capsys, "env", "show", "lock")["packages"] == [
        {"name": "rx-leaf", "version": "1.0", "imported": False, "origin": None}
    ]
    assert told(capsys, "env", "show")["current"]
    assert any(each["key"] == "rx-leaf" for each in told(capsys, "env", "diff", "lock")["environment"])
    assert say(capsys, "env", "export", "lock").splitlines() == ["# read from requirements.txt", "rx-leaf==1.0"]
    assert "\nRUN printf" in say(capsys, "env", "export", "lock", "-f", "dockerfile")
    built = told(capsys, "env", "build", "lock")
    assert (
        subprocess.check_output([built["python"], "-c", "import rx_leaf; print(rx_leaf.VERSION)"], text=True) == "1.0\n"
    )
    assert told(capsys, "env", "build", "lock")["cached"]
    assert built["path"] in say(capsys, "env", "show", "lock")


def test_the_progress_of_a_build_is_not_taken_for_its_answer(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["env", "create", "--name", "lock"])
    capsys.readouterr()
    assert main(["env", "build", "lock", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["kind"] == "venv"
    assert "rx" in said.err


def test_what_is_wrong_is_told_with_a_code(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "env", "show", "nothing")["code"] == "not_found"
    assert refused(capsys, "env", "ls", "-n", "0")["code"] == "invalid_argument"
    assert refused(capsys, "env", "create", "nowhere")["code"] == "not_found"
    assert refused(capsys, "env", "export", "-f", "poetry")["code"] == "invalid_argument"
    (project / "requirements.txt").write_text("rx_nowhere==1.0\n")
    main(["env", "create", "--name", "broken"])
    capsys.readouterr()
    error = refused(capsys, "env", "build", "broken")
    assert error["code"] == "environment_unavailable"
    assert "nowhere" in error["message"]


def test_what_a_tool_said_of_a_failed_build_is_told_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "requirements.txt").write_text("rx_nowhere==1.0\n")
    assert main(["env", "create", "--name", "broken"]) == 0
    assert main(["env", "build", "broken"]) == 2
    lines = capsys.readouterr().err.splitlines()
    about = [line for line in lines if "nowhere" in line]
    assert about and len(about) == len(set(about))
    assert "renex: environment_unavailable: the packages cannot be installed (exit code 1)." in lines


def test_a_conflict_of_names_says_how_to_rename_in_a_terminal(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say(capsys, "env", "create", "--name", "prod")
    error = refused(capsys, "env", "create", "--name", "my tmp")
    assert (error["code"], "renex env name prod 'my tmp'" in error["hint"]) == ("conflict", True)
    say(capsys, "env", "create", "current", "--name", "mine")
    holder = told(capsys, "env", "show", "prod")["environment_id"][:8]
    assert f"renex env name {holder} ''." in refused(capsys, "env", "name", "mine", "prod")["hint"]


def test_the_current_one_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "env", "create", "current", "--name", "mine")["name"] == "mine"
    assert told(capsys, "env", "name", "mine", "ours")["name"] == "ours"
    assert told(capsys, "env", "show", "ours")["current"]


def test_a_command_runs_in_an_environment(project: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(project.parent / "user")}
    renex = [sys.executable, "-m", "renex_jupyter.cli.main"]
    subprocess.run([*renex, "env", "create", "--name", "lock"], check=True, env=environment, capture_output=True)
    command = [*renex, "task", "lean", "--env", "lock", "--", "python", "-c", "import rx_leaf, sys; print(sys.prefix)"]
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    assert str(project.parent / "user" / "renex" / "environments") in done.stdout
    assert list(rx.search_runs()["status"]) == ["finished"]


def test_a_notebook_has_the_same_verbs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ip = InteractiveShell()
    ip.run_line_magic("load_ext", "renex_jupyter")
    made = ip.run_line_magic("renex", "env create --name lock")
    assert made.name == "lock"
    assert ip.run_line_magic("renex", "env show lock").environment_id == made.environment_id
    assert len(ip.run_line_magic("renex", "env ls")) == 2
    assert ip.run_line_magic("renex", "env export lock") == made.requirements
    built = ip.run_line_magic("renex", "env build lock")
    assert not built.cached
    assert "rx" in capsys.readouterr().out
