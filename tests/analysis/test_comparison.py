"""Two models on the same samples: against scipy, and against places that were planted."""

from __future__ import annotations

import numpy as np
import pytest
from pairs import a_version, laid_out, lay, some_predictions
from scipy import stats

from renex_jupyter.analysis.comparison import Asked, compare
from renex_jupyter.analysis.evaluation import evaluate
from renex_jupyter.analysis.paired import bootstrap, mcnemar, resampled
from renex_jupyter.errors import RenexError
from renex_jupyter.records.comparisons import Comparison
from renex_jupyter.store.workbench import Workbench

A, B = "predictions_a", "predictions_b"


def two(**more):
    from dataclasses import replace

    one = some_predictions(**more)
    return replace(one, name="old", prediction_set_id="a" * 8), replace(one, name="new", prediction_set_id="b" * 8)


@pytest.mark.parametrize(
    ("fixed", "broken"), [(0, 0), (1, 0), (5, 5), (3, 12), (40, 90), (700, 640), (120_000, 121_000)]
)
def test_mcnemar_is_the_two_sided_binomial_test(fixed, broken):
    expected = stats.binomtest(fixed, fixed + broken, 0.5).pvalue if fixed + broken else 1.0
    assert mcnemar(fixed, broken) == pytest.approx(expected, rel=1e-9 if fixed < 1000 else 1e-7)


def test_the_bootstrap_is_as_wide_as_theory_says_and_always_the_same():
    rng = np.random.default_rng(0)
    a, b = rng.random(3000), rng.random(3000) - 0.05
    with Workbench(threads=1) as bench:
        bench.take("t", {"_key": [str(n) for n in range(3000)], "error_a": a, "error_b": b})
        found = bootstrap(bench, "t", seed=3)
        bench.run("create table other as from t order by error_a")
        again = bootstrap(bench, "other", seed=3)
        differing = bootstrap(bench, "t", seed=4)
    d = b - a
    width = 2 * 1.96 * d.std() / np.sqrt(len(d))
    assert found.difference == pytest.approx(d.mean(), rel=1e-12)
    assert found.high - found.low == pytest.approx(width, rel=0.1)
    assert found.p_value < 0.01
    assert found == again
    assert found != differing
    scipys = stats.bootstrap((d,), np.mean, method="percentile", random_state=0, n_resamples=2000).confidence_interval
    assert (found.low, found.high) == pytest.approx(tuple(scipys), abs=0.1 * width)


def test_many_rows_are_drawn_in_blocks_and_few_values_by_how_often_they_come_with_the_same_width():
    rng = np.random.default_rng(1)
    d = rng.normal(0.01, 1, 60_000)
    with Workbench(threads=1) as bench:
        bench.take("t", {"_key": [str(n) for n in range(len(d))], "error_a": np.zeros(len(d)), "error_b": d})
        found = bootstrap(bench, "t", resamples=500)
    assert found.high - found.low == pytest.approx(2 * 1.96 * d.std() / np.sqrt(len(d)), rel=0.15)
    flips = rng.choice([-1.0, 0.0, 1.0], 5000, p=[0.1, 0.7, 0.2])
    means = resampled(flips, np.ones(5000), 2000, 0)
    assert means.std() == pytest.approx(flips.std() / np.sqrt(5000), rel=0.1)


def night_and_day(n=4000):
    """A new model that is better by day and worse by night."""
    rng = np.random.default_rng(7)
    light, truth = rng.choice(["day", "day", "day", "night"], n), rng.choice(["cat", "dog"], n)
    right_a = rng.random(n) < 0.8
    right_b = rng.random(n) < np.where(light == "day", 0.95, 0.5)
    other = np.where(truth == "cat", "dog", "cat")
    return light, truth, np.where(right_a, truth, other), np.where(right_b, truth, other)


def test_where_the_new_model_is_worse_is_found_and_told():
    light, truth, old, new = night_and_day()
    samples = {"y": truth, "light": light, "noise": np.arange(len(truth)) % 7}
    with laid_out(samples, {"label": old}) as bench:
        lay(bench, A, {"label": old})
        lay(bench, B, {"label": new})
        found = compare(bench, a_version(light="attribute", noise="attribute"), *two(), Asked())
    wrong = old != truth, new != truth
    assert (found.error_a, found.error_b) == pytest.approx((wrong[0].mean(), wrong[1].mean()), rel=1e-12)
    assert (found.fixed, found.broken) == ((wrong[0] & ~wrong[1]).sum(), (~wrong[0] & wrong[1]).sum())
    assert found.p_mcnemar == pytest.approx(stats.binomtest(found.fixed, found.fixed + found.broken).pvalue, rel=1e-9)
    assert found.both_right + found.both_wrong + found.fixed + found.broken == found.n == 4000
    worst = found.worse.iloc[0]
    assert (worst["where"], worst["n"]) == ("light = 'night'", (light == "night").sum())
    assert worst["p_value"] < 1e-6
    assert found.verdict.startswith("new is better")
    assert "worse on slice light = 'night'" in found.verdict
    assert "light = 'day'" in set(found.better["where"])
    keys = {each.key for each in found.samples if each.way == "broken"}
    assert len(found.samples) == 1000
    assert all(not wrong[0][int(key)] and wrong[1][int(key)] for key in keys)
    assert set(found.flipped) == {"key", "way", "actual", "predicted_a", "predicted_b", "error_a", "error_b"}


