"""What policies say, given what is known: verdicts that a person can read."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from renex_jupyter import RenexError
from renex_jupyter.analysis.label_policies import PatternAnswer, Question, decide
from renex_jupyter.analysis.policies import convert, evaluate, require
from renex_jupyter.analysis.policy_rules import KEYS, checked_kind, checked_rule, name_of
from renex_jupyter.analysis.retain_policies import retain
from renex_jupyter.records.policies import MET, UNMET, WAITING, Subject

START = datetime(2026, 1, 1, tzinfo=UTC)
CHAMPION = {"alias": "champion", "metric": "accuracy", "dataset": "test", "margin": 0.002}
RULES = {
    "evaluate": {"datasets": ["test"]},
    "label": {"alias": "champion", "metric": "accuracy"},
    "require": {"where": "a < 1"},
    "retain": {"keep_last": 3},
    "convert": {"metric": "accuracy", "better_than": 0.9},
}


def version(number: int, accuracy: float | None = None, **more: object) -> Subject:
    metrics = dict(more.pop("metrics", {}))  # type: ignore[call-overload]
    if accuracy is not None:
        metrics["accuracy@test"] = accuracy
    return Subject(
        "model_version",
        f"id{number}",
        f"v{number}",
        START + timedelta(days=number),
        metrics,
        number,
        **more,  # type: ignore[arg-type]
    )


def checkpoint(step: int, **metrics: float) -> Subject:
    return Subject("checkpoint", f"c{step}", f"checkpoint of step {step}", START, metrics)


def reasons(rule: dict[str, object], versions: list[Subject], holder: int | None, **more: object) -> list[str]:
    question = Question(rule, str(more.pop("goal", "max")), acted=True, **more)  # type: ignore[arg-type]
    return [each.reason for each in decide(question, versions, holder).said]


def test_label_a_better_version_is_promoted_with_both_numbers() -> None:
    rule = {**CHAMPION, "where": "latency_ms < 20"}
    versions = [version(5, 0.940), version(7, 0.944, metrics={"latency_ms": 12.0})]
    assert reasons(rule, versions, 5) == [
        "v5 gave champion to v7: accuracy 0.940 vs 0.944 of v7",
        "v7 promoted to champion: accuracy 0.944 vs 0.940 of v5 (+0.004, needs +0.002), latency_ms 12 < 20",
    ]


def test_label_a_version_that_misses_the_margin_is_not_promoted() -> None:
    assert reasons(CHAMPION, [version(5, 0.940), version(7, 0.941)], 5) == [
        "v5 stays champion: accuracy 0.94, no other version beats it",
        "v7 not promoted: accuracy 0.941 vs 0.940 of v5, needs +0.002",
    ]


def test_label_a_margin_is_met_by_just_that_much() -> None:
    assert (
        decide(Question({**CHAMPION, "margin": 0.2}, "max"), [version(1, 0.1), version(2, 0.3)], 1).winner is not None
    )
    assert decide(Question(CHAMPION, "max"), [version(1, 0.9401), version(2, 0.9420)], 1).winner is None


def test_label_a_tie_keeps_the_holder() -> None:
    rule = {"alias": "champion", "metric": "accuracy", "dataset": "test"}
    assert reasons(rule, [version(1, 0.94), version(2, 0.94)], 1)[1] == (
        "v2 not promoted: accuracy 0.94 vs 0.94 of v1, needs more"
    )


def test_label_of_equal_versions_without_a_holder_the_first_gets_it() -> None:
    found = decide(Question(CHAMPION, "max", acted=True), [version(1, 0.9), version(2, 0.95), version(3, 0.95)], None)
    assert found.winner is not None and found.winner.number == 2
    assert [each.reason for each in found.said] == [
        "v1 not promoted: accuracy 0.90 vs 0.95 of v2, needs +0.002",
        "v2 promoted to champion: accuracy 0.95, no version had it",
        "v3 not promoted: accuracy 0.95 vs 0.95 of v2, needs +0.002",
    ]


def test_label_less_is_better_where_the_goal_is_min() -> None:
    rule = {"alias": "champion", "metric": "loss", "margin": 0.01}
    versions = [
        version(1, metrics={"loss": 0.30}),
        version(2, metrics={"loss": 0.295}),
        version(3, metrics={"loss": 0.25}),
    ]
    assert reasons(rule, versions, 1, goal="min") == [
        "v1 gave champion to v3: loss 0.30 vs 0.25 of v3",
        "v2 not promoted: loss 0.295 vs 0.250 of v3, needs -0.01",
        "v3 promoted to champion: loss 0.25 vs 0.30 of v1 (-0.05, needs -0.01)",
    ]


def test_label_nan_never_wins_and_any_number_beats_a_holder_with_nan() -> None:
    assert decide(Question(CHAMPION, "max"), [version(1, 0.1), version(2, math.nan)], 1).winner is None
    assert decide(Question(CHAMPION, "min"), [version(1, math.nan)], None).winner is None
    assert reasons(CHAMPION, [version(1, 0.1), version(2, math.nan)], 1)[1] == "v2 not promoted: accuracy is NaN"
    found = reasons(CHAMPION, [version(1, math.nan), version(2, 0.1)], 1)
    assert found[1] == "v2 promoted to champion: accuracy 0.1 vs NaN of v1"


@pytest.mark.parametrize("status", ["retired", "released"])
def test_label_a_version_that_is_not_active_never_wins(status: str) -> None:
    found = decide(Question(CHAMPION, "max"), [version(1, 0.9), version(2, 0.99, status=status)], 1)
    assert found.winner is None
    assert found.said[1].reason == f"v2 not promoted: it is {status}"


def test_label_a_holder_that_is_retired_is_followed_by_the_best() -> None:
    versions = [version(1, 0.99, status="retired"), version(2, 0.9), version(3, 0.8)]
    assert reasons(CHAMPION, versions, 1) == [
        "v1 gave champion to v2: it is retired",
        "v2 promoted to champion: accuracy 0.9, v1, which had it, is retired",
        "v3 not promoted: accuracy 0.8 vs 0.9 of v2, needs +0.002",
    ]


def test_label_the_best_that_meets_the_condition_wins() -> None:
    rule = {**CHAMPION, "where": "latency_ms < 20"}
    versions = [
        version(1, 0.90, metrics={"latency_ms": 1.0}),
        version(2, 0.99, metrics={"latency_ms": 30.0}),
        version(3, 0.95, metrics={"latency_ms": 10.0}),
    ]
    found = decide(Question(rule, "max"), versions, 1)
    assert found.winner is not None and found.winner.number == 3
    assert found.said[1].reason == "v2 not promoted: latency_ms 30, needs < 20"
    assert found.said[2].reason.startswith("v3 would be promoted to champion: ")


def test_label_waits_for_what_is_not_measured_and_says_what() -> None:
    rule = {**CHAMPION, "where": "latency_ms < 20"}
    found = decide(Question(rule, "max"), [version(5, 0.94), version(8)], 5).said[1]
    assert (found.verdict, found.reason) == (
        WAITING,
        "v8 waits: accuracy is not measured on dataset 'test', latency_ms is not measured",
    )
    found = decide(Question(CHAMPION, "max"), [version(5), version(8, 0.9)], 5).said[1]
    assert found.reason == "v8 waits: accuracy is not measured on dataset 'test' for v5, which is champion"


def test_label_what_fails_is_told_before_what_is_missing() -> None:
    rule = {**CHAMPION, "where": "latency_ms < 20"}
    found = decide(Question(rule, "max"), [version(5, 0.94), version(8, metrics={"latency_ms": 30.0})], 5).said[1]
    assert (found.verdict, found.reason) == (UNMET, "v8 not promoted: latency_ms 30, needs < 20")


def test_label_asks_what_the_alias_requires() -> None:
    versions = [version(5, 0.94), version(6, 0.96), version(7, 0.95, description="checked by hand")]
    found = decide(Question(CHAMPION, "max", [{"alias": ["champion"], "description": True}]), versions, 5)
    assert found.winner is not None and found.winner.number == 7
    assert found.said[1].reason == "v6 not promoted: it has no description (required)"


def test_label_asks_no_patterns_where_no_version_has_the_alias() -> None:
    found = decide(Question({**CHAMPION, "no_worse_patterns": True}, "max"), [version(1, 0.9)], None)
    assert found.said[0].verdict == MET
    assert found.said[0].facts["no_worse_patterns"] == "not asked: no version has the alias"


def test_label_promotes_none_that_is_worse_on_a_named_pattern_and_names_both_rates() -> None:
    asked = []

    def patterns(candidate, holder):
        asked.append((candidate.number, holder.number))
        worse = PatternAnswer("night images", "error", 0.19, 0.12, "worse", 0.001)
        same = PatternAnswer("small cats", "error", 0.2, 0.2, "same", 1.0)
        return [same, worse] if candidate.number == 6 else [same]

    versions = [version(5, 0.94), version(6, 0.96), version(7, 0.95), version(8, 0.93)]
    found = decide(Question({**CHAMPION, "no_worse_patterns": True}, "max", patterns=patterns), versions, 5)
    assert found.winner is not None and found.winner.number == 7
    said = {each.subject.number: each for each in found.said}
    assert said[7].reason.endswith("not worse on 1 named pattern")
    assert 8 not in {number for number, _ in asked}, "what fails anyway is not measured"
    alone = decide(Question({**CHAMPION, "no_worse_patterns": True}, "max", patterns=patterns), versions[:2], 5)
    assert alone.winner is None
    assert (alone.said[1].verdict, alone.said[1].reason) == (
        UNMET,
        "v6 not promoted: worse on night images: 12 % of v5 to 19 %",
    )
    assert alone.said[1].facts["no_worse_patterns"][1]["p_value"] == 0.001


def test_label_waits_for_a_pattern_that_is_not_measured() -> None:
    question = Question(
        {**CHAMPION, "no_worse_patterns": True},
        "max",
        patterns=lambda *_: [PatternAnswer("night images", missing="v6")],
    )
    found = decide(question, [version(5, 0.94), version(6, 0.96)], 5)
    assert found.winner is None
    assert (found.said[1].verdict, found.said[1].reason) == (
        WAITING,
        "v6 waits: pattern 'night images' is not measured for v6",
    )


def test_label_tells_the_numbers_as_facts() -> None:
    facts = (
        decide(
            Question({**CHAMPION, "where": "a > 1"}, "max"), [version(5, 0.94), version(7, 0.95, metrics={"a": 2.0})], 5
        )
        .said[1]
        .facts
    )
    assert facts["value"] == 0.95 and facts["holder"] == "v5" and facts["holder_value"] == 0.94
    assert facts["gain"] == pytest.approx(0.01) and facts["margin"] == 0.002
    assert facts["metrics"] == {"a": 2.0} and facts["where"] == "a > 1"


def test_evaluate_says_on_which_datasets_a_version_is_not_measured() -> None:
    rule = {"datasets": ["test", "val"]}
    assert evaluate(rule, version(1, 0.9)).reason == "v1 waits: it is not measured on dataset 'val'"
    both = version(1, 0.9, metrics={"loss@val": 0.1})
    assert evaluate(rule, both).reason == "v1 is evaluated: measured on test, val"
    found = evaluate({**rule, "metrics": ["accuracy"]}, both)
    assert (found.verdict, found.reason) == (WAITING, "v1 waits: accuracy is not measured on dataset 'val'")


def test_require_says_everything_that_is_not_met() -> None:
    rule = {"alias": ["champion"], "where": "latency_ms < 20", "description": True, "labels": ["audited"]}
    found = require(rule, version(7, metrics={"latency_ms": 25.0}))
    assert (found.verdict, found.reason) == (
        UNMET,
        "v7 may not be champion: latency_ms 25, needs < 20, it has no description, it has no label 'audited'",
    )
    good = version(7, metrics={"latency_ms": 5.0}, description="good", labels=("audited",))
    assert require(rule, good).verdict == MET
    assert require({"metrics": ["f1"]}, good).reason == "v7 waits: f1 is not measured"
    assert (
        require({"datasets": ["test"], "metrics": ["f1"]}, good).reason
        == "v7 waits: f1 is not measured on dataset 'test'"
    )


def test_retain_says_who_stays_who_can_go_and_why() -> None:
    nothing = "it is neither labelled, named by an alias nor among the last 2 nor among the best 1 by accuracy on test"
    rule = {"keep_last": 2, "keep_best": 1, "metric": "accuracy", "dataset": "test"}
    versions = [
        version(1, 0.99),
        version(2, 0.5),
        version(3, 0.6, aliases=("champion",)),
        version(4, 0.6, labels=("audited",)),
        version(5),
        version(6, 0.7),
        version(7, 0.7),
    ]
    assert {each.subject.number: (each.verdict, each.reason) for each in retain(rule, versions, "max")} == {
        1: (MET, "v1 stays: it is among the best 1 by accuracy on test"),
        2: (
            UNMET,
            f"v2 can go: {nothing}",
        ),
        3: (MET, "v3 stays: it is champion"),
        4: (MET, "v4 stays: it has the label audited"),
        5: (WAITING, "v5 stays: accuracy is not measured on dataset 'test', so it may be one of the best"),
        6: (MET, "v6 stays: it is among the last 2"),
        7: (MET, "v7 stays: it is the newest, it is among the last 2"),
    }


def test_retain_keeps_what_is_young_and_always_the_newest() -> None:
    versions = [version(1), version(2), version(3)]
    found = retain({"younger_than": "30d"}, versions, "max", since=START + timedelta(days=100))
    assert [each.verdict for each in found] == [MET, UNMET, UNMET]
    assert found[0].subject.number == 3
    found = retain({"younger_than": "30d"}, versions, "max", since=START)
    assert [each.reason for each in found][2] == "v1 stays: it is younger than 30d"


def test_retain_a_retired_version_takes_no_place_among_the_last_and_the_newest_active_one_stays() -> None:
    versions = [version(1), version(2), version(3, status="retired"), version(4, status="released")]
    found = {each.subject.number: each.verdict for each in retain({"keep_last": 1}, versions, "max")}
    assert found == {3: MET, 2: MET, 1: UNMET}


def test_retain_labels_count_only_where_the_rule_says_so() -> None:
    versions = [version(1, labels=("audited",)), version(2)]
    assert retain({"keep_last": 1, "keep_labelled": False}, versions, "max")[1].verdict == UNMET


def test_convert_says_why_a_checkpoint_becomes_a_version_or_not() -> None:
    rule = {"metric": "accuracy", "better_than": 0.9, "best": True}
    versions = [version(3, metrics={"accuracy": 0.94}), version(4, metrics={"accuracy": 0.99}, status="retired")]
    said = {
        0.95: "checkpoint of step 1 becomes a version: accuracy 0.95 > 0.90, accuracy 0.95 vs 0.94 of v3",
        0.94: "checkpoint of step 1 not converted: accuracy 0.94 vs 0.94 of v3, needs more",
        0.9: "checkpoint of step 1 not converted: accuracy 0.9, needs > 0.9, accuracy 0.90 vs 0.94 of v3, needs more",
        math.nan: "checkpoint of step 1 not converted: accuracy is NaN",
    }
    assert {value: convert(rule, checkpoint(1, accuracy=value), versions, "max").reason for value in said} == said
    assert (
        convert(rule, checkpoint(1), versions, "max").reason == "checkpoint of step 1 waits: accuracy is not measured"
    )
    assert convert(rule, checkpoint(1, accuracy=0.95), [], "max").verdict == MET
    low = {"metric": "loss", "better_than": 0.1}
    assert convert(low, checkpoint(1, loss=0.05), [], "min").reason.endswith("loss 0.05 < 0.10")
    where = convert({"where": "loss < 0.1"}, checkpoint(1, loss=0.2), [], "max")
    assert where.reason == "checkpoint of step 1 not converted: loss 0.2, needs < 0.1"


@pytest.mark.parametrize("kind", KEYS)
def test_an_unknown_key_is_refused_with_the_nearest_one(kind: str) -> None:
    key = next(iter(RULES[kind]))
    with pytest.raises(RenexError, match=f"did you mean '{key}'") as refused:
        checked_rule(kind, {f"{key}z": RULES[kind][key]})
    assert refused.value.code == "invalid_argument"


def test_a_key_of_another_kind_is_told() -> None:
    with pytest.raises(RenexError, match="It is a key of kind retain"):
        checked_rule("label", {**RULES["label"], "younger_than": "3d"})


def test_an_unknown_kind_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(RenexError, match="did you mean 'label'"):
        checked_kind("labels")
    with pytest.raises(RenexError, match="There are: evaluate"):
        checked_kind(None)


@pytest.mark.parametrize(
    ("kind", "rule", "said"),
    [
        ("label", {"metric": "accuracy"}, "needs alias"),
        ("label", {"alias": "champion"}, "needs metric"),
        ("label", {**RULES["label"], "margin": -1}, "below 0"),
        ("label", {**RULES["label"], "margin": "much"}, "no number"),
        ("label", {**RULES["label"], "margin": math.nan}, "no number"),
        ("label", {**RULES["label"], "margin": True}, "no number"),
        ("label", {**RULES["label"], "margin": [1, 2]}, "no number"),
        ("label", {**RULES["label"], "margin": 10**400}, "no number"),
        ("label", {**RULES["label"], "goal": "maximum"}, "neither 'max' nor 'min'"),
        ("label", {**RULES["label"], "where": "latency"}, "compared with nothing"),
        ("label", {**RULES["label"], "alias": "latest"}, "latest"),
        ("label", {**RULES["label"], "alias": "a/b"}, "a/b"),
        ("label", {**RULES["label"], "alias": " "}, "alias"),
        ("label", {**RULES["label"], "metric": 5}, "5 is int"),
        ("label", {**RULES["label"], "no_worse_patterns": 1}, "neither True nor False"),
        ("evaluate", {"metrics": ["a"]}, "needs datasets"),
        ("evaluate", {"datasets": []}, "no list of texts"),
        ("evaluate", {"datasets": [1]}, "1 is int"),
        ("require", {"alias": "champion"}, "asks for nothing"),
        ("require", {"description": False}, "asks for nothing"),
        ("retain", {"keep_labelled": True}, "asks for nothing"),
        ("retain", {"keep_last": 0}, "no whole number from 1"),
        ("retain", {"keep_last": 1.5}, "no whole number from 1"),
        ("retain", {"keep_last": 2, "keep_aliased": False}, "cannot be False"),
        ("retain", {"keep_best": 2}, "keep_best needs a metric"),
        ("retain", {"younger_than": "soon"}, "no moment"),
        ("retain", {"keep_last": 2, "dataset": "test"}, "without a metric"),
        ("convert", {"metric": "accuracy"}, "asks for nothing"),
        ("convert", {"best": True}, "best needs a metric"),
        ("convert", {"better_than": 0.5}, "better_than needs a metric"),
    ],
)
def test_a_rule_that_is_none_is_refused_with_its_value(kind: str, rule: dict[str, object], said: str) -> None:
    with pytest.raises(RenexError) as refused:
        checked_rule(kind, rule)
    assert refused.value.code == "invalid_argument"
    assert said in refused.value.message


def test_what_is_none_is_not_given_and_one_text_is_a_list_of_one() -> None:
    assert checked_rule("label", {**RULES["label"], "where": None}) == RULES["label"]
    assert checked_rule("evaluate", {"datasets": "test"}) == RULES["evaluate"]


def test_a_policy_is_named_by_its_rule() -> None:
    assert [name_of(kind, RULES[kind]) for kind in RULES] == [
        "measured on test",
        "champion by accuracy",
        "required",
        "keep last 3",
        "checkpoints by accuracy",
    ]
    assert name_of("label", CHAMPION) == "champion by accuracy on test"


def test_what_a_version_is_better_by_is_what_a_reader_gets_who_subtracts() -> None:
    def told(first: float, second: float, goal: str = "max") -> str:
        now = datetime.now(UTC)
        of = {5: second, 7: first}
        versions = [Subject("model_version", f"{n}", f"v{n}", now, {"accuracy": a}, n) for n, a in of.items()]
        rule = {"alias": "champion", "metric": "accuracy", "margin": 0.002}
        return decide(Question(rule, goal, acted=True), versions, 5).said[1].reason.partition(": ")[2]

    assert told(26 / 27, 25 / 27) == "accuracy 0.963 vs 0.926 of v5 (+0.037, needs +0.002)"
    assert told(25 / 27, 26 / 27, "min") == "accuracy 0.926 vs 0.963 of v5 (-0.037, needs -0.002)"
    assert told(0.9420000000001, 0.94) == "accuracy 0.942 vs 0.940 of v5 (+0.002, needs +0.002)"
    assert told(0.9400000001, 0.94) == "accuracy 0.9400000001 vs 0.9400000000 of v5, needs +0.002"
    assert told(math.inf, 0.94) == "accuracy inf vs 0.94 of v5 (+inf, needs +0.002)"
