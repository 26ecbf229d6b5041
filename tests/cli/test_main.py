"""The command line as a user starts it."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx
from renex_jupyter.cli.hints import for_terminal
from renex_jupyter.cli.main import main
from renex_jupyter.config import settings
from renex_jupyter.session import keeping

needs_modes = pytest.mark.skipif(
    os.name != "posix" or (os.geteuid() == 0 and shutil.which("setpriv") is None),
    reason="only where modes of files hold, or root can do without its powers",
)


def renex(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "renex_jupyter.cli.main", *words]
    return subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, check=False)


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


def test_a_warning_is_one_line_without_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "fold_in_background", False)  # it makes the file again, too
    project = tmp_path
    monkeypatch.chdir(project)
    with rx.start_run("train"):
        pass
    (project / ".renex" / "store.json").unlink()
    done = renex(project, "sql", "select 1 as one")
    said = f"renex: {project}/.renex/store.json was damaged or missing, and is made again\n"
    assert (done.returncode, done.stderr) == (0, said)
    assert renex(project, "sql", "select 1 as one").stderr == ""


def test_a_warning_of_a_library_is_one_line_too(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warns(**_: object) -> str:
        warnings.warn("of a\nlibrary", UserWarning, stacklevel=1)
        return "done"

    monkeypatch.setattr(keeping, "gc", warns)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", ResourceWarning)  # of what a test before left to the collector
        assert main(["gc"]) == 0
    assert capsys.readouterr() == ("done\n", "renex: of a library\n")


def test_text_is_for_people(project: Path) -> None:
    assert "train" in renex(project, "ls").stdout
    assert "start" in renex(project, "ls", "snapshots").stdout
    assert "lr 0.1" in renex(project, "show", "train").stdout
    assert "renex" in renex(project, "status").stdout


def test_what_is_long_is_shown_by_its_beginning_and_in_full_as_json(project: Path) -> None:
    with rx.start_run("long"):
        rx.log_params({"a": "x" * 100_000, **{f"p{number}": number for number in range(60)}})
    shown = renex(project, "show", "long").stdout
    assert f"  a {'x' * 200}... (100,000 characters), p0 0," in shown
    assert "and 21 more" in shown
    assert json.loads(renex(project, "show", "long", "--json").stdout)["params"]["a"] == "x" * 100_000


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


def powerless() -> list[str]:
    """Return what starts a command without root's power to read everything."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]


def as_nobody_special(folder: Path, *words: str, **variables: str) -> dict[str, Any]:
    """Run a verb that must be refused, and return the error."""
    command = [*powerless(), sys.executable, "-m", "renex_jupyter.cli.main", *words]
    environment = {**os.environ, **variables}
    done = subprocess.run(
        [*command, "--json"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, "")
    return dict(json.loads(done.stdout)["error"])


@needs_modes
@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["ls"],
        ["show", "a"],
        ["sql", "select 1"],
        ["fsck"],
        ["gc"],
        ["export", "a.zip"],
        ["import", "a.zip"],
    ],
)
def test_a_store_that_may_not_be_entered_is_told_with_its_owner(project: Path, words: list[str]) -> None:
    store, below = project / ".renex", project / "below"
    below.mkdir()
    store.chmod(0)
    try:
        error = as_nobody_special(below, *words)
    finally:
        store.chmod(0o700)
    assert error["code"] == "permission"
    assert f"{store} belongs to " in error["message"] and "mode 0000" in error["message"]
    assert "RENEX_STORE" in error["hint"]


@needs_modes
def test_python_is_told_of_a_closed_store_by_an_error_of_ours(project: Path) -> None:
    program = "import renex_jupyter as rx\ntry: rx.search_runs()\nexcept rx.RenexError as error: print(error.code)"
    store = project / ".renex"
    store.chmod(0)
    try:
        command = [*powerless(), sys.executable, "-c", program]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    finally:
        store.chmod(0o700)
    assert done.stdout == "permission\n", done.stderr


@needs_modes
def test_a_store_in_a_folder_that_may_not_be_entered_names_that_folder(project: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "inside").mkdir(parents=True)
    closed.chmod(0)
    try:
        error = as_nobody_special(project, "ls", RENEX_STORE=str(closed / "inside" / ".renex"))
    finally:
        closed.chmod(0o700)
    assert (error["code"], f"{closed} belongs to " in error["message"]) == ("permission", True)


