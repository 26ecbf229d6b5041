"""Drift in a project: versions and windows, models on them, the proposal, and what somebody decided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.ids import new_id
from renex_jupyter.records.changes import Change, now
from renex_jupyter.session.current import current

KEY = "AKIA" + "Q3EGR7TBMMPWZ2XY"  # in the form of one


def frame(n: int, *, seed: int = 0, shift: float = 0.0, days: int = 28) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    at = pd.Timestamp("2026-01-05") + pd.to_timedelta(np.arange(n) * days * 24 * 60 // n, unit="min")
    x = random.normal(size=n)
    x[n // 2 :] += shift
    light = random.choice(["day", "night"], n)
    return pd.DataFrame(
        {"at": at, "x": x, "light": light, "y": np.where(x + random.normal(0, 0.5, n) > 0, "up", "down")}
    )


def predicted(data: pd.DataFrame, *, sure: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    up = 1 / (1 + np.exp(-sure * data["x"].to_numpy()))
    return np.where(up > 0.5, "up", "down"), np.c_[1 - up, up]


def model_version(project: Path, name: str = "m") -> Any:
    (project / "weights").write_text(new_id())
    return rx.register_model(name, path="weights")


def logged(dataset: Any, data: pd.DataFrame, model: Any, **options: Any) -> Any:
    labels, probabilities = predicted(data, **options)
    return rx.log_predictions(dataset, labels, model=model, probabilities=probabilities, classes=["down", "up"])


def test_two_versions_are_compared_and_the_report_is_kept(project: Path) -> None:
    first = rx.create_dataset("shop", frame(400), target="y", time="at")
    second = rx.create_dataset("shop", frame(400, seed=1).assign(x=lambda d: d["x"] + 1), target="y", time="at")
    report = rx.drift(first, second)
    found = {each.name: each for each in report.results}
    assert list(found) == ["x", "light", "y"] and report.facts["left_out"] == {"at": "the time"}
    assert (found["x"].level, found["light"].level, found["y"].role) == ("alert", "none", "label")
    a, b = frame(400)["x"], frame(400, seed=1)["x"] + 1
    assert found["x"].ks == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)
    assert (report.proposal, report.reference, report.current) == ("investigate", "default/shop:1", "default/shop:2")
    assert "drift of 'x'" in report.rule
    kept = rx.get_drift_report(report.drift_report_id[:10])
    assert kept == report
    assert rx.drift("shop:1", record=False).results == report.results  # against the newest version
    listed = rx.list_drift_reports("shop")
    assert list(listed["drift_report_id"]) == [report.drift_report_id] and list(listed["alerts"]) == [1]
    assert rx.sql("select proposal from drift_reports")["proposal"].tolist() == ["investigate"]


def test_one_version_is_cut_into_windows(project: Path) -> None:
    rx.create_dataset("shop", frame(800, shift=2.0), target="y", time="at")
    report = rx.drift("shop", by="week", first=2)
    assert report.period == "at by week, 2026-01-19 to 2026-01-26; reference: 2026-01-05 to 2026-01-12"
    x = next(each for each in report.results if each.name == "x")
    assert [each.window for each in x.windows] == ["2026-01-19", "2026-01-26"]
    assert [each.n for each in x.windows] == [200, 200] and {each.level for each in x.windows} == {"alert"}
    assert x.n_reference == 400
    still = rx.drift("shop", by=200, columns=["x"], record=False)
    assert [each.level for each in still.results[0].windows] == ["none", "alert", "alert"]


def test_a_model_is_measured_in_each_window_and_retraining_is_proposed(project: Path) -> None:
    data = frame(1600)
    data.loc[1200:, "y"] = np.where(data["y"][1200:] == "up", "down", "up")  # the world has turned
    version = rx.create_dataset("shop", data, target="y", time="at")
    model = model_version(project)
    logged(version, data, model)
    report = rx.drift(version, by="at:week", model="m")
    labels, _ = predicted(data)
    wrong = (labels != data["y"]).to_numpy()
    names = [each.window for each in report.performance]
    assert names == ["reference", "current", "2026-01-12", "2026-01-19", "2026-01-26"]
    for place, each in enumerate(report.performance[2:], start=1):
        part = wrong[place * 400 : (place + 1) * 400]
        interval = stats.binomtest(int(part.sum()), len(part)).proportion_ci(method="wilson")
        assert each.value == pytest.approx(part.mean()) and each.low == pytest.approx(interval.low)
    assert report.proposal == "retrain" and "excludes the reference" in report.rule
    assert report.facts["change"]["since"].startswith("2026-01-2")
    assert {each.name for each in report.results if each.role == "prediction"} >= {"label", "entropy"}
    assert report.model_version_id == model.model_version_id and report.model == model.reference
    assert rx.get_drift_report(report) == report


def test_without_labels_the_error_to_expect_is_told_where_the_model_is_calibrated(project: Path) -> None:
    random = np.random.default_rng(0)

    def drawn(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
        up = np.random.default_rng(seed).uniform(size=1500)
        return pd.DataFrame({"x": up, "y": np.where(random.uniform(size=1500) < up, "up", "down")}), up

    model = model_version(project)
    for seed in (1, 2):
        data, up = drawn(seed)
        truth = data["y"].copy()
        data = data if seed == 1 else data[["x"]]  # nobody has looked at these yet
        version = rx.create_dataset("shop", data, target="y" if seed == 1 else None)
        rx.log_predictions(
            version,
            np.where(up > 0.5, "up", "down"),
            model=model,
            probabilities=np.c_[1 - up, up],
            classes=["down", "up"],
        )
    report = rx.drift("shop:1", "shop:2", model=model)
    _, now_ = report.performance
    assert now_.value is None and now_.n == 1500 and now_.n_labelled == 0
    wrong = (np.where(up > 0.5, "up", "down") != truth).mean()
    assert now_.expected == pytest.approx(np.minimum(up, 1 - up).mean()) and now_.expected == pytest.approx(
        wrong, abs=0.04
    )
    assert report.facts["calibration"]["calibrated"] and report.proposal == "keep"


def test_a_model_that_is_not_calibrated_promises_nothing(project: Path) -> None:
    data = frame(800)
    version = rx.create_dataset("shop", data, target="y", time="at")
    logged(version, data, model_version(project), sure=100.0)
    report = rx.drift(version, by=400, model="m")
    assert not report.facts["calibration"]["calibrated"]
    assert all(each.expected is None for each in report.performance)


def test_only_the_calibration_that_is_lost_is_to_be_made_anew(project: Path) -> None:
    data = frame(2000)
    version = rx.create_dataset("shop", data, target="y", time="at")
    labels, sure = predicted(data, sure=3.4)
    _, oversure = predicted(data, sure=60)
    sure[1000:] = oversure[1000:]
    rx.log_predictions(version, labels, model=model_version(project), probabilities=sure, classes=["down", "up"])
    report = rx.drift(version, by=1000, columns=["x"], model="m")
    assert report.proposal == "recalibrate", report


def keep_pattern(version: Any, name: str, column: str, value: str) -> None:
    predicate = {"column": column, "op": "=", "value": value}
    after = {
        "named_pattern_id": new_id(), "dataset_id": version.dataset_id, "name": name, "predicate": predicate,
        "predicate_text": f"{column} = '{value}'", "error": "error", "created_at": now(),
    }  # fmt: skip
    current().store.write(Change("named_patterns", after["named_pattern_id"], "create", after))


def test_named_patterns_are_followed_and_a_local_failure_is_told(project: Path) -> None:
    data = frame(2000)
    turned = (data.index > 1000) & (data["light"] == "night") & (data.index % 3 == 0)
    data.loc[turned, "y"] = np.where(data["y"][turned] == "up", "down", "up")
    version = rx.create_dataset("shop", data, target="y", time="at")
    keep_pattern(version, "at night", "light", "night")
    keep_pattern(version, "elsewhere", "no such column", "a")
    logged(version, data, model_version(project))
    report = rx.drift(version, by=1000, model="m", thresholds={"tolerance": 0.5})
    wrong, night = predicted(data)[0] != data["y"], data["light"] == "night"
    before, _, after = report.performance
    assert [each.name for each in after.patterns] == ["at night"]
    assert before.patterns[0].value == pytest.approx(wrong[:1000][night[:1000]].mean())
    assert after.patterns[0].value == pytest.approx(wrong[1000:][night[1000:]].mean())
    assert report.proposal == "investigate" and "worse on 'at night'" in report.rule


def test_a_better_candidate_is_proposed_and_takes_the_place_when_it_is_decided(project: Path) -> None:
    data = frame(1000)
    version = rx.create_dataset("shop", data, target="y", time="at")
    old, new = model_version(project), model_version(project)
    rx.set_alias("m", "champion", old.version)
    bad = np.where(np.arange(1000) % 4 == 0, "up", predicted(data)[0])
    rx.log_predictions(version, bad, model=old)
    logged(version, data, new)
    report = rx.drift(version, by=500, model="m:1", candidate="m:2")
    assert report.proposal == "replace" and "m:2 is better" in report.rule
    later = np.s_[500:]
    wrong, better = bad[later] != data["y"][later], predicted(data)[0][later] != data["y"][later]
    exact = stats.binomtest(int((wrong & ~better).sum()), int((wrong ^ better).sum())).pvalue
    assert report.facts["candidate"]["p_value"] == pytest.approx(exact)
    made = rx.decide(report, "replace", "it won")
    assert made.decision == "replace" and made.drift_report_id == report.drift_report_id
    assert rx.get_model("m").aliases == {"champion": 2}
    assert rx.get_model_version("m:1").status == "retired"
    assert [each.decision_id for each in rx.get_drift_report(report).decisions] == [made.decision_id]


def test_a_model_that_nobody_asks_any_more_is_to_be_retired(project: Path) -> None:
    model, data = model_version(project), frame(100)
    version = rx.create_dataset("shop", data, target="y", time="at")
    asked = pd.DataFrame({"_key": [str(each) for each in range(60)], "label": predicted(data)[0][:60]})
    rx.log_predictions(version, asked, model=model, key="_key")
    report = rx.drift(version, by=20, columns=["x"], model=model)
    assert [each.n for each in report.performance] == [20, 40, 20, 20, 0, 0]
    assert report.proposal == "retire" and "no traffic" in report.rule
    assert rx.decide(report, "retire", "the shop is closed").reference == model.reference
    assert rx.get_model_version("m:1").status == "retired"


def test_a_decision_is_a_persons_and_needs_a_reason(project: Path) -> None:
    rx.create_dataset("shop", frame(100), target="y", time="at")
    report = rx.drift("shop", by=50)
    made = rx.decide(report, "investigate", f"the key is {KEY}")
    assert made.author and KEY not in made.reason and made.model_version_id is None
    told = rx.sql("select decision, drift_report_id from decisions")
    assert told.to_numpy().tolist() == [["investigate", report.drift_report_id]]
    assert "to be investigated" in str(rx.get_drift_report(report)) and list(rx.list_drift_reports()["decision"]) == [
        "investigate"
    ]
    for arguments, words in (
        (("burn", "why not"), "is no decision"),
        (("keep", " "), "needs a reason"),
        (("retire", "old"), "names no model version"),
    ):
        with pytest.raises(RenexError, match=words):
            rx.decide(report, *arguments)
    with pytest.raises(RenexError, match="no look at drift"):
        rx.decide("0" * 32, "keep", "fine")


def test_what_cannot_be_compared_is_told(project: Path) -> None:
    rx.create_dataset("shop", frame(100), target="y", time="at")
    for arguments, options, words in (
        (("shop",), {}, "compared with itself"),
        (("shop", "shop:1"), {}, "compared with itself"),
        (("shop", "shop:7"), {}, "no dataset version"),
        (("shop",), {"by": 1000}, "none is left to compare"),
        (("shop",), {"by": 50, "first": 0}, "first=0"),
        (("shop",), {"by": "nothing"}, "makes windows"),
        (("shop",), {"by": 50, "columns": ["z"]}, "no column 'z'"),
        (("shop",), {"by": 50, "columns": "x"}, "no list of names"),
        (("shop",), {"by": 50, "model": "m"}, "no predictions"),
        (("shop",), {"by": 50, "candidate": "m"}, "compared with a model"),
        (("shop",), {"by": 50, "thresholds": {"psi": 1}}, "psi is no threshold"),
        (("shop",), {"by": 50, "thresholds": {"alpha": 2}}, "alpha=2"),
        (("shop",), {"by": 50, "thresholds": 3}, "is no threshold"),
    ):
        with pytest.raises(RenexError, match=words):
            rx.drift(*arguments, **options)
    assert rx.list_drift_reports().empty


def test_columns_that_come_go_and_cannot_be_compared_are_left_out_with_the_reason(project: Path) -> None:
    n = 60
    rx.create_dataset("a", pd.DataFrame({"x": range(n), "old": 1, "parts": [{"k": 1}] * n, "v": [[1.0, 0.0]] * n}))
    rx.create_dataset("b", pd.DataFrame({"x": range(n), "new": 1, "parts": [{"k": 1}] * n, "v": [[0.0, 1.0]] * n}))
    report = rx.drift("a", "b")
    assert [each.name for each in report.results] == ["x"]
    said = report.facts["left_out"]
    assert (
        said["old"].startswith("gone") and said["new"].startswith("new") and said["parts"].startswith("of type STRUCT")
    )
    assert report.facts["embeddings"]["v"]["cosine"] == 0 and "centroid of 'v'" in report.rule


def test_names_and_values_of_the_user_are_text_and_no_secret_of_them_is_kept(project: Path) -> None:
    name = 'a "b" <script>alert(1)</script>'
    key = KEY
    rx.create_dataset("a", pd.DataFrame({name: ["x"] * 50}))
    rx.create_dataset("b", pd.DataFrame({name: [key] * 50}))
    report = rx.drift("a", "b")
    assert "<script>" not in report._repr_html_() and "&lt;script&gt;" in report._repr_html_()
    assert report.results[0].level == "alert" and key not in str(report) + report._repr_html_()
    assert key not in json.dumps(report.as_dict())
    assert not any(key in each.read_text(errors="replace") for each in (project / ".renex/journal").rglob("*.jsonl"))


def test_adversarial_validation_is_part_of_the_report(project: Path) -> None:
    rx.create_dataset("shop", frame(300, shift=4.0), target="y", time="at")
    report = rx.drift("shop", by=150, columns=["x", "light"], adversarial=True)
    said = report.facts["adversarial"]
    assert said["auc"] > 0.9 and next(iter(said["importances"])) == "x" and "AUC" in str(report)


def boxes(names: list[str], *, wide: float = 10.0) -> pd.DataFrame:
    """Two boxes beside each other in each image."""
    rows = [(name, "cat", x, 0.0, wide, 10.0) for name in names for x in (0.0, 100.0)]
    return pd.DataFrame(rows, columns=["_key", "label", "x", "y", "w", "h"])


def test_missed_boxes_are_followed_and_those_of_a_candidate_are_paired_one_by_one(project: Path) -> None:
    names = [f"i{n:03}" for n in range(120)]
    images = pd.DataFrame({"name": names, "day": [1] * 60 + [2] * 60})
    rx.create_dataset("boxes", images, key="name", task="detection")
    version = rx.log_annotations("boxes", boxes(names).assign(kind="box"))
    found = boxes(names).assign(score=0.9)
    late = found["_key"] >= "i060"
    bad = found[
        ~late | (found["x"] == 0) | (found["_key"] < "i070")
    ]  # one box of 50 images of the second day is missed
    old, new = model_version(project), model_version(project)
    rx.log_predictions(version, bad, model=old)
    rx.log_predictions(version, found, model=new)
    report = rx.drift(version, by="day", model="m:1", candidate="m:2")
    assert [(each.window, each.metric, each.n, each.value) for each in report.performance] == [
        ("reference", "missed", 120, 0.0),
        ("current", "missed", 120, 50 / 120),
        ("2", "missed", 120, 50 / 120),
    ]
    rival = report.facts["candidate"]
    assert (rival["n"], rival["than"], rival["value"]) == (120, pytest.approx(50 / 120), 0.0)
    assert rival["p_value"] == pytest.approx(stats.binomtest(0, 50).pvalue)
    assert report.proposal == "replace"
    wrong = rx.drift(version, by="day", model="m:1", candidate="m:2", error="false_positive")
    assert wrong.facts["candidate"]["n"] == 60 and wrong.proposal != "replace"


def test_of_texts_the_length_drifts_and_the_error_is_followed(project: Path) -> None:
    asked = [f"what is {n}" for n in range(100)] + [f"what is {n}, and what comes right after it" for n in range(100)]
    data = pd.DataFrame({"question": asked, "answer": "forty two", "day": [1] * 100 + [2] * 100})
    version = rx.create_dataset("qa", data, target="answer", text="question", task="text")
    model = model_version(project)
    rx.log_predictions(version, ["forty two"] * 120 + ["I do not know"] * 80, model=model)
    report = rx.drift(version, by="day", model=model)
    found = {each.name: each for each in report.results}
    assert found["question"].level == "alert" and found["question"].note == "its length in characters"
    assert (found["length"].role, found["length"].level) == ("prediction", "alert")
    assert [each.value for each in report.performance] == [0.0, 0.8, 0.8] and report.proposal == "retrain"


def test_columns_and_predictions_share_one_level_of_false_alarms(project: Path) -> None:
    data = frame(200)
    version = rx.create_dataset("shop", data, target="y", time="at")
    plain = rx.drift(version, by=100, columns=["x"])
    logged(version, data, model_version(project))
    with_model = rx.drift(version, by=100, columns=["x"], model="m:1")
    floors = [next(each.floor for each in report.results if each.name == "x") for report in (plain, with_model)]
    shared = 1 + sum(each.role == "prediction" for each in with_model.results)
    assert shared > 1
    assert floors == [pytest.approx(0.02 * stats.chi2.isf(0.05 / n, 9)) for n in (1, shared)]


@pytest.mark.parametrize("decision", ["retire", "replace"])
def test_a_decision_and_its_look_at_drift_are_one_write(project: Path, decision: str) -> None:
    data = frame(100)
    version = rx.create_dataset("shop", data, target="y", time="at")
    old, new = model_version(project), model_version(project)
    logged(version, data, old)
    report = rx.drift(version, by=50, columns=["x"], model=old)
    made = rx.decide(report, decision, "it is old", successor=new)
    told = rx.sql("select action from change_events where object_kind = 'decisions'")
    assert made.drift_report_id == report.drift_report_id and told["action"].tolist() == ["create"]


def test_equal_times_lie_in_one_window_each(project: Path) -> None:
    data = frame(300).assign(at=pd.Timestamp("2026-01-05"))
    rx.create_dataset("shop", data, target="y", time="at")
    report = rx.drift("shop", by=100, columns=["x"])
    of_x = report.results[0]
    assert (of_x.n_reference, of_x.n_current, [each.n for each in of_x.windows]) == (100, 200, [100, 100])


def test_a_look_at_drift_goes_with_its_dataset(project: Path) -> None:
    rx.create_dataset("shop", frame(100), target="y", time="at")
    report = rx.drift("shop", by=50)
    rx.decide(report, "keep", "fine")
    rx.delete_dataset("shop", versions=True)
    assert rx.list_drift_reports().empty
    with pytest.raises(RenexError, match="no look at drift"):
        rx.get_drift_report(report.drift_report_id)


def test_windows_that_are_called_by_a_secret_are_told_apart_without_it(project: Path) -> None:
    other = KEY[:-1] + "Z"
    rx.create_dataset("shop", pd.DataFrame({"x": np.arange(120.0), "who": ["a"] * 40 + [KEY] * 40 + [other] * 40}))
    report = rx.drift("shop", by="who", columns=["x"])
    names = [each.window for each in report.results[0].windows]
    assert len(set(names)) == 2 and KEY not in f"{report}{report.as_dict()}" and other not in f"{report.as_dict()}"


def test_numbers_of_numpy_are_taken_and_no_seed_is_told(project: Path) -> None:
    rx.create_dataset("shop", frame(100), target="y", time="at")
    report = rx.drift("shop", by=np.int64(50), thresholds={"least": np.int64(10), "tolerance": np.float32(0.5)})
    assert report.params["by"] == 50 and report.params["thresholds"]["tolerance"] == 0.5
    for seed in ("a", -1, True, 0.5):
        with pytest.raises(RenexError, match="is no seed"):
            rx.drift("shop", by=50, seed=seed)  # type: ignore[arg-type]
