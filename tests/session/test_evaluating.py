"""Evaluations and comparisons of what was logged, in a real store."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

import renex_jupyter as rx
from renex_jupyter.session import current as sessions

N = 300


def people(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"age": rng.integers(18, 80, N), "sex": rng.choice(["F", "M"], N)})
    frame["rich"] = np.where(rng.random(N) < frame["age"] / 100, "yes", "no")
    frame.loc[:4, "rich"] = None
    return frame


def guesses(frame: pd.DataFrame, skill: float, seed: int) -> np.ndarray:
    """Probabilities of "yes"."""
    rng = np.random.default_rng(seed)
    return np.clip((frame["rich"] == "yes") * skill + rng.random(len(frame)) * (1 - skill), 0, 1).to_numpy().round(3)


def lay_down(folder: Path) -> dict[str, Any]:
    """Make a project in the current folder: a dataset, two model versions, and what they predicted."""
    frame = people()
    (folder / "pyproject.toml").write_text("[project]\nname='p'\n")
    (folder / "w").write_bytes(b"weights")
    version = rx.create_dataset("people", frame, target="rich", task="classification")
    found: dict[str, Any] = {"frame": frame, "version": version, "folder": folder}
    for name, skill, seed in (("old", 0.1, 1), ("new", 0.4, 2)):
        model = rx.register_model("tree", path="w", description=name)
        high = guesses(frame, skill, seed)
        labels = np.where(high > 0.5, "yes", "no")
        found[name] = rx.log_predictions("people", labels, probabilities=high, classes=["no", "yes"], model=model)
        found[f"{name} p"], found[f"{name} y"] = high, labels
    return found


@pytest.fixture
def predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A project of the test's own."""
    monkeypatch.chdir(tmp_path)
    return lay_down(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A project that is only asked."""
    folder = tmp_path_factory.mktemp("asked")
    with contextlib.chdir(folder):
        sessions.reset()
        return lay_down(folder)


@pytest.fixture
def asked(made: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The project that is only asked, as the current folder."""
    monkeypatch.chdir(made["folder"])
    return made


def test_what_is_measured_is_that_of_scikit_learn_and_logged_on_the_model_version(predicted: dict[str, Any]) -> None:
    found = rx.evaluate("people", model="tree:2")
    known = predicted["frame"]["rich"].notna()
    truth, high, said = (
        predicted["frame"]["rich"][known] == "yes",
        predicted["new p"][known],
        predicted["new y"][known],
    )
    assert found.metrics["accuracy"] == pytest.approx(((said == "yes") == truth).mean(), rel=1e-12)
    assert found.metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, high), rel=1e-12)
    assert found.metrics["log_loss"] == pytest.approx(sk.log_loss(truth, high), rel=1e-12)
    assert (found.n, found.samples, found.without_truth, found.logged) == (295, 300, 5, True)
    assert (found.model, found.positive) == ("default/tree:2", "yes")
    logged = rx.metric_history(on="tree:2")
    assert set(logged["dataset"]) == {"people:1"}
    assert dict(zip(logged["key"], logged["value"], strict=True)) == pytest.approx(found.metrics)
    assert rx.get_model_version("tree:2").logged["accuracy@people:1"] == pytest.approx(found.metrics["accuracy"])


def test_policies_are_asked_about_what_was_measured(predicted: dict[str, Any]) -> None:
    rx.set_policy("tree", "label", alias="champion", metric="accuracy", dataset="people:1")
    for each in ("tree:1", "tree:2", "tree:1"):
        rx.evaluate("people", model=each)
    assert rx.get_model_version("tree@champion").version == 2


def test_a_policy_about_a_dataset_means_its_newest_version(predicted: dict[str, Any]) -> None:
    rx.set_policy("tree", "label", alias="champion", metric="accuracy", dataset="people")
    for each in ("tree:1", "tree:2"):
        rx.evaluate("people", model=each)
    assert rx.get_model_version("tree@champion").version == 2
    rx.create_dataset("people", people(seed=1), target="rich")
    asked = [each.reason for each in rx.evaluate_policies("tree")]
    missing = "accuracy is not measured on dataset 'people' (but on 'people:1')"
    assert asked == [f"v1 waits: {missing}", f"v2 stays champion: {missing}, no other version beats it"]


def test_without_log_nothing_is_logged_and_the_newest_predictions_are_meant(asked: dict[str, Any]) -> None:
    found = rx.evaluate("people", log=False)
    assert found.prediction_set_id == asked["new"].prediction_set_id
    assert not found.logged
    assert rx.metric_history(on="tree:2").empty
    assert rx.evaluate(asked["version"], asked["old"], log=False).model == "default/tree:1"


def test_predictions_of_no_model_are_measured_and_not_logged(predicted: dict[str, Any]) -> None:
    rx.log_predictions("people", ["yes"] * N, name="always yes")
    found = rx.evaluate("people", "always yes")
    assert (found.model, found.logged) == (None, False)
    assert found.metrics["recall"] == 1