def test_two_models_that_do_not_differ_are_not_called_different():
    rng = np.random.default_rng(2)
    truth = rng.choice(["a", "b"], 3000)
    said = [np.where(rng.random(3000) < 0.8, truth, "c") for _ in range(2)]
    with laid_out({"y": truth, "g": rng.choice(list("xyz"), 3000)}, {"label": said[0]}) as bench:
        lay(bench, A, {"label": said[0]})
        lay(bench, B, {"label": said[1]})
        found = compare(bench, a_version(g="attribute"), *two(), Asked())
        same = compare(bench, a_version(g="attribute"), *two(), Asked())
    assert found == same
    assert found.verdict.startswith("No difference is shown")
    assert not any(each.sure for each in found.places)


def test_a_model_compared_with_itself_changes_nothing():
    with laid_out({"y": list("abab")}, {"label": list("aabb")}) as bench:
        lay(bench, A, {"label": list("aabb")})
        lay(bench, B, {"label": list("aabb")})
        found = compare(bench, a_version(), *two(), Asked())
    assert (found.difference, found.p_value, found.samples) == (0, 1.0, ())
    assert found.verdict.startswith("No difference")


def test_numbers_are_compared_by_their_squared_errors_and_only_where_both_said_one():
    rng = np.random.default_rng(3)
    truth = rng.normal(size=500)
    a, b = truth + rng.normal(size=500), truth + rng.normal(size=500) * 0.5
    a[:20] = np.nan
    b[10:50] = np.nan
    with laid_out({"y": truth, "x": truth * 2}, {"value": a}) as bench:
        lay(bench, A, {"value": a})
        lay(bench, B, {"value": b})
        found = compare(bench, a_version(x="attribute"), *two(), Asked())
        alone = evaluate(bench, a_version(), two()[0], source=A)
    both = ~np.isnan(a) & ~np.isnan(b)
    assert (found.error, found.n, found.only_a, found.only_b) == ("squared", both.sum(), 30, 10)
    assert found.error_b == pytest.approx((((truth - b) ** 2)[both]).mean(), rel=1e-12)
    assert found.p_mcnemar is None
    assert found.verdict.startswith("new is better")
    assert set(found.metrics) == set(alone.metrics)
    assert any("too few" in each for each in found.notes)


def test_of_boxes_those_that_were_missed_are_compared():
    def box(key, **more):
        return {"_key": key, "label": "car", "x": 1.0, "y": 1.0, "w": 9.0, "h": 9.0, "score": 0.9, **more}

    true = [{**box(str(n)), "annotation_id": f"t{n}", "kind": "box"} for n in range(6)]
    for each in true:
        each.pop("score")
    with laid_out({"x": list(range(6))}, [box("0")], true) as bench:
        lay(bench, A, [box("0"), box("1")])
        lay(bench, B, [box("1"), box("2"), box("3")])
        version = a_version(target=None, task="detection", x="attribute")
        found = compare(bench, version, *two(), Asked())
        with pytest.raises(RenexError, match="one by one"):
            compare(bench, version, *two(), Asked(error="false_positive"))
    assert (found.error, found.n, found.fixed, found.broken) == ("missed", 6, 2, 1)
    assert {each.annotation_id: each.way for each in found.samples} == {"t0": "broken", "t2": "fixed", "t3": "fixed"}
    assert found.metrics["recall"] == pytest.approx((2 / 6, 3 / 6))


def test_nothing_in_common_is_told():
    with laid_out({"y": list("ab")}, {"label": list("ab")}) as bench:
        lay(bench, A, [{"_key": "0", "label": "a"}])
        lay(bench, B, [{"_key": "1", "label": "a"}])
        found = compare(bench, a_version(), *two(), Asked())
    assert (found.n, found.only_a, found.only_b) == (0, 1, 1)
    assert "nothing to compare" in found.verdict
    assert "nothing to compare" in found._repr_html_()
    assert found.worse.empty


def test_a_column_that_is_not_there_is_refused():
    with laid_out({"y": list("ab")}, {"label": list("ab")}) as bench:
        lay(bench, A, {"label": list("ab")})
        lay(bench, B, {"label": list("ba")})
        with pytest.raises(RenexError, match="no column 'z'"):
            compare(bench, a_version(), *two(), Asked(columns=("z",)))


def test_a_comparison_is_shown_with_everything_escaped_and_is_json():
    import json

    from renex_jupyter.cli.answers import jsonable

    hostile = "<script>alert(1)</script>"
    truth = [hostile, "b"] * 40
    with laid_out({"y": truth, hostile: list(range(80))}, {"label": truth}) as bench:
        lay(bench, A, {"label": ["b"] * 80})
        lay(bench, B, {"label": truth})
        found = compare(bench, a_version(**{hostile: "attribute"}), *two(), Asked())
    page = found._repr_html_()
    assert "better on" in str(found)
    assert hostile not in page
    assert "&lt;script&gt;" in page
    told = json.loads(json.dumps(jsonable(found), allow_nan=False))
    assert (told["fixed"], told["broken"]) == (40, 0)
    assert told["places"][0]["what"] == "class"


def test_no_p_value_is_said_to_be_0():
    about = dict.fromkeys(("dataset", "dataset_version_id", "prediction_set_a", "prediction_set_b"), "x")
    numbers = {"n": 9, "only_a": 0, "only_b": 0, "error_a": 0.5, "error_b": 0.1, "difference": -0.4}
    for p, words in ((0.0, "p < 1e-300 (McNemar)"), (0.004, "p = 0.004 (McNemar)")):
        said = Comparison(**about, **numbers, a="old", b="new", error="error", interval=(-0.5, -0.3), p_mcnemar=p)
        assert words in said.verdict
