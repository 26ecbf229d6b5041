"""Windows, performance in them, changes in a stream of errors, classifiers that tell drift, and the rules of proposals."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from renex_jupyter.analysis import adversarial, monitor_rules
from renex_jupyter.analysis.change_points import find_change
from renex_jupyter.analysis.drift_columns import compared
from renex_jupyter.analysis.drift_windows import make_windows
from renex_jupyter.analysis.monitor_rules import Seen, propose
from renex_jupyter.analysis.performance_windows import Stream, measure, measure_patterns
from renex_jupyter.errors import RenexError
from renex_jupyter.records.drift import ColumnDrift, PatternWindow, PerformanceWindow, Thresholds
from renex_jupyter.records.predicates import Condition
from renex_jupyter.store.workbench import Workbench


def windows_of(frame: pd.DataFrame, by: Any, time: str | None = None) -> tuple[tuple[str, ...], list[int | None]]:
    with Workbench(threads=1) as bench:
        bench.take("t", frame)
        found = make_windows(bench, "t", by, time)
        return found.names, [row[0] for row in bench.values(f"select {found.expression} from t")]


def test_windows_by_week_begin_on_monday_and_an_empty_one_is_there() -> None:
    frame = pd.DataFrame({"at": pd.to_datetime(["2026-03-04", "2026-03-08 23:59", "2026-03-18", None], format="mixed")})
    assert windows_of(frame, "at:week") == (("2026-03-02", "2026-03-09", "2026-03-16"), [0, 0, 2, None])
    assert windows_of(frame, "week", "at")[0] == ("2026-03-02", "2026-03-09", "2026-03-16")
    assert windows_of(frame, "at:month") == (("2026-03",), [0, 0, 0, None])
    assert len(windows_of(frame, "at")[0]) == 15  # days


def test_windows_of_texts_that_are_times_and_of_other_values() -> None:
    texts = pd.DataFrame({"at": ["2026-01-31", "2026-02-01"], "batch": [10, 9]})
    assert windows_of(texts, "at:month") == (("2026-01", "2026-02"), [0, 1])
    assert windows_of(texts, "batch") == (("9", "10"), [1, 0])


def test_windows_of_so_many_rows_are_in_the_order_of_time() -> None:
    frame = pd.DataFrame({"x": range(5)})
    assert windows_of(frame, 2) == (("rows 1 to 2", "rows 3 to 4", "rows 5 to 5"), [0, 0, 1, 1, 2])
    with Workbench(threads=1) as bench:
        bench.take("t", pd.DataFrame({"at": [3, 1, 2]}))
        found = make_windows(bench, "t", 2, "at")
        assert sorted(bench.values(f'select "at", {found.expression} from t')) == [(1, 0), (2, 0), (3, 1)]


@pytest.mark.parametrize("by", [0, -1, 1.5, True, "", "nothing", "x:week", "week", None])
def test_what_makes_no_windows_is_told_with_what_does(by: Any) -> None:
    with pytest.raises(RenexError, match="by=") as told:
        windows_of(pd.DataFrame({"x": ["a", "b"]}), by)
    assert told.value.code == "invalid_argument"


def test_too_many_windows_are_refused() -> None:
    with pytest.raises(RenexError, match="more than 400"):
        windows_of(pd.DataFrame({"x": range(500)}), 1)
    with pytest.raises(RenexError, match="more than 400"):
        windows_of(pd.DataFrame({"at": pd.to_datetime(["2020-01-01", "2026-01-01"])}), "at:day")


def stream(bench: Workbench, errors: Any, windows: Any, *, binary: bool = True, **columns: Any) -> Stream:
    n = len(errors)
    keys = [str(each) for each in range(n)]
    bench.take("e given", pd.DataFrame({"_key": keys, "error": errors, "predicted": "a"}))
    bench.run('create or replace table e as from "e given"')
    bench.take(
        "k", pd.DataFrame({"_key": keys, "number": windows, "place": range(n), "moment": [f"{k:05}" for k in range(n)]})
    )
    bench.take("s", pd.DataFrame({"_key": keys, **columns}))
    return Stream("e", "k", "error" if binary else "absolute", binary)


def test_a_rate_has_the_interval_of_wilson_in_each_window() -> None:
    errors = [1.0] * 3 + [0.0] * 7 + [1.0] * 5 + [0.0] * 15 + [np.nan] * 4
    with Workbench(threads=1) as bench:
        given = stream(bench, pd.Series(errors).astype("Float64"), [0] * 10 + [1] * 20 + [2] * 4)
        whole, first, second, none = measure(bench, given, ("a", "b", "c"), whole="current")
    assert (whole.n, whole.n_labelled, whole.value) == (34, 30, pytest.approx(8 / 30))
    expected = stats.binomtest(3, 10).proportion_ci(method="wilson")
    assert (first.low, first.high) == pytest.approx((expected.low, expected.high))
    assert second.value == 0.25 and (second.begin, second.end) == ("00010", "00029")
    assert none.n == 4 and none.n_labelled == 0 and none.value is None and none.low is None


def test_another_error_has_a_seeded_bootstrap_interval_near_the_normal_one() -> None:
    errors = np.random.default_rng(0).exponential(2, 400)
    with Workbench(threads=1) as bench:
        given = stream(bench, errors, [0] * 400, binary=False)
        once, again = (measure(bench, given, (), whole="all", seed=3)[0] for _ in range(2))
    assert once == again and once.low is not None and once.high is not None
    half = 1.96 * errors.std() / 20
    assert once.low == pytest.approx(errors.mean() - half, abs=0.06)
    assert once.high == pytest.approx(errors.mean() + half, abs=0.06)


def test_calibration_and_the_error_to_expect_are_those_of_the_confidences() -> None:
    random = np.random.default_rng(0)
    sure = random.uniform(0.5, 1, 2000)
    wrong = (random.uniform(size=2000) > sure).astype(float)
    with Workbench(threads=1) as bench:
        given = stream(bench, wrong, [0] * 2000)
        keys = [str(each) for each in range(2000)]
        bench.take("c", pd.DataFrame({"_key": keys, "confidence": sure, "entropy": 0.5}))
        given = Stream(given.errors, given.keys, "error", True, confidences="c")
        [found] = measure(bench, given, (), whole="all")
    place = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs(sure[place == b].mean() - (1 - wrong[place == b]).mean()) * (place == b).mean() for b in set(place)]
    assert found.ece == pytest.approx(sum(gaps), abs=1e-12)
    assert found.expected == pytest.approx((1 - sure).mean()) and found.expected == pytest.approx(found.value, abs=0.03)
    assert found.entropy == pytest.approx(0.5)


def test_a_named_pattern_is_measured_in_its_window() -> None:
    with Workbench(threads=1) as bench:
        given = stream(bench, [1.0, 0, 1, 1], [0, 0, 1, 1], light=["night", "day", "night", "day"])
        night = [("night", Condition("light", "=", "night"))]
        [whole], [last] = (measure_patterns(bench, given, "s", night, window) for window in (None, 1))
    assert (whole.n, whole.value) == (2, 1.0) and (last.n, last.value) == (1, 1.0)


def changes(rates: Any, seed: int, known: int = 2000) -> Any:
    errors = (np.random.default_rng(seed).uniform(size=len(rates)) < rates).astype(float)
    with Workbench(threads=1) as bench:
        bench.take("t", pd.DataFrame({"place": range(len(errors)), "error": errors}))
        return find_change(bench, "t", mean=0.1, deviation=0.3, known=known)


def test_a_rise_of_the_error_is_found_near_where_it_began() -> None:
    found = changes(np.r_[np.full(1000, 0.1), np.full(500, 0.3)], 0)
    assert found is not None and 950 <= found.since <= 1060 and 1000 < found.row < 1200


def by_hand(errors: np.ndarray, mean: float, deviation: float, slack: float, threshold: float) -> tuple[int, int]:
    """The test of Page and Hinkley, a row at a time."""
    height, low, since = 0.0, 0.0, 0
    for row, error in enumerate(errors):
        height += (error - mean) / deviation - slack
        if height <= low:
            low, since = height, row
        if height - low > threshold:
            return row, since
    raise AssertionError("no alarm")


@pytest.mark.parametrize("seed", range(3))
def test_a_long_stream_is_walked_through_once(seed: int) -> None:
    random = np.random.default_rng(seed)
    n = 200_000  # far too many to compare each row with each other
    errors = (random.uniform(size=n) < np.r_[np.full(n // 2, 0.1), np.full(n - n // 2, 0.16)]).astype(float)
    with Workbench(threads=1) as bench:
        bench.take("t", pd.DataFrame({"place": range(n), "error": errors}))
        found = find_change(bench, "t", mean=0.1, deviation=0.3, known=20_000)
    assert found is not None
    assert (found.row, found.since) == by_hand(errors, 0.1, 0.3, 0.1, found.threshold)


def test_a_rise_from_the_first_row_on_begins_there() -> None:
    found = changes(np.full(300, 1.0), 0)
    assert found is not None and found.since == 0


def test_a_stream_that_does_not_change_seldom_alarms() -> None:
    assert sum(changes(np.full(1000, 0.1), seed) is not None for seed in range(40)) <= 6  # 0.1 % quantile of 5 %


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 0.0), (0.1, 0.0)])
def test_a_reference_without_deviation_does_no_harm(mean: float, deviation: float) -> None:
    with Workbench(threads=1) as bench:
        bench.run("create table t as select range as place, 0.0 as error from range(50)")
        assert find_change(bench, "t", mean=mean, deviation=deviation, known=100) is None
        bench.run("create or replace table t as select range as place, null::double as error from range(50)")
        assert find_change(bench, "t", mean=mean, deviation=deviation, known=100) is None


def sides(bench: Workbench, reference: pd.DataFrame, current: pd.DataFrame) -> None:
    bench.take("reference", reference)
    bench.take("current", current)


def test_a_classifier_sees_what_no_column_shows() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 2))
    apart = pd.DataFrame({"a": x[:, 0], "b": x[:, 0] + 0.2 * x[:, 1], "c": random.choice(["u", "v"], 600)})
    mixed = apart.assign(b=random.permutation(apart["b"]))
    columns = [
        compared("a", "DOUBLE", "DOUBLE"),
        compared("b", "DOUBLE", "DOUBLE"),
        compared("c", "VARCHAR", "VARCHAR"),
    ]
    with Workbench() as bench:
        sides(bench, apart, mixed)
        found = adversarial.tell_apart(bench, columns)
        assert found == adversarial.tell_apart(bench, columns)  # seeded
    assert found["auc"] > 0.8 and list(found["importances"])[2] == "c"
    assert found["importances"]["a"] > 0.1


def test_a_classifier_says_nothing_of_the_same_data_and_of_too_few_rows() -> None:
    random = np.random.default_rng(1)
    columns = [compared("a", "DOUBLE", "DOUBLE")]
    with Workbench() as bench:
        sides(bench, *(pd.DataFrame({"a": random.normal(size=500)}) for _ in range(2)))
        assert adversarial.tell_apart(bench, columns)["auc"] < Thresholds().auc
        sides(bench, *(pd.DataFrame({"a": random.normal(size=5)}) for _ in range(2)))
        assert "fewer than 30 rows" in adversarial.tell_apart(bench, columns)["note"]


def test_embeddings_are_compared_by_their_centroids_and_by_a_classifier() -> None:
    random = np.random.default_rng(0)
    first = random.normal(1, 1, (200, 40))
    second = np.c_[random.normal(-1, 1, (200, 20)), random.normal(1, 1, (200, 20))]
    with Workbench() as bench:
        sides(bench, *(pd.DataFrame({"v": list(each)}) for each in (first, second)))
        found = adversarial.tell_embeddings_apart(bench, "v", classify=True)
        same = adversarial.tell_embeddings_apart(bench, "v", current="reference")
    a, b = first.mean(axis=0), second.mean(axis=0)
    assert found["cosine"] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-12)
    assert found["auc"] > 0.95 and same["cosine"] == pytest.approx(1)


def test_without_scikit_learn_a_classifier_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setattr(adversarial, "find_spec", lambda name: None)
    with Workbench(threads=1) as bench, pytest.raises(RenexError, match=r"renex_jupyter\[analysis\]") as told:
        adversarial.tell_apart(bench, [])
    assert told.value.code == "environment_unavailable"


def window(name: str, errors: int, n: int, **more: Any) -> PerformanceWindow:
    interval = stats.binomtest(errors, n).proportion_ci(method="wilson")
    return PerformanceWindow(name, "error", n, n, errors / n, interval.low, interval.high, **more)


THEN, SAME, WORSE = window("reference", 100, 1000), window("march", 105, 1000), window("march", 200, 1000)
DRIFTED = ColumnDrift("age", "numeric", "alert", psi=0.4, floor=0.05)
PATTERN = PatternWindow("night", 300, 0.1, 0.07, 0.14)


@pytest.mark.parametrize(
    ("proposal", "words", "seen"),
    [
        ("keep", "nothing drifts", Seen(has_model=True, n_current=1000, reference=THEN, latest=SAME)),
        ("keep", "nothing drifts", Seen(n_current=10)),
        ("retrain", "excludes the reference", Seen(has_model=True, n_current=1000, reference=THEN, latest=WORSE)),
        ("investigate", "drift of 'age' (PSI 0.4)", Seen(n_current=10, results=[DRIFTED])),
        (
            "investigate",
            "is within the tolerance",
            Seen(has_model=True, n_current=10, results=[DRIFTED], reference=THEN, latest=SAME),
        ),
        (
            "investigate",
            "what it does to performance is not known",
            Seen(has_model=True, n_current=10, results=[DRIFTED]),
        ),
        (
            "investigate",
            "worse on 'night': 0.1 to 0.2",
            Seen(
                has_model=True,
                n_current=10,
                reference=window("reference", 100, 1000, patterns=(PATTERN,)),
                latest=window("march", 105, 1000, patterns=(PatternWindow("night", 300, 0.2, 0.16, 0.25),)),
            ),
        ),
        ("investigate", "AUC 0.8", Seen(n_current=10, facts={"adversarial": {"auc": 0.8, "floor": 0.55}})),
        ("keep", "", Seen(n_current=10, facts={"adversarial": {"auc": 0.8, "floor": 0.85}})),
        ("investigate", "centroid of 'v'", Seen(n_current=10, facts={"embeddings": {"v": {"cosine": 0.2}}})),
        ("investigate", "rises from about", Seen(n_current=10, facts={"change": {"at": "b", "since": "a"}})),
        (
            "recalibrate",
            "calibration only",
            Seen(
                has_model=True,
                n_current=10,
                reference=THEN,
                latest=SAME,
                facts={"calibration": {"calibrated": True, "reference": 0.02, "current": 0.2, "noise": 0.02}},
            ),
        ),
        ("retire", "no traffic", Seen(has_model=True, n_current=0)),
        (
            "replace",
            "candidate m:2 is better",
            Seen(
                has_model=True,
                n_current=10,
                reference=THEN,
                latest=WORSE,
                facts={"candidate": {"model": "m:2", "better": True, "value": 0.1, "than": 0.2, "p_value": 1e-4}},
            ),
        ),
        (
            "retrain",
            "",
            Seen(
                has_model=True,
                n_current=10,
                reference=THEN,
                latest=WORSE,
                facts={
                    "candidate": {
                        "model": "m:2", "better": True, "value": 0.1, "than": 0.2, "p_value": 1e-4,
                        "worse_patterns": ["night"],
                    }
                },
            ),
        ),
    ],
)  # fmt: skip
def test_the_first_rule_that_fits_makes_the_proposal_and_says_why(proposal: str, words: str, seen: Seen) -> None:
    said, rule = propose(seen, Thresholds())
    assert said == proposal and words in rule and rule.endswith(".")


def test_below_the_floor_a_model_is_to_be_retired_and_a_tolerance_is_an_argument() -> None:
    seen = Seen(has_model=True, n_current=1000, reference=THEN, latest=WORSE)
    assert propose(seen, Thresholds(worst=0.15))[0] == "retire"
    assert propose(seen, Thresholds(tolerance=0.15))[0] == "keep"


def test_a_rise_within_the_intervals_of_both_is_none() -> None:
    assert not monitor_rules.rose(window("reference", 20, 200), window("march", 30, 200))
    assert monitor_rules.rose(window("reference", 20, 200), window("march", 50, 200))
