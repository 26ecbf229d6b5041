"""The command line as a user starts it."""

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
    with rx.start_run("train"):
        rx.log_param("lr", 0.1)
        rx.log_metric("loss", float("nan"))
    rx.snapshot("kept", label="start")
    return tmp_path


def test_ls_show_sql_and_checkout_answer_in_json(project: Path) -> None:
    (listed,) = json.loads(renex(project, "ls", "--json").stdout)
    assert (listed["name"], listed["status"], listed["metrics.loss"]) == ("train", "finished", None)
    shown = json.loads(renex(project, "show", "train", "--json").stdout)
    assert shown["params"] == {"lr": 0.1}
    assert json.loads(renex(project, "sql", "select name from runs", "--json").stdout) == [{"name": "train"}]
    done = renex(project, "checkout", "start", "--to", "back", "--json")
    assert (done.returncode, (project / "back" / "pyproject.toml").exists()) == (0, True)
    assert json.loads(done.stdout)["path"].endswith("back")


def test_text_is_for_people(project: Path) -> None:
    assert "train" in renex(project, "ls").stdout
    assert "start" in renex(project, "ls", "snapshots").stdout
    assert "lr 0.1" in renex(project, "show", "train").stdout
    assert "renex" in renex(project, "status").stdout


def test_an_error_is_told_on_stderr_with_exit_status_2(project: Path) -> None:
    done = renex(project, "show", "trian")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'train'" in done.stderr and "Traceback" not in done.stderr
    said = json.loads(renex(project, "show", "trian", "--json").stdout)
    assert said["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "words", [["nonsense"], ["ls", "nonsense"], ["checkout"], ["sql", "drop table runs"], ["ls", "-n", "0"]]
)
def test_wrong_words_are_an_error_and_not_a_traceback(project: Path, words: list[str]) -> None:
    done = renex(project, *words)
    assert done.returncode == 2
    assert "invalid_argument" in done.stderr and "Traceback" not in done.stderr


def test_a_folder_without_history_says_so_and_stays_empty(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    assert renex(folder, "ls").returncode == 2
    assert "nothing is recorded" in renex(folder, "ls").stderr
    assert renex(folder, "status").returncode == 0
    assert list(folder.iterdir()) == []


def test_doctor_names_what_it_looked_at(project: Path) -> None:
    report = json.loads(renex(project, "doctor", "--json").stdout)
    found = {each["name"]: each for each in report["findings"]}
    assert found["store"]["ok"] and "1 run" in found["store"]["detail"]
    assert found["duckdb"]["ok"]


def test_what_only_a_notebook_can_show_is_no_verb_of_the_terminal(project: Path) -> None:
    assert "panel" not in renex(project, "-h").stdout
    done = renex(project, "panel")
    assert (done.returncode, done.stdout) == (2, "")
    assert "invalid_argument" in done.stderr


def test_diff_in_a_terminal_compares_the_saved_notebook(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    cells = ["%load_ext renex_jupyter", "%snapshot --label start"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    nbformat.write(notebook, tmp_path / "a.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RENEX_NOTEBOOK", str(tmp_path / "a.ipynb"))
        NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert json.loads(renex(tmp_path, "diff", "start", "--json").stdout)["same"]
    notebook.cells[0].source += "\nx = 1"
    nbformat.write(notebook, tmp_path / "a.ipynb")
    shown = renex(tmp_path, "diff", "start").stdout
    assert "x = 1" in shown
    assert "removed" not in shown
