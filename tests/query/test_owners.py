"""What `on=` means, asked of a real store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.query.owners import find_owner
from renex_jupyter.session.current import current


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run, a snapshot, a model and an experiment, in a namespace."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    rx.set_experiment("digits", namespace="vision")
    with rx.start_run("train"):
        rx.log_param("lr", 0.1)
    rx.snapshot("kept", label="start")
    rx.create_model("reader")
    return tmp_path


def owner(wanted: object, namespace: str = "vision") -> tuple[str, str]:
    found = find_owner(current().store.reader, wanted, namespace)
    assert found.namespace == "vision" and found.title
    return found.kind, found.id


def test_a_word_with_its_kind_means_that_one(project: Path) -> None:
    run, taken = rx.get_run("train"), rx.get_snapshot("start")
    experiment, namespace = rx.get_experiment("digits"), rx.get_namespace("vision")
    meant: dict[str, tuple[str, str]] = {
        "run:train": ("run", run.run_id),
        f"run:{run.run_id[:8]}": ("run", run.run_id),
        "train": ("run", run.run_id),
        "start": ("snapshot", taken.snapshot_id),
        "snapshot:start": ("snapshot", taken.snapshot_id),
        "experiment:digits": ("experiment", experiment.experiment_id),
        "experiment:vision/digits": ("experiment", experiment.experiment_id),
        f"experiment:{experiment.experiment_id}": ("experiment", experiment.experiment_id),
        "namespace:vision": ("namespace", namespace.namespace_id),
        "model:reader": ("model", rx.get_model("reader").model_id),
    }
    assert {word: owner(word) for word in meant} == meant


def test_what_our_functions_return_means_itself(project: Path) -> None:
    for kind, record in (
        ("run", rx.get_run("train")),
        ("snapshot", rx.get_snapshot("start")),
        ("experiment", rx.get_experiment("digits")),
        ("namespace", rx.get_namespace("vision")),
        ("model", rx.get_model("reader")),
    ):
        assert owner(record)[0] == kind
    with rx.start_run("open") as active:
        assert owner(active) == ("run", active.run_id)


def test_an_experiment_is_looked_for_in_the_namespace_of_the_session_first(project: Path) -> None:
    other = rx.create_experiment("digits", namespace="sound")
    read = current().store.reader
    assert find_owner(read, "experiment:digits", "sound").id == other.experiment_id
    assert find_owner(read, "experiment:digits", "vision").id != other.experiment_id
    with pytest.raises(RenexError, match=r"not_found: no experiment 'text/digits'"):
        find_owner(read, "experiment:digits", "text")


def test_a_record_of_a_renamed_one_still_means_it(project: Path) -> None:
    experiment, namespace = rx.get_experiment("digits"), rx.get_namespace("vision")
    rx.update_experiment("digits", name="numbers")
    rx.update_namespace("vision", new_name="sight")
    read = current().store.reader
    assert find_owner(read, experiment).title == "experiment 'sight/numbers'"
    assert find_owner(read, namespace).title == "namespace 'sight'"


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("experiment:nobody", "not_found"),
        ("namespace:nobody", "not_found"),
        ("run:nobody", "not_found"),
        ("nobody", "not_found"),
        ("checkpoint:12345678", "not_found"),
        ("", "invalid_argument"),
        ("  ", "invalid_argument"),
        (None, "invalid_argument"),
        (7, "invalid_argument"),
    ],
)
def test_what_means_nothing_is_refused_with_a_hint(project: Path, word: Any, code: str) -> None:
    with pytest.raises(RenexError) as caught:
        find_owner(current().store.reader, word, "vision")
    assert (caught.value.code, bool(caught.value.hint)) == (code, True)