def test_matrix_curves_and_calibration_are_asked_alone(asked: dict[str, Any]) -> None:
    known = asked["frame"]["rich"].notna()
    truth, high = asked["frame"]["rich"][known] == "yes", asked["new p"][known]
    matrix = rx.confusion_matrix("people", model="tree:2")
    assert matrix.loc[["no", "yes"], ["no", "yes"]].to_numpy().tolist() == (
        sk.confusion_matrix(truth, asked["new y"][known] == "yes").tolist()
    )
    assert matrix.loc["(no ground truth)"].sum() == 5
    roc = rx.roc_curve("people", model="tree:2", points=None)
    assert roc.attrs["auc"] == pytest.approx({"yes": sk.roc_auc_score(truth, high)})
    assert roc["tpr"].tolist() == pytest.approx(sk.roc_curve(truth, high)[1].tolist())
    pr = rx.precision_recall_curve("people", model="tree:2", positive="no")
    assert pr.attrs["average_precision"] == pytest.approx({"no": sk.average_precision_score(~truth, 1 - high)})
    assert rx.calibration("people", model="tree:2").brier == pytest.approx(sk.brier_score_loss(truth, high))


def test_two_versions_are_compared(asked: dict[str, Any]) -> None:
    found = rx.compare_predictions("people", "tree:1", "tree:2")
    frame = asked["frame"]
    known = frame["rich"].notna().to_numpy()
    wrong = [(asked[f"{name} y"] != frame["rich"].to_numpy()) & known for name in ("old", "new")]
    assert (found.fixed, found.broken) == ((wrong[0] & ~wrong[1]).sum(), (~wrong[0] & wrong[1]).sum())
    assert found.verdict.startswith("default/tree:2 is better")
    assert found.metrics["accuracy"][1] == pytest.approx(rx.evaluate("people", "tree:2", log=False).metrics["accuracy"])
    assert {each.way for each in found.samples} == {"fixed", "broken"}
    assert found == rx.compare_predictions("people", asked["old"], asked["new"])
    back = rx.compare_predictions("people", "tree:2", "tree:1")
    assert back.difference == pytest.approx(-found.difference)
    assert back.p_mcnemar == found.p_mcnemar
    assert back.verdict.startswith("default/tree:2 is better")


def test_numbers_are_measured_and_their_residuals_binned_by_a_column(project: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "rooms": rng.integers(1, 9, N).astype(float),
            "town": rng.choice(["a", "b"], N),
            "price": rng.normal(300, 40, N),
        }
    )
    said = frame["price"] + rng.normal(0, 5, N) * frame["rooms"]
    frame.loc[0, "rooms"] = np.inf
    rx.create_dataset("houses", frame, target="price", task="regression")
    rx.log_predictions("houses", said, name="line")
    found = rx.evaluate("houses")
    assert found.metrics["r2"] == pytest.approx(sk.r2_score(frame["price"], said), rel=1e-12)
    by_rooms = rx.residuals("houses", by="rooms", bins=4)
    assert by_rooms["n"].sum() == N - 1  # without the one that is not finite
    assert by_rooms["std"].iloc[0] * 2 < by_rooms["std"].iloc[-1]
    assert len(by_rooms.attrs["sample"]) == N
    assert rx.residuals("houses")["n"].sum() == N
    with pytest.raises(rx.RenexError, match="'town'"):
        rx.residuals("houses", by="town")
    with pytest.raises(rx.RenexError, match="not classification"):
        rx.roc_curve("houses")
    with pytest.raises(rx.RenexError, match="no classes"):
        rx.confusion_matrix("houses")


WRONG = [
    (lambda: rx.evaluate("nowhere"), "nowhere"),
    (lambda: rx.evaluate("people", model="tree:9"), "tree:9"),
    (lambda: rx.evaluate("people", "tree:1", model="tree:2"), "Give one of them"),
    (lambda: rx.evaluate("people", log="no"), "log='no'"),
    (lambda: rx.evaluate("people", positive="maybe"), "'maybe' is no class"),
    (lambda: rx.roc_curve("people", points=1), "points=1"),
    (lambda: rx.calibration("people", bins=0), "bins=0"),
    (lambda: rx.calibration("people", strategy="wide"), "'wide'"),
    (lambda: rx.residuals("people"), "not regression"),
    (lambda: rx.compare_predictions("people", "tree:1", "tree:1"), "both are"),
    (lambda: rx.compare_predictions("people", "tree:1", None), "b names no predictions"),
    (lambda: rx.compare_predictions("people", "tree:1", "tree:2", columns="sex"), "is a text"),
    (lambda: rx.compare_predictions("people", "tree:1", "tree:2", columns=["zip"]), "'zip'"),
    (lambda: rx.compare_predictions("people", "tree:1", "tree:2", error="squared"), "no error of"),
    (lambda: rx.compare_predictions("people", "tree:1", "tree:2", resamples=0), "resamples=0"),
]


def test_bad_input_is_refused_by_name(asked: dict[str, Any]) -> None:
    for call, word in WRONG:
        with pytest.raises(rx.RenexError) as refused:
            call()
        assert word in str(refused.value)


@pytest.mark.slow
def test_the_code_of_the_docs_runs_and_does_what_they_say(project: Path) -> None:
    text = (Path(__file__).parents[2] / "docs/evaluation.md").read_text()
    names: dict[str, Any] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), names)
    rx.end_run()
    assert rx.get_model_version("tumours:2").logged["f1@tumours:1"] > 0.9
    assert names["found"].n == 190
