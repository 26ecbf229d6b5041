"""Policies of a model, declared and at work in a real store."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx
from renex_jupyter import RenexError
from renex_jupyter.records.changes import Change
from renex_jupyter.session import current as sessions
from renex_jupyter.session import policies, triggers, verdicts

LABEL: dict[str, Any] = {"alias": "champion", "metric": "accuracy", "dataset": "test", "margin": 0.002}
ASKED = "champion by accuracy on test"


@pytest.fixture
def digits(project: Path) -> Any:
    (project / "model.bin").write_bytes(b"weights")
    return rx.create_model("digits")


def registered(accuracy: float | None = None, **metrics: float) -> Any:
    """Register a version; its accuracy is measured on the dataset test."""
    made = rx.register_model("digits", path="model.bin", metrics=metrics)
    if accuracy is not None:
        rx.log_metric("accuracy", accuracy, on=made, dataset="test")
    return made


def said(name: str | None = None) -> list[str]:
    """Return the reasons that are recorded, the oldest first."""
    frame = rx.policy_history("digits", name)
    return list(frame["reason"])[::-1]


def champion() -> int | None:
    return rx.get_model("digits").aliases.get("champion")


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


def test_a_policy_of_the_same_name_is_replaced_and_the_change_says_what_was(digits: Any) -> None:
    first = rx.set_policy("digits", "label", **LABEL)
    again = rx.set_policy("digits", "label", **LABEL)
    assert again == first
    other = rx.set_policy("digits", "label", **{**LABEL, "margin": 0.1})
    assert (other.policy_id, other.rule["margin"]) == (first.policy_id, 0.1)
    assert len(rx.list_policies("digits")) == 1
    changes = rx.sql("select action, before, after from change_events where object_kind = 'policies' order by seq")
    assert list(changes["action"]) == ["create", "update"]
    assert json.loads(changes["before"][1])["rule"]["margin"] == 0.002
    assert json.loads(changes["after"][1])["rule"]["margin"] == 0.1


def test_a_policy_is_switched_off_and_on_and_taken_away_and_declared_again(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    assert not rx.disable_policy("digits", ASKED).enabled
    registered(0.9)
    assert champion() is None and said() == []
    assert list(rx.list_policies("digits")["enabled"]) == [False]
    assert len(rx.evaluate_policies("digits")) == 0
    assert rx.enable_policy("digits", ASKED).enabled
    registered(0.95)
    assert champion() == 2
    rx.delete_policy("digits", ASKED)
    assert len(rx.list_policies()) == 0
    registered(0.99)
    assert champion() == 2
    assert said()
    rx.set_policy("digits", "label", **LABEL)
    registered(0.995)
    assert champion() == 4


def test_two_policies_cannot_set_one_alias(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    other = {"alias": "champion", "metric": "f1"}
    with pytest.raises(RenexError, match="to and fro") as refused:
        rx.set_policy("digits", "label", **other)
    assert refused.value.code == "conflict"
    rx.disable_policy("digits", ASKED)
    rx.set_policy("digits", "label", **other)
    with pytest.raises(RenexError, match="to and fro"):
        rx.enable_policy("digits", ASKED)


@pytest.mark.parametrize(
    ("arguments", "rule", "code", "text"),
    [
        (("digits", "label"), {"alias": "champion", "metrc": "accuracy"}, "invalid_argument", "did you mean 'metric'"),
        (("digits", "labels"), LABEL, "invalid_argument", "did you mean 'label'"),
        (("digit", "label"), LABEL, "not_found", "did you mean 'default/digits'"),
        (("digits", "label", " "), LABEL, "invalid_argument", "blank"),
        (("digits", {"metric": "a"}), {}, "invalid_argument", "without a kind"),
        (("digits", "label"), {**LABEL, "where": "1; drop table x"}, "invalid_argument", "drop"),
        ((5, "label"), LABEL, "invalid_argument", "5"),
    ],
)
def test_what_is_no_policy_is_refused_and_nothing_is_written(
    project: Path, digits: Any, arguments: Any, rule: Any, code: str, text: str
) -> None:
    with pytest.raises(RenexError, match=re.escape(text)) as refused:
        rx.set_policy(*arguments, **rule)
    assert refused.value.code == code
    assert len(rx.list_policies()) == 0


def test_a_policy_that_is_not_there_is_told_with_the_nearest_name(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    for ask in (rx.get_policy, rx.enable_policy, rx.disable_policy, rx.delete_policy, rx.policy_history):
        with pytest.raises(RenexError, match=ASKED) as refused:
            ask("digits", "champion by accuracy on tests")
        assert refused.value.code == "not_found"
    with pytest.raises(RenexError) as refused:
        rx.evaluate_policies("digits", 5)
    assert refused.value.code == "not_found"


def test_a_mapping_is_a_whole_rule(digits: Any) -> None:
    made = rx.set_policy("digits", {"kind": "label", "name": "best", **LABEL})
    assert (made.name, made.kind, made.rule) == ("best", "label", LABEL)
    assert rx.get_policy("digits", "best") == made
    assert rx.set_policy(model="digits", kind="label", name="best", **LABEL) == made


def test_policies_of_a_toml_file_are_declared_all_or_none(project: Path, digits: Any) -> None:
    file = project / "policies.toml"
    file.write_text("""
        [[policy]]
        model = "digits"
        kind = "label"
        alias = "champion"
        metric = "accuracy"
        dataset = "test"
        margin = 0.002
        where = '"latency_ms" < 20'

        [[policy]]
        kind = "evaluate"
        name = "always"
        datasets = ["test", "val"]
    """)
    with pytest.raises(RenexError, match=r"policy 2 of policies\.toml: it names no model"):
        rx.set_policies("policies.toml")
    assert len(rx.list_policies()) == 0
    made = rx.set_policies("digits", file)
    assert [(each.name, each.kind) for each in made] == [(ASKED, "label"), ("always", "evaluate")]
    assert made[0].rule["where"] == '"latency_ms" < 20'
    file.write_text(
        '[[policy]]\nmodel = "digits"\nkind = "label"\nalias = "c"\nmetric = "a"\n'
        '[[policy]]\nmodel = "digits"\nkind = "retain"\nkeep_lst = 3\n'
    )
    with pytest.raises(RenexError, match="did you mean 'keep_last'"):
        rx.set_policies(file)
    assert len(rx.list_policies()) == 2


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("x = ", "no TOML"),
        ("", "no [[policy]]"),
        ("[policy]\nkind = 'label'", "no [[policy]]"),
        ("policy = [1]", "no [[policy]]"),
        ("[[polcy]]\nkind = 'label'", "'polcy' at its top"),
        ("\udcff", "no TOML"),
    ],
)
def test_a_file_that_declares_no_policies_is_refused(project: Path, digits: Any, content: str, text: str) -> None:
    (project / "p.toml").write_text(content, errors="surrogateescape")
    with pytest.raises(RenexError, match=re.escape(text)) as refused:
        rx.set_policies("p.toml")
    assert refused.value.code == "invalid_argument"
    with pytest.raises(RenexError) as refused:
        rx.set_policies("missing.toml")
    assert refused.value.code == "not_found"


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


def test_a_fault_in_one_policy_is_a_warning_and_the_others_are_asked(
    digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rx.set_policy("digits", "evaluate", datasets=["test"])
    rx.set_policy("digits", "label", **LABEL)

    def broken(*_: object) -> list[Any]:
        raise ZeroDivisionError

    monkeypatch.setitem(verdicts._KINDS, "evaluate", broken)
    with pytest.warns(UserWarning, match="policy 'measured on test' of model 'default/digits'.*ZeroDivisionError"):
        registered(0.9)
    assert champion() == 1


def test_a_rule_of_a_newer_version_does_not_stop_a_training_program(digits: Any) -> None:
    made = rx.set_policy("digits", "label", **LABEL)
    sessions.current().store.write(
        Change("policies", made.policy_id, "update", {"rule": {**LABEL, "where": "later(accuracy) > 3"}})
    )
    with pytest.warns(UserWarning, match="'later' is no function"):
        registered(0.9)
    assert champion() is None


def test_a_lock_that_another_program_holds_does_not_stop_a_training_program(
    project: Path, digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rx.set_policy("digits", "label", **LABEL)
    registered(0.9)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(project / ".renex" / verdicts.LOCK)], stdin=-1, stdout=-1, text=True
    )
    assert holder.stdout and holder.stdin and holder.stdout.readline() == "held\n"
    monkeypatch.setattr(verdicts, "WAIT", 0.1)
    with pytest.warns(UserWarning, match="locked"):
        made = registered(0.95)
    assert champion() == 1
    holder.communicate("")
    rx.log_metric("accuracy", 0.95, on=made, dataset="test")
    assert champion() == made.version


HOLD = """
import sys
from pathlib import Path
from renex_jupyter.store.locks import hold
with hold(Path(sys.argv[1]), timeout=60):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_store_without_policies_is_asked_once_however_many_points_are_logged(
    digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    has, about = triggers._seen, triggers._about_owner
    monkeypatch.setattr(triggers, "_about_owner", lambda *given: (asked.append("about"), about(*given)))
    made = registered(0.9)
    rx.log_metric("accuracy", 0.91, on=made, dataset="test")
    marker = dict(has)
    for value in range(20):
        rx.log_metric("accuracy", value / 20, on=made, dataset="test")
    assert has == marker
    assert asked == []
    rx.set_policy("digits", "label", **LABEL)
    rx.log_metric("accuracy", 0.9, on=made, dataset="test")
    assert asked
    assert champion() == 1


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


KILLED = """
import os, signal
import renex_jupyter as rx
from renex_jupyter.session import verdicts
verdicts.record = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
rx.log_metric("accuracy", 0.9, on="digits:1", dataset="test")
"""


def test_a_process_that_is_killed_at_its_policies_leaves_them_to_the_next(digits: Any) -> None:
    registered()
    rx.set_policy("digits", "label", **LABEL)
    killed = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert killed.returncode == -9
    assert champion() == 1
    rx.evaluate_policies("digits", dry_run=False)
    assert said() == ["v1 stays champion: accuracy 0.9, no other version beats it"]


def test_policies_of_a_deleted_model_are_asked_no_more(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    rx.delete_model("digits")
    rx.register_model("digits", path="model.bin")
    assert len(rx.list_policies()) == 0


def test_what_a_deleted_policy_said_still_bears_its_name(digits: Any) -> None:
    rx.set_policy("digits", "label", **LABEL)
    registered(0.9)
    name = rx.list_policies("digits")["name"][0]
    rx.delete_policy("digits", name)
    assert set(rx.policy_history("digits")["policy"]) == {name}
    assert set(rx.sql("select kind from policy_results")["kind"]) == {"label"}


def test_an_alias_that_somebody_moves_to_a_better_version_meanwhile_is_not_taken_back(
    digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(0.9)
    registered(0.95)
    rx.set_alias("digits", "champion", 1)
    rx.set_policy("digits", "label", **LABEL)
    real = verdicts.alone

    def late(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr(verdicts, "alone", real)
        made = registered(0.99)
        rx.set_alias("digits", "champion", made, reason="by hand")
        return real(*given, **more)

    monkeypatch.setattr(verdicts, "alone", late)
    found = rx.evaluate_policies("digits", dry_run=False)
    assert champion() == 3
    assert "v2 not promoted: accuracy 0.95 vs 0.99 of v3, needs +0.002" in [each.reason for each in found]


RACE = """
import sys
import renex_jupyter as rx
base, count = int(sys.argv[1]), int(sys.argv[2])
sys.stdin.readline()
for number in range(count):
    made = rx.register_model("digits", path="model.bin")
    rx.log_metric("accuracy", ((base + 7 * number) * 37 % 101) / 101, on=made, dataset="test")
"""


def test_an_alias_never_goes_to_a_worse_version_whatever_processes_register_at_once(project: Path, digits: Any) -> None:
    rx.set_policy("digits", "label", alias="champion", metric="accuracy", dataset="test")
    racers = [
        subprocess.Popen([sys.executable, "-c", RACE, str(base), "6"], stdin=-1, stderr=-1, text=True)
        for base in (1, 2, 3)
    ]
    for each in racers:
        assert each.stdin
        each.stdin.write("\n")
        each.stdin.flush()
    for each in racers:
        _, errors = each.communicate(timeout=240)
        assert each.returncode == 0, errors
    values = {
        row.version: row.value
        for row in rx.sql("select version, value from model_metrics where dataset = 'test'").itertuples()
    }
    moves = rx.sql(
        "select \"after\"->>'$.version' as version from change_events where object_kind = 'aliases' order by \"at\""
    )["version"]
    reached = [values[int(each)] for each in moves]
    assert reached == sorted(reached)
    assert len(set(reached)) == len(reached)
    assert champion() == max(values, key=lambda each: (values[each], -each))


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


def test_a_policy_is_not_declared_for_a_model_that_is_deleted_meanwhile(
    digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = policies.alone

    def after_a_deletion(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(policies, "alone", alone)
        rx.delete_model("digits")
        return alone(*given, **named)

    monkeypatch.setattr(policies, "alone", after_a_deletion)
    with pytest.raises(RenexError, match="no model"):
        rx.set_policy("digits", "label", **LABEL)
    assert rx.sql("select count(*) as n from inside.policies")["n"][0] == 0
