"""Named patterns: kept, measured on every new model version, told where they got worse, and asked by policies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import renex_jupyter as rx
from renex_jupyter.errors import RenexError

pytestmark = pytest.mark.usefixtures("project")
N = 1_500


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    columns = {"time": rng.choice(["day", "night"], N, p=[0.8, 0.2]), "city": rng.choice(list("abc"), N)}
    return pd.DataFrame({**columns, "y": rng.choice(["no", "yes"], N)})


def said(frame: pd.DataFrame, night: float, day: float, seed: int) -> np.ndarray:
    """Predictions that are wrong so often at night and by day."""
    wrong = np.random.default_rng(seed).random(len(frame)) < np.where(frame.time == "night", night, day)
    return np.where(wrong, np.where(frame.y == "yes", "no", "yes"), frame.y)


def a_version(**more):
    Path("weights.bin").write_text(str(more))
    return rx.register_model("digits", path="weights.bin", **more)


def log(frame, version, night, day=0.1, seed=1, dataset="images"):
    predictions = said(frame, night, day, seed)
    rx.log_predictions(dataset, predictions, model=version)
    return predictions


def events() -> list[dict]:
    rows = rx.list_events(name="failure_pattern.worse")
    return [{**json.loads(row.metadata), "on": row.owner_id} for row in rows.itertuples()]


def test_a_version_that_is_worse_on_a_named_pattern_has_an_event_with_both_rates_and_the_p_value_of_mcnemar(frame):
    rx.create_dataset("images", frame, target="y")
    first = a_version(params={"n": 1})
    before = log(frame, first, 0.12)
    pattern = rx.keep_pattern("time = 'night'", "night images", dataset="images", description="dark")
    assert (pattern.error, pattern.dataset) == ("error", "default/images")
    second = a_version(params={"n": 2})
    after = log(frame, second, 0.30, seed=2)
    night, truth = (frame.time == "night").to_numpy(), frame.y.to_numpy()
    was, now = (before != truth)[night], (after != truth)[night]
    up, down = int((now & ~was).sum()), int((was & ~now).sum())
    p = stats.binomtest(up, up + down, alternative="greater").pvalue
    assert p < 0.05
    [event] = events()
    assert event["on"] == second.model_version_id
    assert event["text"] == f"worse on night images: {was.mean():.0%} to {now.mean():.0%}".replace("%", " %")
    assert event["p_value"] == pytest.approx(p, rel=1e-9)
    rows = rx.sql("select * from pattern_measures order by created_at")
    assert list(rows.change.fillna("")) == ["", "worse"]
    assert rows.error_rate[1] == pytest.approx(now.mean())
    assert rows.previous_rate[1] == pytest.approx(was.mean())
    assert rows.base_rate[1] == pytest.approx((after != truth).mean())
    assert rows.support[1] == night.sum()
    listed = rx.list_patterns("images")
    assert (listed.name[0], listed.change[0], listed.model[0]) == ("night images", "worse", "default/digits:2")


def test_noise_is_no_event_and_better_is_told_as_such(frame):
    rx.create_dataset("images", frame, target="y")
    log(frame, a_version(params={"n": 1}), 0.25)
    rx.keep_pattern("time = 'night'", "night images", dataset="images")
    log(frame, a_version(params={"n": 2}), 0.26, seed=2)
    log(frame, a_version(params={"n": 3}), 0.05, seed=3)
    assert events() == []
    assert list(rx.sql("select change from pattern_measures order by created_at").change[1:]) == ["same", "better"]


def test_a_found_pattern_is_kept_by_record_or_id_with_the_error_of_its_search(frame):
    rx.create_dataset("images", frame, target="y")
    log(frame, a_version(params={"n": 1}), 0.5)
    found = rx.failure_patterns("images", error="false_positive:yes", columns=["time", "city"])
    kept = rx.keep_pattern(found[0], "night images")
    assert (kept.error, kept.failure_pattern_id) == ("false_positive:yes", found[0].failure_pattern_id)
    assert rx.keep_pattern(found[0].failure_pattern_id, "night images") == kept
    measure = rx.sql("select * from pattern_measures")
    assert measure.error_rate[0] * measure.support[0] == pytest.approx(measure.errors[0])
    unkept = rx.failure_patterns("images", record=False)
    assert rx.keep_pattern(unkept[0], "other").failure_pattern_id is None


def test_a_pattern_is_measured_at_once_on_what_was_predicted_before_and_on_demand_only_once(frame):
    rx.create_dataset("images", frame, target="y")
    log(frame, a_version(params={"n": 1}), 0.1)
    log(frame, a_version(params={"n": 2}), 0.4, seed=2)
    rx.keep_pattern("time = 'night'", "night images", dataset="images")
    assert list(rx.sql("select change from pattern_measures order by created_at").change.fillna("")) == ["", "worse"]
    told = rx.measure_patterns("images")
    assert list(told.change) == ["worse"]
    assert list(told.model) == ["default/digits:2"]
    assert len(rx.sql("select 1 from pattern_measures")) == 2
    assert list(rx.measure_patterns("images", model="digits:1").model) == ["default/digits:1"]


def test_on_another_version_of_the_dataset_two_groups_are_compared_by_fisher(frame):
    rx.create_dataset("images", frame, target="y")
    before = log(frame, a_version(params={"n": 1}), 0.1)
    rx.keep_pattern("time = 'night'", "night images", dataset="images")
    more = pd.concat([frame, frame.sample(500, random_state=1)], ignore_index=True)
    rx.create_dataset("images", more, target="y")
    after = log(more, a_version(params={"n": 2}), 0.3, seed=2)
    was = (before != frame.y)[frame.time == "night"]
    now = (after != more.y)[more.time == "night"]
    table = [[now.sum(), (~now).sum()], [was.sum(), (~was).sum()]]
    expected = stats.fisher_exact(table, alternative="greater").pvalue
    assert rx.sql("select p_value from pattern_measures order by created_at").p_value[1] == pytest.approx(
        expected, rel=1e-8
    )


def test_p_values_of_several_patterns_are_adjusted_together(frame):
    rx.create_dataset("images", frame, target="y")
    log(frame, a_version(params={"n": 1}), 0.1)
    rx.keep_pattern("time = 'night'", "night images", dataset="images")
    rx.keep_pattern("city = 'a'", "city a", dataset="images")
    log(frame, a_version(params={"n": 2}), 0.3, seed=2)
    told = rx.sql(
        "select pattern, p_value, change from pattern_measures where previous_id is not null order by pattern"
    )
    assert list(told.pattern) == ["city a", "night images"]
    [event] = [each for each in events() if each["pattern"] == "night images"]
    assert event["p_value"] == told.p_value[1]


def test_a_deleted_pattern_is_gone_with_its_measures_and_its_name_is_free(frame):
    rx.create_dataset("images", frame, target="y")
    log(frame, a_version(params={"n": 1}), 0.2)
    kept = rx.keep_pattern("time = 'night'", "night images", dataset="images")
    assert rx.delete_pattern("night images", "images") == kept
    assert rx.list_patterns().empty
    assert rx.sql("select count(*) as n from inside.pattern_measures").n[0] == 0
    assert rx.keep_pattern("city = 'a'", "night images", dataset="images").predicate_text == "city = 'a'"
    assert len(rx.list_patterns("images")) == 1


def test_what_cannot_be_kept_is_told(frame):
    rx.create_dataset("images", frame, target="y")
    log(frame, a_version(params={"n": 1}), 0.2)
    rx.keep_pattern("time = 'night'", "night images", dataset="images")
    for call, words in (
        (lambda: rx.keep_pattern("city = 'a'", "night images", dataset="images"), "conflict"),
        (lambda: rx.keep_pattern("town = 'a'", "town", dataset="images"), "no column 'town'"),
        (lambda: rx.keep_pattern("city =", "x", dataset="images"), "invalid_argument"),
        (lambda: rx.keep_pattern("city = 'a'", "x"), "of which dataset"),
        (lambda: rx.keep_pattern(7, "x", dataset="images"), "no pattern"),
        (lambda: rx.keep_pattern("city = 'a'", "", dataset="images"), "invalid_argument"),
        (lambda: rx.keep_pattern("city = 'a'", "x", dataset="images", error="squared"), "no error of classification"),
        (lambda: rx.keep_pattern("city = 'a'", "x", dataset="nowhere"), "not_found"),
        (lambda: rx.delete_pattern("night"), "not_found"),
    ):
        with pytest.raises(RenexError) as error:
            call()
        assert words in str(error.value), str(error.value)
    assert len(rx.list_patterns()) == 1


def test_a_pattern_whose_column_a_later_version_lacks_is_a_warning_and_predictions_are_logged(frame):
    rx.create_dataset("images", frame, target="y")
    rx.keep_pattern("city = 'a'", "city a", dataset="images")
    rx.create_dataset("images", frame.drop(columns="city"), target="y")
    with pytest.warns(UserWarning, match="pattern 'city a' is not measured"):
        log(frame, a_version(params={"n": 1}), 0.1)
    assert len(rx.sql("select 1 from prediction_sets")) == 1


def test_clusters_of_embeddings_are_measured_on_later_versions_of_the_dataset(frame):
    rng = np.random.default_rng(3)
    frame = frame.assign(shape=list(rng.normal(size=(N, 4)) + np.where(frame.time == "night", 9, 0)[:, None]))
    rx.create_dataset("images", frame, target="y", embeddings=["shape"])
    log(frame, a_version(params={"n": 1}), 0.6)
    found = rx.failure_patterns("images", columns=["shape"])
    kept = rx.keep_pattern(found[0], "dark ones")
    rx.create_dataset("images", frame.head(1_000), target="y", embeddings=["shape"])
    log(frame.head(1_000), a_version(params={"n": 2}), 0.6, seed=2)
    rows = rx.sql("select support from pattern_measures order by created_at")
    assert len(rows) == 2
    assert 0 < rows.support[1] < rows.support[0]
    with pytest.raises(RenexError, match="not kept"):
        rx.keep_pattern(rx.failure_patterns("images", columns=["shape"], record=False)[0], "lost")
    assert kept.predicate_text.startswith('"shape cluster" = ')


POLICY = {"alias": "champion", "metric": "accuracy", "dataset": "images", "no_worse_patterns": True}


def test_a_policy_promotes_no_version_that_is_worse_on_a_named_pattern_and_says_on_which(frame):
    rx.create_dataset("images", frame, target="y")
    first = a_version(params={"n": 1})
    log(frame, first, 0.12)
    rx.keep_pattern("time = 'night'", "night images", dataset="images")
    rx.log_metric("accuracy", 0.90, on=first, dataset="images")
    rx.set_policy("digits", "label", **POLICY)
    rx.evaluate_policies("digits", dry_run=False)
    assert rx.get_model_version("digits@champion").version == 1
    worse = a_version(params={"n": 2})
    rx.log_metric("accuracy", 0.95, on=worse, dataset="images")
    history = rx.policy_history("digits")
    waiting = history[history.version == 2].iloc[0]
    assert (waiting.verdict, waiting.reason) == ("waiting", "v2 waits: pattern 'night images' is not measured for v2")
    log(frame, worse, 0.35, day=0.01, seed=2)
    history = rx.policy_history("digits")
    refused = history[history.version == 2].iloc[0]
    assert refused.verdict == "unmet"
    assert refused.reason.startswith("v2 not promoted: worse on night images: ")
    assert " of v1 to " in refused.reason
    assert rx.get_model_version("digits@champion").version == 1
    good = a_version(params={"n": 3})
    rx.log_metric("accuracy", 0.94, on=good, dataset="images")
    log(frame, good, 0.12, seed=3)
    assert rx.get_model_version("digits@champion").version == 3
    history = rx.policy_history("digits")
    assert "not worse on 1 named pattern" in history[history.version == 3].iloc[0].reason
