"""Numbers of evaluations, against scikit-learn on data with equal scores, NULLs and missing predictions."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from pairs import a_version, laid_out, some_predictions
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from renex_jupyter.analysis.calibration import calibrate
from renex_jupyter.analysis.confusion import counted, scores_of_all, scores_of_classes
from renex_jupyter.analysis.curves import areas, precision_recall_points, roc_points
from renex_jupyter.analysis.regression import regression_scores, residual_bins
from renex_jupyter.analysis.sample_pairs import make_pairs, ordered
from renex_jupyter.errors import RenexError
from renex_jupyter.records.evaluations import NO_PREDICTION, NO_TRUTH, confusion_frame

EXACT = {"rel": 1e-12, "abs": 1e-12}


def labels(seed, n=400, classes="abcd"):
    rng = np.random.default_rng(seed)
    truth = rng.choice(list(classes), n)
    said = np.where(rng.random(n) < 0.6, truth, rng.choice(list(classes), n))
    return truth, said


def with_gaps(truth, said, seed):
    """Truth and prediction with some of each missing, and which samples have both."""
    rng = np.random.default_rng(seed)
    a, b = truth.astype(object), said.astype(object)
    a[rng.random(len(a)) < 0.1] = None
    b[rng.random(len(b)) < 0.1] = None
    both = np.array([x is not None and y is not None for x, y in zip(a, b, strict=True)])
    return a, b, both


@pytest.mark.parametrize("classes", ["abcd", "ab", "a"])
@pytest.mark.parametrize("seed", range(5))
def test_scores_of_classes_and_their_averages_are_those_of_scikit_learn(seed, classes):
    truth, said = labels(seed, classes=classes)
    a, b, both = with_gaps(truth, said, seed)
    with laid_out({"y": list(a)}, {"label": list(b)}) as bench:
        pairs = make_pairs(bench, a_version(), some_predictions())
        counts = counted(bench, pairs)
    found = scores_of_classes(counts, pairs.classes)
    y, p = truth[both], said[both]
    scores = sk.precision_recall_fscore_support(y, p, labels=list(pairs.classes), zero_division=0)
    for at, name in enumerate(("precision", "recall", "f1", "support")):
        assert [getattr(each, name) for each in found] == pytest.approx(list(scores[at]), **EXACT)
    total = scores_of_all(counts, found)
    assert total["accuracy"] == pytest.approx(sk.accuracy_score(y, p), **EXACT)
    assert total["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(y, p), **EXACT)
    assert total["matthews"] == pytest.approx(sk.matthews_corrcoef(y, p), **EXACT)
    for average in ("macro", "weighted", "micro"):
        expected = sk.precision_recall_fscore_support(y, p, average=average, zero_division=0)
        for at, name in enumerate(("precision", "recall", "f1")):
            assert total[f"{average}_{name}"] == pytest.approx(expected[at], **EXACT)
    matrix = confusion_frame(counts, list(pairs.classes))
    assert (
        matrix.loc[list(pairs.classes), list(pairs.classes)].to_numpy().tolist() == sk.confusion_matrix(y, p).tolist()
    )
    no_truth = [x is None and y is not None for x, y in zip(a, b, strict=True)]
    no_prediction = [x is not None and y is None for x, y in zip(a, b, strict=True)]
    assert matrix.loc[NO_TRUTH].sum() == sum(no_truth) == pairs.without_truth
    assert matrix[NO_PREDICTION].sum() == sum(no_prediction) == pairs.without_prediction


def test_a_class_that_is_never_right_or_never_there_counts_as_in_scikit_learn():
    y, p = ["a", "a", "b", "b"], ["a", "c", "c", "a"]
    with laid_out({"y": y}, {"label": p}) as bench:
        pairs = make_pairs(bench, a_version(), some_predictions())
        counts = counted(bench, pairs)
    total = scores_of_all(counts, scores_of_classes(counts, pairs.classes))
    assert pairs.classes == ("a", "b", "c")
    assert total["macro_f1"] == pytest.approx(sk.f1_score(y, p, average="macro", zero_division=0), **EXACT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert total["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(y, p), **EXACT)


def test_nothing_to_compare_gives_no_scores():
    with laid_out({"y": ["a", None]}, {"label": [None, "a"]}) as bench:
        counts = counted(bench, make_pairs(bench, a_version(), some_predictions()))
    assert scores_of_all(counts, ()) == {}


def test_labels_that_are_numbers_are_in_the_order_of_numbers():
    assert ordered(["10", "9", "-1"]) == ("-1", "9", "10")
    assert ordered(["b", "10", "9"]) == ("10", "9", "b")
    assert ordered(["10", "nan", "9"]) == ordered(["9", "10", "nan"]) == ("10", "9", "nan")
    assert ordered(["1.0", "01", "1"]) == ordered(["1", "1.0", "01"])


def scores(seed, n=500, levels=40):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.3
    score = np.clip(np.round((rng.normal(size=n) + truth) * levels / 8) / levels + 0.5, 0, 1)  # many are equal
    return truth, score


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("levels", [10, 10**12])
def test_curves_and_their_areas_are_those_of_scikit_learn(seed, levels):
    truth, score = scores(seed, levels=levels)
    given = {"label": list(np.where(score > 0.5, "yes", "no")), "score": list(score)}
    with laid_out({"y": list(np.where(truth, "yes", "no"))}, given) as bench:
        pairs = make_pairs(bench, a_version(), some_predictions())
        area = areas(bench, pairs, "yes")
        roc = roc_points(bench, pairs, "yes")
        pr = precision_recall_points(bench, pairs, "yes")
    assert (area.positives, area.negatives) == (truth.sum(), (~truth).sum())
    assert area.roc_auc == pytest.approx(sk.roc_auc_score(truth, score), **EXACT)
    assert area.average_precision == pytest.approx(sk.average_precision_score(truth, score), **EXACT)
    fpr, tpr, thresholds = sk.roc_curve(truth, score)
    for name, expected in (("fpr", fpr), ("tpr", tpr), ("threshold", thresholds)):
        assert list(roc[name]) == pytest.approx(list(expected), **EXACT)
    precision, recall, thresholds = sk.precision_recall_curve(truth, score)
    assert list(pr["precision"]) == pytest.approx(list(precision), **EXACT)
    assert list(pr["recall"]) == pytest.approx(list(recall), **EXACT)
    assert list(pr["threshold"][:-1]) == pytest.approx(list(thresholds), **EXACT)


def test_each_of_several_classes_is_held_against_the_rest():
    rng = np.random.default_rng(0)
    truth, given = rng.choice(list("abc"), 300), rng.dirichlet([1, 1, 1], 300).round(1)
    with laid_out(
        {"y": truth}, {"label": np.array(list("abc"))[given.argmax(1)], "probabilities": list(given)}
    ) as bench:
        pairs = make_pairs(bench, a_version(), some_predictions(classes="abc"))
        for at, label in enumerate("abc"):
            area = areas(bench, pairs, label)
            assert area.roc_auc == pytest.approx(sk.roc_auc_score(truth == label, given[:, at]), **EXACT)
            expected = sk.average_precision_score(truth == label, given[:, at])
            assert area.average_precision == pytest.approx(expected, **EXACT)


def test_with_one_class_only_there_is_no_area_under_roc():
    with laid_out({"y": ["yes", "yes"]}, {"label": ["yes", "no"], "probabilities": [[0.1, 0.9], [0.6, 0.4]]}) as bench:
        pairs = make_pairs(bench, a_version(), some_predictions(classes=("no", "yes")))
        yes, no = areas(bench, pairs, "yes"), areas(bench, pairs, "no")
        curve = precision_recall_points(bench, pairs, "no")
        assert roc_points(bench, pairs, "yes")["fpr"].isna().all()
    assert (yes.roc_auc, yes.average_precision) == (None, 1.0)
    assert (no.roc_auc, no.average_precision) == (None, None)
    assert list(curve["recall"]) == [1, 1, 0]


def test_a_long_curve_is_thinned_to_its_course():
    truth, score = scores(1, n=20_000, levels=10**12)
    with laid_out({"y": list(np.where(truth, "yes", "no"))}, {"label": ["no"] * 20_000, "score": list(score)}) as bench:
        pairs = make_pairs(bench, a_version(), some_predictions())
        for curve in (
            roc_points(bench, pairs, "yes", points=200),
            precision_recall_points(bench, pairs, "yes", points=200),
        ):
            assert 150 <= len(curve) <= 202
            tp = curve["tp"].sort_values()
            assert tp.iloc[-1] == truth.sum()


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("seed", range(3))
def test_reliability_is_that_of_scikit_learn_and_its_parts_add_up_to_the_brier_score(seed, strategy):
    truth, score = scores(seed, levels=20 if seed else 10**12)
    with laid_out({"y": list(np.where(truth, "yes", "no"))}, {"label": ["no"] * 500, "score": list(score)}) as bench:
        pairs = make_pairs(bench, a_version(), some_predictions())
        found = calibrate(bench, pairs, bins=7, strategy=strategy)
    observed, predicted = calibration_curve(truth, score, n_bins=7, strategy=strategy)
    assert list(found.frame["observed"]) == pytest.approx(list(observed), **EXACT)
    assert list(found.frame["predicted"]) == pytest.approx(list(predicted), **EXACT)
    assert found.brier == pytest.approx(sk.brier_score_loss(truth, score), **EXACT)
    total = found.reliability - found.resolution + found.uncertainty + found.within_bins
    assert total == pytest.approx(found.brier, **EXACT)
    share = found.frame["n"] / found.n
    assert found.ece == pytest.approx((share * abs(found.frame["observed"] - found.frame["predicted"])).sum(), **EXACT)


def test_what_the_bins_hide_is_nothing_where_each_has_one_probability():
    """Stephenson et al. 2008: the variance within bins minus twice the covariance there."""
    rng = np.random.default_rng(5)
    score = rng.choice([0.05, 0.35, 0.65, 0.95], 400)
    truth = rng.random(400) < score**2
    with laid_out({"y": list(np.where(truth, "yes", "no"))}, {"label": ["no"] * 400, "score": list(score)}) as bench:
        found = calibrate(bench, make_pairs(bench, a_version(), some_predictions()))
    assert found.within_bins == pytest.approx(0, abs=1e-12)
    assert len(found.bins) == 4


def test_of_several_classes_the_confidence_is_calibrated():
    rng = np.random.default_rng(0)
    truth, given = rng.choice(list("abc"), 300), rng.dirichlet([1, 1, 1], 300)
    said = np.array(list("abc"))[given.argmax(1)]
    with laid_out({"y": truth}, {"label": said, "probabilities": list(given)}) as bench:
        found = calibrate(bench, make_pairs(bench, a_version(), some_predictions(classes="abc")))
    observed, predicted = calibration_curve(truth == said, given.max(1), n_bins=10)
    assert found.positive is None
    assert list(found.frame["observed"]) == pytest.approx(list(observed), **EXACT)
    assert list(found.frame["predicted"]) == pytest.approx(list(predicted), **EXACT)


def test_scores_that_are_no_probabilities_are_not_calibrated():
    with laid_out({"y": ["a", "b"]}, {"label": ["a", "b"], "score": [-3.0, 2.0]}) as bench:
        pairs = make_pairs(bench, a_version(), some_predictions())
        with pytest.raises(RenexError, match="no probabilities"):
            calibrate(bench, pairs)
        with pytest.raises(RenexError, match="bins=0"):
            calibrate(bench, pairs, bins=0)


@pytest.mark.parametrize("seed", range(3))
def test_errors_of_regression_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(50, 10, 301 + seed)
    said = truth + rng.normal(1, 3, len(truth))
    with laid_out({"y": [None, *truth]}, {"value": [1.0, *said]}) as bench:
        found = regression_scores(bench, make_pairs(bench, a_version(), some_predictions()))
    expected = {
        "mae": sk.mean_absolute_error(truth, said),
        "mse": sk.mean_squared_error(truth, said),
        "rmse": sk.root_mean_squared_error(truth, said),
        "r2": sk.r2_score(truth, said),
        "median_absolute_error": sk.median_absolute_error(truth, said),
        "mape": sk.mean_absolute_percentage_error(truth, said),
        "max_error": sk.max_error(truth, said),
        "explained_variance": sk.explained_variance_score(truth, said),
        "mean_residual": (truth - said).mean(),
    }
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("said", [[2.0, 2.0], [1.0, 3.0]])
def test_a_constant_truth_is_explained_wholly_or_not_at_all(said):
    with laid_out({"y": [2.0, 2.0]}, {"value": said}) as bench:
        found = regression_scores(bench, make_pairs(bench, a_version(), some_predictions()))
    assert found["r2"] == sk.r2_score([2.0, 2.0], said)


def test_one_sample_has_no_r2_and_none_has_nothing():
    with laid_out({"y": [2.0, None]}, {"value": [1.0, 1.0]}) as bench:
        found = regression_scores(bench, make_pairs(bench, a_version(), some_predictions()))
    assert found["mae"] == 1
    assert "r2" not in found
    with laid_out({"y": [2.0]}, {"value": [np.nan]}) as bench:
        assert regression_scores(bench, make_pairs(bench, a_version(), some_predictions())) == {}


def test_residuals_are_binned_with_about_equally_many_samples_and_none_is_lost():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=1000)
    said = truth + rng.normal(size=1000)
    with laid_out({"y": truth}, {"value": said}) as bench:
        make_pairs(bench, a_version(), some_predictions())
        found = residual_bins(bench, "pairs", "predicted", bins=5)
    assert list(found["n"]) == [200] * 5
    first = said <= found["high"][0]
    assert found["mean"][0] == pytest.approx((truth - said)[first].mean(), rel=1e-12)
    assert found["std"][0] == pytest.approx((truth - said)[first].std(ddof=1), rel=1e-12)


def test_residuals_of_one_value_are_one_bin():
    with laid_out({"y": [1.0, 2.0]}, {"value": [3.0, 3.0]}) as bench:
        make_pairs(bench, a_version(), some_predictions())
        found = residual_bins(bench, "pairs", "predicted")
    assert found[["low", "high", "n", "mean"]].to_numpy().tolist() == [[3.0, 3.0, 2, -1.5]]


@pytest.mark.parametrize("margin", [False, True])
def test_a_score_that_says_how_sure_the_model_is_is_turned_for_the_negative_class(margin):
    rng = np.random.default_rng(6)
    truth = rng.random(400) < 0.4
    high = np.clip(rng.normal(0.45 + 0.2 * truth, 0.2), 0.01, 0.99).round(2)
    said = np.where(high > 0.5, "yes", "no")
    sure = np.abs(high - 0.5) * 6 if margin else np.maximum(high, 1 - high)
    with laid_out({"y": list(np.where(truth, "yes", "no"))}, {"label": list(said), "score": list(sure)}) as bench:
        pairs = make_pairs(bench, a_version(), some_predictions(classes=("no", "yes")))
        area = areas(bench, pairs, "yes")
        brier = None if margin else calibrate(bench, pairs).brier
    assert area.roc_auc == pytest.approx(sk.roc_auc_score(truth, high), **EXACT)
    assert margin or brier == pytest.approx(sk.brier_score_loss(truth, high), **EXACT)
