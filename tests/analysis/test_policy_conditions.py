"""Conditions of policies: what they may say, and what they answer."""

import math

import pytest

from renex_jupyter import RenexError
from renex_jupyter.analysis.condition_answers import answer
from renex_jupyter.analysis.policy_conditions import DEEPEST, MOST_WORDS, parse
from renex_jupyter.analysis.policy_numbers import exact, gain, one, side_by_side, signed

METRICS = {
    "latency_ms": 25.0,
    "accuracy": 0.94,
    "accuracy@test": 0.9419,
    "val/loss": 0.3,
    'od"d': 1.0,
    "broken": math.nan,
    "endless": math.inf,
}

HOLDS = [
    "latency_ms = 25",
    "latency_ms == 25",
    "latency_ms <> 26 and latency_ms != 26",
    "latency_ms >= 25 and latency_ms <= 25",
    '"val/loss" < 0.5',
    'metrics."val/loss" < 0.5 and metrics.accuracy > 0.9',
    '"od""d" = 1',
    '"accuracy@test" > accuracy',
    "accuracy@test > accuracy",
    "LATENCY_MS is null",
    "latency_ms IS NOT NULL AND NOT accuracy > 1",
    "latency_ms between 20 and 30 and accuracy > .9",
    "latency_ms not between 1 and 2",
    "latency_ms in (1, 5 * 5) and latency_ms not in (1, 2)",
    "abs(accuracy - 1) < 1e-1",
    "least(latency_ms, 3, 5) = 3 and greatest(latency_ms, 3) = latency_ms",
    "coalesce(unknown, latency_ms) = 25",
    "-latency_ms < - 20 and +latency_ms > 20 and - -latency_ms > 0",
    "2 + 3 * 4 = 14 and (2 + 3) * 4 = 20 and 7 % 4 = 3 and 8 / 4 / 2 = 1",
    "latency_ms > 100 or accuracy > 0.9",
    "unknown > 3 or accuracy > 0.9",
    "not (latency_ms < 20 and accuracy > 0.9)",
    "not not latency_ms > 20",
    "endless > 1e300",
    "accuracy > 1 and latency_ms > 1 or latency_ms = 25",
]
HOLDS_NOT = [
    "latency_ms < 20",
    "latency_ms < 20 and unknown > 3",
    "unknown > 3 and latency_ms < 20",
    "accuracy is null",
    "broken < 1",
    "broken > 1",
    "broken = broken",
    "not broken > 1",
    "broken between 0 and 1",
    "broken in (1, 2)",
    "least(broken, 1) < 2",
    "latency_ms / 0 > 1",
    "latency_ms % 0 = 0",
    "accuracy > 1 and (latency_ms > 1 or latency_ms = 25)",
]
REFUSED = [
    "",
    "   ",
    "latency_ms",
    "latency_ms and accuracy",
    "not latency_ms",
    "latency_ms <",
    "< 20",
    "1 < latency_ms < 20",
    "(latency_ms < 20",
    "latency_ms < 20)",
    "latency_ms < 20 accuracy > 0.9",
    "latency_ms < 20, accuracy > 0.9",
    "latency_ms < 20; drop table models",
    "select 1",
    "latency_ms < (select min(value) from metrics)",
    "exists (select 1)",
    "sqrt(latency_ms) < 3",
    "read_csv('/etc/passwd') is null",
    "__import__('os').system('true') = 0",
    "abs(1, 2) = 1",
    "abs() = 1",
    "abs = 1",
    "latency_ms = 'fast'",
    "latency_ms like 5",
    "latency_ms is 5",
    "latency_ms in ()",
    "latency_ms in 5",
    "latency_ms between 1",
    "latency_ms not 5",
    "(latency_ms < 20) + 1 = 2",
    "(latency_ms < 20) = 1",
    "latency_ms < 20 -- comment",
    "latency_ms < 1_000",
    "latency_ms && accuracy",
    "latency_ms::int < 3",
    "{} < 3",
    '"" < 3',
    '"open < 3',
    "lambda: 1",
    "(" * (DEEPEST + 1) + "1 = 1" + ")" * (DEEPEST + 1),
    "abs(" * (DEEPEST + 1) + "1" + ")" * (DEEPEST + 1) + " = 1",
    " + ".join(["1"] * MOST_WORDS) + " > 1",
    "not " * MOST_WORDS + "1 = 1",
    None,
    5,
    b"accuracy > 1",
    ["accuracy > 1"],
    "accuracy > \ud800",
]


@pytest.mark.parametrize("condition", [each for each in HOLDS if "LATENCY" not in each])
def test_a_condition_that_holds(condition: str) -> None:
    assert answer(parse(condition), METRICS).holds is True


@pytest.mark.parametrize("condition", HOLDS_NOT)
def test_a_condition_that_does_not_hold(condition: str) -> None:
    found = answer(parse(condition), METRICS)
    assert found.holds is False
    assert found.words
    assert found.missing == ()


@pytest.mark.parametrize("condition", REFUSED)
def test_what_is_no_condition_is_refused_with_a_hint(condition: object) -> None:
    with pytest.raises(RenexError) as refused:
        parse(condition)
    assert refused.value.code == "invalid_argument"
    assert "latency_ms < 20" in refused.value.hint


