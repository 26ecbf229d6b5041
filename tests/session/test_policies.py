"""Policies of a model, declared and at work in a real store."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from policed import ASKED, LABEL, champion, registered, said

import renex_jupyter as rx
from renex_jupyter.records.changes import Change
from renex_jupyter.session import current as sessions


@pytest.fixture
def digits(project: Path) -> Any:
    (project / "model.bin").write_bytes(b"weights")
    return rx.create_model("digits")


def journal(project: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in (project / ".renex/journal").iterdir()}


def test_label_gives_the_alias_to_the_version_that_beats_the_current_one_when_metrics_are_logged(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL, where="latency_ms < 20")
    registered(0.940, latency_ms=10)
    assert champion() == 1
    registered(0.941, latency_ms=10)
    assert champion() == 1
    registered(0.950, latency_ms=30)
    assert champion() == 1
    registered(0.944, latency_ms=12)
    assert champion() == 4
    recorded = said()
    assert "v2 not promoted: accuracy 0.941 vs 0.940 of v1, needs +0.002" in recorded
    assert "v3 not promoted: latency_ms 30, needs < 20" in recorded
    assert "v4 waits: accuracy is not measured on dataset 'test'" in recorded
    assert "v1 gave champion to v4: accuracy 0.940 vs 0.944 of v4" in recorded
    last = "v4 promoted to champion: accuracy 0.944 vs 0.940 of v1 (+0.004, needs +0.002), latency_ms 12 < 20"
    assert recorded[-1] == last or last in recorded
    reason = rx.sql("select reason from aliases where alias = 'champion'")["reason"][0]
    assert reason == f"policy '{ASKED}': {last.partition(': ')[2]}"


def test_label_the_goal_of_define_metric_is_followed(digits: Any) -> None:
    rx.define_metric("loss", goal="min")
    rx.set_policy("digits", "label", alias="champion", metric="loss")
    registered(loss=0.5)
    registered(loss=0.6)
    assert champion() == 1
    registered(loss=0.4)
    assert champion() == 3


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("label", {"alias": "champion", "metric": "val/loss"}),
        ("convert", {"metric": "val/loss", "better_than": 0.5}),
        ("retain", {"keep_best": 1, "metric": "val/loss"}),
    ],
)
def test_a_metric_named_like_what_there_should_be_little_of_needs_a_goal(digits: Any, kind: str, rule: Any) -> None:
    with pytest.raises(rx.RenexError) as caught:
        rx.set_policy("digits", kind, **rule)
    assert caught.value.code == "invalid_argument" and 'rx.define_metric("val/loss", goal="min")' in caught.value.hint
    assert rx.list_policies("digits").empty
    rx.set_policy("digits", kind, "said", **rule, goal="min")
    rx.define_metric("val/loss", goal="min")
    rx.set_policy("digits", kind, "said", **rule)
    assert len(rx.list_policies("digits")) == 1


def test_label_a_version_with_nan_never_gets_the_alias(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    registered(math.nan)
    assert champion() is None
    assert said()[-1] == "v1 not promoted: accuracy is NaN"
    registered(0.1)
    registered(math.nan)
    assert champion() == 2


def test_label_a_metric_on_another_dataset_does_not_count(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    made = rx.register_model("digits", path="model.bin", metrics={"accuracy": 0.99})
    rx.log_metric("accuracy", 0.99, on=made, dataset="val")
    assert champion() is None
    assert said() == ["v1 waits: accuracy is not measured on dataset 'test'"]


def test_label_a_retired_version_never_gets_the_alias(digits: Any) -> None:
    first = registered(0.9)
    rx.retire_version(first, "leaked labels")
    rx.set_policy("digits", "label", **LABEL)
    rx.evaluate_policies("digits", dry_run=False)
    assert champion() is None
    registered(0.5)
    assert champion() == 2
    found = rx.evaluate_policies("digits", 1)
    assert found[0].reason == "v1 not promoted: it is retired"


def test_a_verdict_is_recorded_only_when_it_or_its_reason_changed(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    made = registered(0.9)
    rx.log_metric("accuracy", 0.9, on=made, dataset="test")
    rx.evaluate_policies("digits", dry_run=False)
    before = len(said())
    rx.log_metric("accuracy", 0.9, on=made, dataset="test")
    rx.log_metric("unrelated", 1.0, on=made)
    rx.evaluate_policies("digits", dry_run=False)
    assert len(said()) == before
    rx.log_metric("accuracy", 0.91, on=made, dataset="test")
    assert said()[-1] == "v1 stays champion: accuracy 0.91, no other version beats it"


def test_a_dry_run_changes_and_records_nothing(project: Path, digits: Any) -> None:
    first, second = registered(0.9), registered(0.95)
    rx.set_policy("digits", "label", **LABEL)
    rx.set_policy("digits", "retain", keep_last=1)
    before = journal(project)
    found = rx.evaluate_policies("digits")
    assert found.dry_run
    assert [each.reason for each in found if each.kind == "label"] == [
        "v1 not promoted: accuracy 0.90 vs 0.95 of v2, needs +0.002",
        "v2 would be promoted to champion: accuracy 0.95, no version had it",
    ]
    assert journal(project) == before
    assert champion() is None
    assert said() == []
    assert rx.load_model(first).exists() and rx.load_model(second).exists()


def test_results_are_rows_with_verdict_reason_and_facts(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    registered(0.94)
    registered(0.941)
    row = rx.sql("select * from policy_results where version = 2 and verdict = 'unmet'").iloc[0]
    assert (row["policy"], row["kind"], row["subject_kind"]) == (ASKED, "label", "model_version")
    facts = json.loads(row["facts"])
    assert (facts["value"], facts["holder_value"], facts["margin"], facts["alias"]) == (0.941, 0.94, 0.002, "champion")
    changes = rx.sql("select action from change_events where object_kind = 'policy_results'")
    assert set(changes["action"]) == {"verdict"}


def test_verdicts_have_a_text_and_an_escaped_html_form(digits: Any) -> None:
    rx.set_policy("digits", "label", "<b>best</b>", **LABEL)
    registered(0.94)
    found = rx.evaluate_policies("digits")
    assert len(found) == 1 and list(found) == [found[0]] and found[-1] is found[0]
    assert "v1 stays champion" in str(found) and "dry run" in str(found)
    assert "&lt;b&gt;best" in found._repr_html_() and "<b>best" not in found._repr_html_()
    assert found.as_dicts()[0]["reason"] == found[0].reason
    assert "met: v1 stays champion" in str(found[0]) and "<table" in found[0]._repr_html_()


def test_evaluate_names_the_datasets_that_every_version_must_be_measured_on(digits: Any) -> None:
    rx.set_policy("digits", "evaluate", datasets=["test", "val"], metrics=["accuracy"])
    made = registered(0.9)
    assert said()[-1] == "v1 waits: accuracy is not measured on dataset 'val'"
    rx.log_metric("accuracy", 0.8, on=made, dataset="val")
    assert said()[-1] == "v1 is evaluated: accuracy on test, val"


def test_a_version_of_a_checkpoint_has_what_was_measured_of_that(digits: Any, project: Path) -> None:
    rx.set_policy("digits", "label", **LABEL)
    with rx.start_run("train"):
        kept = rx.log_checkpoint("model.bin", 3, {"accuracy": 0.5})
    made = rx.register_model("digits", checkpoint=kept)
    assert said()[-1] == "v1 waits: accuracy is not measured on dataset 'test'"
    rx.log_metric("accuracy", 0.91, on=kept, dataset="test")
    assert champion() == made.version


def test_a_version_of_a_run_has_what_the_run_reached_on_a_dataset_before_it_was_registered(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    with rx.start_run("train") as run:
        rx.log_metric("accuracy", 0.9, on=run, dataset="test")
        rx.register_model("digits", path="model.bin", run=run)
        assert champion() == 1
        rx.log_metric("accuracy", 0.2, on=run, dataset="test")
        rx.register_model("digits", path="model.bin", run=run)
    found = rx.evaluate_policies("digits")
    assert [each.facts["value"] for each in found] == [0.9, 0.2]


def test_datasets_to_evaluate_all_trained_models_of_a_task_can_be_tracked_using_the_model(digits: Any) -> None:
    rx.set_policy("digits", "evaluate", datasets=["test", "unseen"])
    for _ in range(3):
        registered(0.9)
    reasons = [each.reason for each in rx.evaluate_policies("digits")]
    assert reasons == [f"v{number} waits: it is not measured on dataset 'unseen'" for number in (1, 2, 3)]
    assert json.loads(rx.list_policies("digits")["rule"][0]) == {"datasets": ["test", "unseen"]}


def test_rules_around_retention_policies_of_trained_versions_can_be_added(digits: Any) -> None:
    rx.set_policy("digits", "retain", keep_last=1)
    registered()
    registered()
    assert [each.verdict for each in rx.evaluate_policies("digits")] == ["met", "unmet"]


def test_a_trained_model_is_labelled_if_it_has_better_metrics_on_a_dataset_and_meets_all_other_criterion(
    digits: Any,
) -> None:
    rx.set_policy("digits", "label", **LABEL, where="latency_ms < 20")
    rx.set_policy("digits", "require", alias="champion", description=True)
    made = registered(0.9, latency_ms=10.0)
    assert champion() is None
    rx.update_model_version(made, description="by hand")
    rx.evaluate_policies("digits", dry_run=False)
    assert champion() == 1


def test_all_the_policies_created_for_a_model_are_applied_to_model_versions(digits: Any) -> None:
    rx.set_policy("digits", "evaluate", datasets=["test"])
    rx.set_policy("digits", "require", description=True)
    rx.set_policy("digits", "label", **LABEL)
    rx.set_policy("digits", "retain", keep_last=3)
    registered(0.9)
    frame = rx.policy_history("digits")
    assert set(frame["kind"]) == {"evaluate", "require", "label", "retain"}
    assert set(frame["version"]) == {1}


def test_a_version_whose_contents_are_gone_never_gets_the_alias(digits: Any) -> None:
    made = registered(0.99)
    gone = Change("artifacts", rx.get_model_version(made).artifact_id, "delete", {})
    sessions.current().store.write(gone)
    rx.set_policy("digits", "label", **LABEL)
    rx.evaluate_policies("digits", dry_run=False)
    assert champion() is None


def test_policies_asked_about_one_version_do_nothing_to_another(digits: Any) -> None:
    for accuracy in (0.90, 0.91, 0.95):
        registered(accuracy)
    rx.set_policy("digits", "label", **LABEL)
    (dry,) = rx.evaluate_policies("digits", 1)
    (done,) = rx.evaluate_policies("digits", 1, dry_run=False)
    assert champion() is None  # the best is another one, which was not asked about
    assert dry.reason == done.reason == "v1 not promoted: accuracy 0.90 vs 0.95 of v3, needs +0.002"
    rx.evaluate_policies("digits", 3, dry_run=False)
    assert champion() == 3
    registered(0.97)
    rx.set_alias("digits", "champion", 2)
    (done,) = rx.evaluate_policies("digits", 2, dry_run=False)
    assert done.reason == "v2 would give champion to v4: accuracy 0.91 vs 0.97 of v4"
    assert champion() == 2