@needs_modes
@pytest.mark.parametrize("words", [["ls"], ["fsck"]])
def test_a_part_of_a_store_that_may_not_be_read_is_told_and_no_traceback(project: Path, words: list[str]) -> None:
    part = project / ".renex" / "journal"
    part.chmod(0)
    try:
        error = as_nobody_special(project, *words)
    finally:
        part.chmod(0o700)
    assert (error["code"], f"{part} belongs to " in error["message"]) == ("permission", True)


def test_a_store_that_is_no_folder_is_told(project: Path) -> None:
    for place in ("pyproject.toml", "pyproject.toml/store"):
        error = as_nobody_special(project, "ls", RENEX_STORE=str(project / place))
        assert (error["code"], "pyproject.toml" in error["message"]) == ("invalid_argument", True)


def test_a_file_that_is_called_as_a_store_is_passed_over(project: Path) -> None:
    below = project / "below"
    below.mkdir()
    (below / ".renex").write_text("")
    assert "train" in renex(below, "ls").stdout


def test_doctor_names_what_it_looked_at(project: Path) -> None:
    report = json.loads(renex(project, "doctor", "--json").stdout)
    found = {each["name"]: each for each in report["findings"]}
    assert found["store"]["ok"] and "1 run" in found["store"]["detail"]
    assert found["duckdb"]["ok"]


def test_doctor_says_why_the_last_fold_failed_also_when_no_reason_could_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings(), "fold_in_background", False)  # one that succeeds takes the file away
    with rx.start_run("train"):
        pass
    for written, told in (("disk full\n", "the last fold failed: disk full"), ("", "no reason could be written")):
        (tmp_path / ".renex" / "fold.error").write_text(written)
        done = renex(tmp_path, "doctor")
        assert (done.returncode, told in done.stdout) == (1, True)


def test_help_tells_of_json_and_the_exit_status_and_of_what_is_needed(project: Path) -> None:
    meant = {
        "": "1 the answer says",
        "list": "2 an error",
        "fsck": "1 something that was",
        "export": "1 the file lacks",
    }
    meant |= {"task": "1 the run has failed", "verify": "1 the verdict is different", "rerun": "1 the run has not"}
    for verb, one in meant.items():
        shown = " ".join(renex(project, *verb.split(), "-h").stdout.split())
        assert "--json" in shown and f"Exit status: 0 done, {one}" in shown
    assert "[-- ARGS for JupyterLab]" in renex(project, "lab", "-h").stdout
    assert "Make the index anew." in renex(project, "rebuild", "-h").stdout
    assert "FILE [RUN ...]" in renex(project, "export", "-h").stdout
    assert "required: FILE." in renex(project, "export").stderr


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (("task", "x", "--tmeout", "3", "--", "true"), "renex task NAME [key=value ...] [options] -- command"),
        (("env", "build", "lean", "--python", "3.11"), "renex env build [-h]"),
        (("ls", "--lmit=3"), "renex ls [-h]"),
    ],
)
def test_a_word_that_a_verb_does_not_know_is_told_with_its_usage(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], usage: str
) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "unrecognized arguments: --" in said and f"Hint: Usage: {usage}" in said


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ("List with %renex ls.", "List with renex ls."),
        ("Record it: %task train -- ls, %%task or %task.", "Record it: renex task train -- ls, %%task or renex task."),
        ("Go on: allow_missing=True (--allow-missing).", "Go on: --allow-missing."),
        ("On another one: base_image=... (--base-image).", "On another one: --base-image."),
        ("Choose a new folder with to=..., please.", "Choose a new folder with --to FOLDER, please."),
    ],
)
def test_a_hint_is_what_is_typed_in_a_terminal(hint: str, said: str) -> None:
    assert for_terminal(hint) == said


def test_an_interrupt_is_told_where_it_says_something(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(**_: object) -> None:
        raise KeyboardInterrupt("gc was stopped, the store is whole")

    monkeypatch.setattr(keeping, "gc", stopped)
    assert (main(["gc"]), capsys.readouterr().err) == (130, "renex: gc was stopped, the store is whole\n")


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
