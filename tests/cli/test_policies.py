"""Policies from a terminal and with `%renex policy`."""

from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from terminal import refused, say, told

import renex_jupyter as rx
from renex_jupyter.session.evaluations import evaluate

RULE = ("alias=champion", "metric=accuracy", "margin=0.002", "where=latency_ms < 20")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "model.bin").write_bytes(b"weights")
    for accuracy in (0.94, 0.95):
        rx.register_model("digits", path="model.bin", metrics={"accuracy": accuracy, "latency_ms": 10.0})
    return tmp_path


def test_a_terminal_declares_lists_checks_applies_and_tells_the_history(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = told(capsys, "policy", "set", "digits", "label", *RULE)
    assert made["rule"] == {"alias": "champion", "metric": "accuracy", "margin": 0.002, "where": "latency_ms < 20"}
    assert [row["name"] for row in told(capsys, "policy", "ls")] == ["champion by accuracy"]
    assert told(capsys, "policy", "ls", "digits") == told(capsys, "policy", "list", "digits") == told(capsys, "policy")
    assert "v2 would be promoted to champion" in say(capsys, "policy", "check", "digits")
    assert rx.get_model("digits").aliases == {}
    found = told(capsys, "policy", "apply", "digits")
    assert [(each["version"], each["verdict"]) for each in found] == [(1, "unmet"), (2, "met")]
    assert rx.get_model("digits").aliases == {"champion": 2}
    assert len(told(capsys, "policy", "check", "digits", "v1")) == 1
    history = told(capsys, "policy", "history", "digits", "champion by accuracy", "-n", "1")
    assert len(history) == 1
    assert "0.94" in say(capsys, "policy", "history", "digits")


def test_a_terminal_switches_a_policy_off_and_on_and_takes_it_away(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(
        capsys, "policy", "set", "digits", "require", "alias=champion,challenger", "description=true", "--name", "words"
    )
    assert told(capsys, "policy", "ls")[0]["name"] == "words"
    assert rx.get_policy("digits", "words").rule == {"alias": ["champion", "challenger"], "description": True}
    assert told(capsys, "policy", "disable", "digits", "words")["enabled"] is False
    assert told(capsys, "policy", "enable", "digits", "words")["enabled"] is True
    assert told(capsys, "policy", "delete", "digits", "words")["name"] == "words"
    assert told(capsys, "policy", "ls") == []


def test_a_terminal_declares_the_policies_of_a_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "policies.toml").write_text('[[policy]]\nmodel = "digits"\nkind = "evaluate"\ndatasets = ["test"]\n')
    assert [each["kind"] for each in told(capsys, "policy", "set", "--file", "policies.toml")] == ["evaluate"]
    assert "said everything" not in say(capsys, "policy", "set", "digits", "--file", "policies.toml")
    assert refused(capsys, "policy", "set", "digits", "label", "--file", "policies.toml")["code"] == "invalid_argument"


def test_contents_are_released_only_with_yes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys, "policy", "set", "digits", "retain", "keep_last=1")
    error = refused(capsys, "policy", "apply", "digits")
    assert "v1 would be released for good" in error["message"]
    assert rx.get_model_version("digits:1").status == "active"
    told(capsys, "policy", "apply", "digits", "--yes")
    assert rx.get_model_version("digits:1").status == "released"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set",), "of a model and of a kind"),
        (("set", "digits"), "of a model and of a kind"),
        (("set", "digits", "label", "alias"), "no KEY=VALUE"),
        (("set", "digits", "label", "alias=a", "alias=b"), "twice"),
        (("set", "digits", "label", "alias=a", "metric=b", "margin=much"), "margin 'much' is no number"),
        (("set", "digits", "label", "alias=a", "metrics=b"), "has no 'metrics'"),
        (("check", "nothing"), "no model"),
        (("history", "digits", "nothing"), "no policy"),
        (("history", "digits", "-n", "0"), "no number of rows"),
    ],
)
def test_what_a_terminal_cannot_do_is_refused_with_the_reason(
    project: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert said in refused(capsys, "policy", *words)["message"]


def test_a_notebook_declares_and_checks_with_the_magic(project: Path) -> None:
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "renex_jupyter")
    shell.run_line_magic(
        "renex", 'policy set digits label alias=champion metric=accuracy where="accuracy > 0.9 and latency_ms < 20"'
    )
    assert rx.get_policy("digits", "champion by accuracy").rule["where"] == "accuracy > 0.9 and latency_ms < 20"
    found = shell.run_line_magic("renex", "policy check digits")
    assert len(found) == 2 and "would be promoted" in str(found)


def test_without_yes_nothing_is_released_whatever_the_other_policies_do(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rx.set_alias("digits", "champion", 1)
    told(capsys, "policy", "set", "digits", "label", *RULE)
    told(capsys, "policy", "set", "digits", "retain", "keep_last=1")
    assert "v1 would be released" in refused(capsys, "policy", "apply", "digits")["message"]
    assert rx.get_model("digits").aliases == {"champion": 1}
    assert evaluate("digits", acts=True, releases=False).verdicts[-1].reason.startswith("v1 can go")
    assert rx.get_model("digits").aliases == {"champion": 2} and rx.get_model_version("digits:1").status == "active"


def test_a_terminal_makes_a_model_and_hints_in_its_own_words(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, "policy", "set", "faces", "evaluate", "datasets=test")
    assert "renex model create" in error["hint"]
    assert told(capsys, "model", "create", "faces", "--task", "detection")["task"] == "detection"
    told(capsys, "policy", "set", "faces", "evaluate", "datasets=test")
    assert "renex policy ls default/faces" in refused(capsys, "policy", "disable", "faces", "measure")["hint"]
