"""Namespaces, experiments, notes, tags and edits of runs from a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from terminal import refused, say, told

import renex_jupyter as rx
from renex_jupyter.cli.verbs import parser_for, run_verb, split


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    rx.set_experiment("digits", namespace="vision")
    with rx.start_run("search"), rx.start_run("depth 2"):
        rx.log_metric("loss", 1.0)
    rx.set_experiment("default", namespace="default")
    return tmp_path


def names(rows: list[dict[str, str]]) -> list[str]:
    return [row["name"] for row in rows]


def test_an_experiment_is_described_renamed_moved_and_deleted(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("-m", "reads <digits>", "--owner", "ada", "--link", "https://ci/1", "--metadata", "k=1", "--star")
    made = told(capsys, "experiment", "edit", "vision/digits", *words)
    assert (made["description"], made["owner"], made["metadata"], made["starred"]) == (
        "reads <digits>",
        "ada",
        {"k": 1},
        True,
    )
    told(capsys, "experiment", "edit", "vision/digits", "--name", "numbers", "--namespace", "sight")
    assert names(told(capsys, "ls", "experiments", "--namespace", "sight")) == ["numbers"]
    assert names(told(capsys, "experiment", "ls", "--starred")) == ["numbers"] == names(told(capsys, "experiment"))
    assert "reads <digits>" in say(capsys, "show", "experiment:sight/numbers")
    assert refused(capsys, "experiment", "delete", "sight/numbers", "--yes")["code"] == "conflict"
    assert told(capsys, "experiment", "delete", "sight/numbers", "--runs")["dry_run"] is True
    assert told(capsys, "experiment", "delete", "sight/numbers", "--runs", "-y")["counts"]["runs"] == 2
    assert refused(capsys, "show", "experiment:sight/numbers")["code"] == "not_found"
    assert told(capsys, "experiment", "create", "numbers", "--framework", "jax")["framework"] == "jax"


def test_a_namespace_is_described_renamed_archived_and_deleted(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "namespace", "create", "sound", "-m", "ears")["description"] == "ears"
    assert told(capsys, "namespace", "edit", "vision", "--name", "sight", "--archive")["archived"] is True
    assert names(told(capsys, "ls", "namespaces")) == ["sound"]
    assert (
        names(told(capsys, "ls", "namespaces", "-a"))
        == ["sight", "sound"]
        == names(told(capsys, "namespace", "ls", "-a"))
    )
    assert told(capsys, "namespace", "show", "sight")["runs"] == 2 == told(capsys, "show", "namespace:sight")["runs"]
    assert told(capsys, "namespace", "delete", "sound")["name"] == "sound"
    assert refused(capsys, "namespace", "delete", "sight")["code"] == "conflict"


def test_runs_are_listed_by_where_they_are_and_what_is_archived_is_not(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with rx.start_run("far", tags={"a": "b"}):
        pass
    assert names(told(capsys, "ls")) == ["far", "depth 2", "search"]
    assert names(told(capsys, "ls", "--namespace", "vision")) == ["depth 2", "search"]
    assert names(told(capsys, "ls", "--experiment", "vision/digits")) == ["depth 2", "search"]
    by_name = {row["name"]: row for row in told(capsys, "ls")}
    assert by_name["depth 2"]["parent_run_id"] == by_name["search"]["run_id"]
    assert "parent_run_id" not in told(capsys, "ls", "--namespace", "default")[0]
    assert (
        told(capsys, "run", "edit", "far", "--name", "near", "--experiment", "numbers", "--star")["experiment"]
        == "numbers"
    )
    assert names(told(capsys, "ls", "--starred")) == ["near"]
    told(capsys, "experiment", "edit", "vision/digits", "--archive")
    assert names(told(capsys, "ls")) == ["near"] and len(told(capsys, "ls", "-a")) == 3
    assert names(told(capsys, "ls", "--experiment", "vision/digits")) == ["depth 2", "search"]
    assert refused(capsys, "ls", "environments", "--namespace", "vision")["code"] == "invalid_argument"


def test_a_run_is_deleted_when_yes_is_said(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "would be deleted" in say(capsys, "run", "delete", "search")
    assert told(capsys, "run", "delete", "search", "-y")["counts"]["runs"] == 2
    assert told(capsys, "ls", "-a") == []
    assert refused(capsys, "run", "show", "search")["code"] == "not_found"


def test_notes_and_tags_are_put_on_anything(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    note = told(capsys, "note", "run:search", "it", "**overfits**", "--kind", "feedback")
    assert (note["text"], note["kind"], note["owner_kind"]) == ("it **overfits**", "feedback", "run")
    told(capsys, "note", "experiment:vision/digits", "more")
    assert [row["text"] for row in told(capsys, "note", "run:search")] == ["it **overfits**"]
    assert (
        len(told(capsys, "ls", "notes", "--namespace", "vision")) == 2
        and told(capsys, "ls", "notes", "--namespace", "x") == []
    )
    assert told(capsys, "note", note["note_id"], "less", "--edit")["text"] == "less"
    assert told(capsys, "note", note["note_id"], "--delete")["text"] == "less"
    assert told(capsys, "note", "run:search") == []
    assert told(capsys, "tag", "run:search", "keep=yes", "why=a=b") == [
        {"key": "keep", "value": "yes"},
        {"key": "why", "value": "a=b"},
    ]
    assert (
        told(capsys, "tag", "search", "-d", "why") == [{"key": "keep", "value": "yes"}] == told(capsys, "tag", "search")
    )
    assert refused(capsys, "tag", "search", "keep")["code"] == "invalid_argument"
    assert refused(capsys, "tag", "search", "-d", "why")["code"] == "not_found"


def test_a_notebook_has_the_same_verbs(project: Path) -> None:
    parser = parser_for("%renex", notebook=True)
    assert run_verb(parser, split("experiment edit vision/digits --star")).starred
    assert run_verb(parser, split('note experiment:vision/digits "a b"')).text == "a b"
    assert list(run_verb(parser, split("ls experiments"))["name"]) == ["digits"]
