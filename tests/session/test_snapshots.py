"""Snapshots, diffs and checkouts through the Python API."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError


def test_a_snapshot_keeps_state_and_words(project: Path) -> None:
    taken = rx.snapshot("baseline", label="start", config={"lr": 0.1}, metrics={"accuracy": 0.9})
    found = rx.get_snapshot("start")
    assert found.snapshot_id == taken.snapshot_id == rx.get_snapshot(taken.snapshot_id[:8]).snapshot_id
    assert (found.message, found.label, found.config, found.metrics) == (
        "baseline",
        "start",
        {"lr": 0.1},
        {"accuracy": 0.9},
    )
    assert not found.partial
    files = rx.sql("select path, role, size from snapshot_files order by path")
    assert list(files["path"]) == ["model.py", "pyproject.toml"]
    assert "2 files" in taken.summary and taken.summary == found.summary


def test_the_state_id_is_of_the_state_alone(project: Path) -> None:
    first, second = rx.snapshot("one", config={"a": 1}), rx.snapshot("two", label="x")
    assert first.state_id == second.state_id
    assert first.snapshot_id != second.snapshot_id
    assert list(rx.list_snapshots()["message"]) == ["two", "one"]
    (project / "model.py").rename(project / "net.py")
    assert rx.snapshot().state_id != first.state_id


def test_swapped_contents_are_another_state(project: Path) -> None:
    (project / "a.txt").write_text("1")
    (project / "b.txt").write_text("2")
    first = rx.snapshot()
    (project / "a.txt").write_text("2")
    (project / "b.txt").write_text("1")
    assert rx.snapshot().state_id != first.state_id


@dataclass
class Config:
    lr: float = 0.1
    layers: tuple[int, ...] = (8, 8)


def test_config_and_metrics_come_from_objects_and_files(project: Path) -> None:
    (project / "params.yaml").write_text("lr: 0.2\nopt: {name: adam}\n")
    assert rx.snapshot(config=Config()).config == {"lr": 0.1, "layers": [8, 8]}
    assert rx.get_snapshot(rx.snapshot(config="params.yaml").snapshot_id).config == {"lr": 0.2, "opt": {"name": "adam"}}
    assert rx.snapshot(config=["lr=0.3", "name=x"]).config == {"lr": 0.3, "name": "x"}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"config": {"m": object()}}, "unsupported_value"),
        ({"config": "missing.json"}, "not_found"),
        ({"config": "no_such_variable"}, "not_found"),
        ({"metrics": {"a": "x"}}, "unsupported_value"),
    ],
)
def test_bad_input_is_one_clear_error_and_keeps_nothing(project: Path, given: dict[str, object], code: str) -> None:
    with pytest.raises(RenexError) as error:
        rx.snapshot("bad", **given)  # type: ignore[arg-type]
    assert error.value.code == code
    assert error.value.hint
    assert rx.snapshot("good").message == "good"
    assert len(rx.list_snapshots()) == 1


def test_what_the_open_run_logged_are_the_metrics(project: Path) -> None:
    with rx.start_run() as run:
        rx.log_metric("loss", 0.5)
        taken = rx.snapshot("in the middle")
    assert taken.metrics == {"loss": 0.5}
    assert taken.run_id == run.run_id


def test_words_change_and_the_state_stays(project: Path) -> None:
    taken = rx.snapshot("one", label="a")
    rx.update_snapshot(taken.snapshot_id, message="two", label="")
    found = rx.get_snapshot(taken.snapshot_id)
    assert (found.message, found.label, found.state_id) == ("two", None, taken.state_id)
    events = rx.sql("select before, after from change_events where object_kind = 'snapshots' and action = 'update'")
    assert json.loads(events["before"][0]) == {"message": "one", "label": "a"}


def test_diff_with_now_keeps_nothing(project: Path) -> None:
    rx.snapshot(label="start", config={"lr": 0.1}, metrics={"accuracy": 0.5})
    (project / "new.txt").write_text("x")
    found = rx.diff("start")
    assert [change.path for change in found.files] == ["new.txt"]
    assert not found.config
    assert not found.metrics
    assert len(rx.list_snapshots(hidden=True)) == 1
    assert not rx.diff("start", "start").files


def test_a_checkout_is_the_state_byte_for_byte(project: Path) -> None:
    (project / "data").mkdir()
    (project / "data" / "x.bin").write_bytes(bytes(range(256)) * 1000)
    (project / "run.sh").write_text("#!/bin/sh\n")
    (project / "run.sh").chmod(0o755)
    rx.snapshot(label="start")
    wanted = {
        p.relative_to(project): p.read_bytes() for p in project.rglob("*") if p.is_file() and ".renex" not in p.parts
    }
    (project / "data" / "x.bin").write_bytes(b"")
    result = rx.checkout("start", to="back")
    for path, content in wanted.items():
        assert (project / "back" / path).read_bytes() == content
    assert (project / "back" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (project / "data" / "x.bin").read_bytes() == b""
    assert Path(result.path) == project / "back"
    with pytest.raises(RenexError) as error:
        rx.checkout("start", to="back")
    assert error.value.code == "conflict"
    rx.checkout("start", to="back", force=True)


def test_a_checkout_inside_the_project_is_not_captured(project: Path) -> None:
    first = rx.snapshot(label="start")
    rx.checkout("start", to="back")
    assert rx.snapshot().state_id == first.state_id


def test_an_unknown_snapshot_is_named_with_the_nearest(project: Path) -> None:
    rx.snapshot(label="baseline")
    for ask in (rx.get_snapshot, rx.diff, rx.checkout):
        with pytest.raises(RenexError, match="baselin") as error:
            ask("baselinn")  # type: ignore[operator]
        assert error.value.code == "not_found"


@pytest.mark.parametrize(
    "words",
    [
        *({"label": label} for label in (5, "  ", "a\0b", "\ud800", "x" * 501)),
        *({"message": message} for message in (0, b"kept", "\ud800")),
    ],
    ids=ascii,
)
def test_words_that_are_none_are_refused_before_anything_is_kept(project: Path, words: dict[str, Any]) -> None:
    with pytest.raises(RenexError) as caught:
        rx.snapshot(**words)
    assert caught.value.code == "invalid_argument"
    assert not (project / ".renex").exists()
    kept = rx.snapshot("kept", label="here")
    with pytest.raises(RenexError):
        rx.update_snapshot("here", **words)
    assert (rx.get_snapshot("here").message, rx.get_snapshot("here").snapshot_id) == ("kept", kept.snapshot_id)


@pytest.mark.parametrize(
    "words",
    [
        {"name": 5},
        {"name": ""},
        {"name": " "},
        {"name": "a\0b"},
        {"name": "x" * 501},
        {"params": "ab"},
        {"params": [1]},
    ],
    ids=ascii,
)
def test_a_task_whose_name_or_params_are_none_is_refused_before_anything_is_kept(
    project: Path, words: dict[str, Any]
) -> None:
    for action in (lambda: None, [sys.executable, "-c", ""]):
        with pytest.raises(RenexError) as caught:
            rx.run_task(action, **words)
        assert caught.value.code == "invalid_argument"
    assert not (project / ".renex").exists()


def test_who_works_in_a_folder_that_a_checkout_wrote_keeps_that_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "src").mkdir()
    (project / "src/model.py").write_text("V = 1\n")
    first = rx.snapshot("first")
    rx.checkout(first, to="old")
    (project / "old/src/model.py").write_text("V = 99\n")
    monkeypatch.chdir(project / "old/src")
    second = rx.snapshot("inside")
    assert second.line.count("outside") == 0
    rx.checkout(second, to=project / "out")
    assert (project / "out/src/model.py").read_text() == "V = 99\n"
    assert not (project / "old/.renex").exists()
    monkeypatch.chdir(project)
    third = rx.snapshot("the project again")
    assert third.files_id == first.files_id
    with pytest.raises(RenexError) as caught:
        rx.checkout(second, in_place=True)
    assert caught.value.code == "conflict"