def test_names_of_metrics_mind_upper_and_lower_case_and_words_of_sql_do_not() -> None:
    assert answer(parse("LATENCY_MS IS NULL AND latency_ms Is Not Null"), METRICS).holds is True


@pytest.mark.parametrize(
    ("condition", "missing"),
    [
        ("unknown < 3", ("unknown",)),
        ("unknown < 3 and other > 1 and latency_ms > 1", ("unknown", "other")),
        ("unknown < 3 or latency_ms < 1", ("unknown",)),
        ("not (unknown < 3)", ("unknown",)),
        ("unknown + 1 between 1 and 2", ("unknown",)),
        ("coalesce(unknown, other) > 1", ("unknown", "other")),
        ("unknown > 1 and broken > 1 or unknown < 1", ("unknown",)),
        ('"accuracy@val" > 0.9', ("accuracy@val",)),
    ],
)
def test_a_condition_waits_for_the_metrics_that_it_depends_on_and_names_them(
    condition: str, missing: tuple[str, ...]
) -> None:
    found = answer(parse(condition), METRICS)
    assert found.holds is None
    assert found.missing == missing


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("latency_ms < 30 and accuracy > 0.9", ("latency_ms 25 < 30", "accuracy 0.94 > 0.90")),
        ("latency_ms < 20", ("latency_ms 25, needs < 20",)),
        ("latency_ms < 20 and accuracy > 0.95", ("latency_ms 25, needs < 20", "accuracy 0.94, needs > 0.95")),
        ('"accuracy@test" >= 0.942', ("accuracy on test 0.9419, needs >= 0.9420",)),
        ("unknown < 3", ("unknown is not measured",)),
        ('"accuracy@val" > 0.9', ("accuracy is not measured on dataset 'val'",)),
        ("broken < 1", ("broken is NaN",)),
        ("latency_ms between 1 and 20", ("latency_ms between 1 and 20 does not hold (latency_ms 25)",)),
        (
            "latency_ms < 20 or accuracy > 0.95",
            ("latency_ms < 20 or accuracy > 0.95 does not hold (latency_ms 25, accuracy 0.94)",),
        ),
        ("accuracy < accuracy@test", ("accuracy 0.940 < accuracy on test 0.942",)),
    ],
)
def test_an_answer_says_the_numbers_that_it_rests_on(condition: str, words: tuple[str, ...]) -> None:
    assert answer(parse(condition), METRICS).words == words


def test_a_dataset_without_a_version_names_the_versions_that_are_measured() -> None:
    found = answer(
        parse('"accuracy@people" > 0.9'), {"accuracy@people:3": 0.95, "accuracy@peoples:1": 1, "loss@people:2": 1}
    )
    assert found.words == ("accuracy is not measured on dataset 'people' (but on 'people:3')",)


def test_a_condition_names_its_metrics_and_their_values() -> None:
    found = answer(parse("latency_ms < 30 and (accuracy > unknown or accuracy > 0.5)"), METRICS)
    assert found.values == {"latency_ms": 25.0, "accuracy": 0.94}
    assert parse("a < b and a < abs(c)").names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        (0.941, 0.94, ("0.941", "0.940")),
        (0.9411, 0.94112, ("0.94110", "0.94112")),
        (0.5, 0.25, ("0.50", "0.25")),
        (12, 20, ("12", "20")),
        (0.9411764705882353, 0.9294117647058824, ("0.941", "0.929")),
        (0.94, 0.94, ("0.94", "0.94")),
        (1e-30, 2e-30, ("1.000e-30", "2.000e-30")),
        (3e20, 3.00001e20, ("3.00000e+20", "3.00001e+20")),
        (math.nan, 1.5, ("NaN", "1.5")),
        (math.inf, 3, ("inf", "3")),
    ],
)
def test_two_numbers_have_equally_many_decimals_and_enough_to_tell_them_apart(
    first: float, second: float, shown: tuple[str, str]
) -> None:
    assert side_by_side(first, second) == shown


def test_two_numbers_are_not_rounded_into_another_decision() -> None:
    margin = exact(0.002)
    assert side_by_side(0.9419, 0.9401, lambda a, b: a - b >= margin) == ("0.9419", "0.9401")


def test_a_gain_is_reckoned_as_the_numbers_are_written() -> None:
    assert 0.3 - 0.1 < 0.2  # in binary
    assert gain(0.3, 0.1, "max") >= exact(0.2)
    assert gain(0.1, 0.3, "min") >= exact(0.2)
    assert gain(0.1, 0.3, "max") < 0
    assert gain(math.inf, 5, "max") > 1e300
    assert gain(-math.inf, math.inf, "max") < 0
    assert gain(math.inf, math.inf, "max") == 0
    assert signed(exact(0.002), "max") == "+0.002"
    assert signed(exact(0.002), "min") == "-0.002"
    assert [one(each) for each in (3.0, 0.123456789, 1e-9, math.nan, -math.inf)] == [
        "3",
        "0.123457",
        "1e-09",
        "NaN",
        "-inf",
    ]
