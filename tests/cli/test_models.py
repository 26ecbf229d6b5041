"""Models from a terminal and with `%renex model`."""

from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from terminal import refused, say, told

import renex_jupyter as rx
from renex_jupyter.cli.main import main


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, a project with a model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "w").write_bytes(b"weights")
    return tmp_path


def test_a_terminal_registers_names_lists_shows_compares_and_loads(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["model", "register", "vision/digits", "--path", "w", "--label", "small", "--description", "d"]
    made = told(capsys, *words, "--metrics", "accuracy=0.9", "--params", "lr=0.1", "--dataset", "mnist")
    assert (made["version"], made["metrics"], made["params"]) == (1, {"accuracy": 0.9}, {"lr": 0.1})
    assert (made["labels"], made["dataset"], made["model"]) == (["small"], "mnist", "digits")
    assert told(capsys, *words, "--framework", "own")["same_as"] == 1
    assert told(capsys, "model", "alias", "vision/digits", "champion", "1", "-m", "best")["aliases"] == ["champion"]
    assert told(capsys, "model", "label", "vision/digits", "fast", "@champion")["labels"] == ["fast"]
    rows = told(capsys, "model", "ls", "vision/digits")
    assert [row["version"] for row in rows] == [2, 1] and rows[1]["aliases"] == ["champion"]
    assert "champion" in say(capsys, "model", "ls", "vision/digits") and "[" not in say(capsys, "ls", "models")
    assert told(capsys, "ls", "models")[0]["aliases"] == {"champion": 1} == told(capsys, "model")[0]["aliases"]
    assert told(capsys, "model", "ls", "--namespace", "nowhere") == []
    assert told(capsys, "show", "vision/digits@champion")["version"] == 1
    assert (
        told(capsys, "show", "vision/digits")["versions"]
        == 2
        == told(capsys, "model", "show", made["model_id"])["versions"]
    )
    assert told(capsys, "model", "show", made["model_version_id"][:12])["version"] == 1
    assert "framework own" in say(capsys, "model", "compare", "vision/digits:1", "2")
    assert told(capsys, "model", "compare", "vision/digits:1", "2", "--all")["unchanged"]["metrics"] == {}
    path = Path(say(capsys, "model", "load", "vision/digits@champion").strip())
    assert path.read_bytes() == b"weights"
    assert told(capsys, "model", "load", "vision/digits:2", "--to", "out") == str(project / "out")


def test_a_terminal_decides_edits_and_takes_away(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        rx.register_model("digits", path="w")
    say(capsys, "model", "alias", "digits", "champion", "1")
    assert refused(capsys, "model", "retire", "digits:1", "too", "slow")["code"] == "conflict"
    replaced = told(capsys, "model", "replace", "digits@champion", "2", "too", "slow")
    assert (replaced["decision"], replaced["reason"], replaced["successor"]) == (
        "replace",
        "too slow",
        "default/digits:2",
    )
    assert told(capsys, "model", "retire", "digits:3", "bad")["decision"] == "retire"
    assert told(capsys, "model", "restore", "digits:3", "not", "bad")["reason"] == "not bad"
    assert "is taken away" in say(capsys, "model", "alias", "digits", "champion", "--remove")
    rx.set_label("digits", "small", 2)
    assert "is taken away" in say(capsys, "model", "label", "digits", "small", "--remove")
    assert told(capsys, "model", "edit", "digits", "--task", "ocr", "--star", "--name", "numbers")["starred"]
    assert told(capsys, "model", "edit", "numbers:2", "--description", "d")["description"] == "d"
    assert refused(capsys, "model", "edit", "numbers:2", "--task", "ocr")["code"] == "invalid_argument"
    assert "--yes" in refused(capsys, "model", "delete", "numbers:3")["hint"]
    assert "its number is not given again" in say(capsys, "model", "delete", "numbers:3", "--yes")
    assert "--versions" in refused(capsys, "model", "delete", "numbers", "--yes")["hint"]
    assert "is deleted" in say(capsys, "model", "delete", "numbers", "--versions", "--yes")
    assert told(capsys, "ls", "models") == []


def test_a_run_and_its_artifact_are_registered_from_a_terminal(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with rx.start_run("train") as run:
        rx.log_artifact("w", kind="model")
    assert told(capsys, "model", "register", "digits", "--run", "train")["run_id"] == run.run_id
    made = told(capsys, "model", "register", "digits", "--artifact", "w", "--run", run.run_id)
    assert made["run"] == "train"


@pytest.mark.parametrize(
    ("words", "code"),
    [("show digits@nothing", "not_found"), ("show nothing@champion", "not_found"), ("show nothing", "not_found"),
     ("model show nothing", "not_found"), ("model show digits:9", "not_found"), ("model ls nothing", "not_found"),
     ("model ls -n 0", "invalid_argument"), ("model alias digits champion", "invalid_argument"),
     ("model alias digits latest 1", "invalid_argument"), ("model alias digits champion 1 --remove", "invalid_argument"),
     ("model register digits", "invalid_argument"), ("model retire digits:1", "invalid_argument"),
     ("model load digits:7", "not_found"), ("model compare digits:1", "invalid_argument"),
     ("model register digits --path nowhere", "not_found"), ("model nothing", "invalid_argument"),
     ("model register digits --path w --metrics a=b", "unsupported_value")],
)  # fmt: skip
def test_what_is_wrong_is_told_with_a_code(
    project: Path, capsys: pytest.CaptureFixture[str], words: str, code: str
) -> None:
    rx.register_model("digits", path="w")
    assert refused(capsys, *words.split())["code"] == code
    assert len(rx.list_model_versions("digits")) == 1


def test_a_hint_for_a_terminal_names_its_own_words(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rx.register_model("digits", path="w")
    rx.set_alias("digits", "champion", 1)
    assert main(["show", "digits@champio"]) == 2
    assert "did you mean 'default/digits@champion'? List with renex model ls" in capsys.readouterr().err
    assert main(["model", "retire", "digits:1", "bad"]) == 2
    assert "--force takes it away" in capsys.readouterr().err


def test_a_notebook_has_the_same_verbs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = InteractiveShell()
    shell.run_cell("%load_ext renex_jupyter")
    rx.register_model("digits", path="w", description="the first")
    assert shell.run_line_magic("renex", "model show digits:1").description == "the first"
    assert shell.run_line_magic("renex", "show digits").versions == 1
    assert list(shell.run_line_magic("renex", "ls models")["name"]) == ["digits"]
    decision = shell.run_line_magic("renex", 'model retire digits:1 "too slow"')
    assert decision.reason == "too slow"
    capsys.readouterr()


def test_the_help_of_every_verb_is_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in (
        "ls",
        "show",
        "register",
        "alias",
        "label",
        "compare",
        "load",
        "retire",
        "restore",
        "replace",
        "edit",
        "delete",
    ):
        assert f"usage: renex model {verb}" in say(capsys, "model", verb, "-h")
