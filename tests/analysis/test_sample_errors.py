"""Errors of samples, against scikit-learn and the script of SQuAD."""

from __future__ import annotations

import re
import string
from collections import Counter

import numpy as np
import pytest
from pairs import a_version, laid_out, some_predictions
from sklearn.metrics import brier_score_loss, log_loss, mean_absolute_error, mean_squared_error

from renex_jupyter.analysis.sample_errors import make_errors
from renex_jupyter.errors import RenexError

CLASSES = ("ant", "bee", "cat")


def errors_of(bench, name="errors"):
    return {row["_key"]: row for row in bench.rows(f'from "{name}"')}


def test_a_wrong_label_is_1_a_right_one_0_and_what_is_not_known_nothing():
    labels = {"y": ["a", "b", None, "a"]}
    with laid_out(labels, [{"_key": "0", "label": "a"}, {"_key": "1", "label": "a"}, {"_key": "2", "label": "a"}]) as b:
        made = make_errors(b, a_version(), some_predictions())
        found = {key: row["error"] for key, row in errors_of(b).items()}
    assert (made.name, made.kind, made.n, made.rows, made.rate) == ("error", "binary", 2, 4, 0.5)
    assert found == {"0": 0.0, "1": 1.0, "2": None, "3": None}


def test_a_boolean_target_is_compared_as_text():
    with laid_out({"y": [True, False]}, {"label": ["true", "true"]}) as bench:
        assert make_errors(bench, a_version(), some_predictions()).rate == 0.5


def test_losses_of_probabilities_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    truth, given = rng.choice(CLASSES, 300), rng.dirichlet([1, 1, 1], 300)
    given[:5] = [1, 0, 0]  # a probability of 0 is clipped
    said = np.array(CLASSES)[given.argmax(1)]
    samples = {"y": [*truth, "ant", None]}  # one without a prediction, one without a truth
    keys = [*map(str, range(300)), "301"]
    laid = {"_key": keys, "label": [*said, "ant"], "probabilities": [*given, given[0]]}
    with laid_out(samples, laid) as bench:
        predicted = some_predictions(classes=CLASSES)
        for error, expected in (
            ("log_loss", log_loss(truth, given, labels=CLASSES)),
            ("brier", brier_score_loss(truth, given, labels=CLASSES)),
        ):
            made = make_errors(bench, a_version(), predicted, error=error)
            assert (made.kind, made.n, made.rows) == ("real", 300, 302)
            assert made.rate == pytest.approx(expected, rel=1e-12)
        confident = errors_of(bench)["7"]["score"]
    assert confident == given[7].max()


@pytest.mark.parametrize("as_score", [True, False])
def test_losses_of_two_classes_are_those_of_scikit_learn(as_score):
    rng = np.random.default_rng(2)
    truth, high = rng.choice(["no", "yes"], 200), rng.random(200)
    more = {"score": high} if as_score else {"probabilities": list(np.stack([1 - high, high], 1))}
    said = np.where(high > 0.5, "yes", "no")
    with laid_out({"y": [*truth, "yes"]}, {"_key": [*map(str, range(200))], "label": said, **more}) as bench:
        predicted = some_predictions(classes=() if as_score else ("no", "yes"))
        for error, expected in (("log_loss", log_loss(truth, high)), ("brier", brier_score_loss(truth == "yes", high))):
            made = make_errors(bench, a_version(), predicted, error=error)
            assert made.rate == pytest.approx(expected, rel=1e-12)


def test_false_positives_are_counted_among_the_negatives_and_false_negatives_among_the_positives():
    labels = {"y": ["no", "no", "no", "yes", "yes", None]}
    with laid_out(labels, {"label": ["yes", "no", "no", "no", "yes", "yes"]}) as bench:
        fp = make_errors(bench, a_version(), some_predictions(), error="false_positive")
        assert [row["error"] for row in errors_of(bench).values()] == [1, 0, 0, None, None, None]
        fn = make_errors(bench, a_version(), some_predictions(), error="false_negative", name="others")
        assert [row["error"] for row in errors_of(bench, "others").values()] == [None, None, None, 1, 0, None]
        of_no = make_errors(bench, a_version(), some_predictions(), error="false_negative:no")
    assert (fp.positive, fp.n, fp.rate) == ("yes", 3, 1 / 3)
    assert (fn.positive, fn.n, fn.rate, fn.name) == ("yes", 2, 0.5, "false_negative")
    assert (of_no.name, of_no.positive, of_no.n) == ("false_negative:no", "no", 3)


def test_errors_of_numbers_are_those_of_scikit_learn_and_no_finite_number_is_nothing_to_compare():
    rng = np.random.default_rng(3)
    truth, said = rng.normal(size=100), rng.normal(size=100)
    broken = said.copy()
    broken[:10] = np.nan
    broken[3] = np.inf
    with laid_out({"y": truth}, {"value": broken}) as bench:
        version, predicted = a_version(), some_predictions()
        squared = make_errors(bench, version, predicted)
        absolute = make_errors(bench, version, predicted, error="absolute")
        residual = make_errors(bench, version, predicted, error="residual")
    assert (squared.name, squared.n, squared.rows) == ("squared", 90, 100)
    assert squared.rate == pytest.approx(mean_squared_error(truth[10:], said[10:]), rel=1e-12)
    assert absolute.rate == pytest.approx(mean_absolute_error(truth[10:], said[10:]), rel=1e-12)
    assert residual.signed
    assert residual.rate == pytest.approx((truth - said)[10:].mean(), rel=1e-12)


def test_truth_that_annotators_do_not_agree_on_is_not_known():
    said = [("0", "a", "cat"), ("0", "b", "cat"), ("0", "c", "dog"), ("1", "a", "cat"), ("1", "b", "dog")]
    annotated = [{"_key": k, "annotator": who, "kind": "class", "label": label} for k, who, label in said]
    with laid_out({"x": [1, 2, 3]}, {"label": ["cat", "cat", "cat"]}, annotated) as bench:
        make_errors(bench, a_version(target=None), some_predictions())
        assert [(row["actual"], row["error"]) for row in errors_of(bench).values()] == [
            ("cat", 0),
            (None, None),
            (None, None),
        ]


def squad_f1(actual: str, predicted: str) -> float:
    def tokens(text: str) -> list[str]:
        text = "".join(each for each in text.lower() if each not in string.punctuation)
        return re.sub(r"\b(a|an|the)\b", " ", text).split()

    a, b = tokens(actual), tokens(predicted)
    if not a or not b:
        return float(a == b)
    same = sum((Counter(a) & Counter(b)).values())
    return 2 * same / (len(a) + len(b)) if same else 0.0


def test_overlap_of_texts_is_that_of_the_script_of_squad():
    words = ["the", "Cat", "cat", "sat.", "on", "a", "mat", "don't", "-", "é", ""]
    rng = np.random.default_rng(4)
    texts = [[" ".join(rng.choice(words, rng.integers(0, 6))) for _ in range(300)] for _ in range(2)]
    with laid_out({"y": texts[0]}, {"text": texts[1]}) as bench:
        version, predicted = a_version(task="text"), some_predictions()
        made = make_errors(bench, version, predicted, error="token_f1")
        found = [row["error"] for row in errors_of(bench).values()]
        exact = make_errors(bench, version, predicted)
    expected = [1 - squad_f1(a, b) for a, b in zip(*texts, strict=True)]
    assert found == pytest.approx(expected, abs=1e-12)
    assert (made.kind, exact.kind) == ("real", "binary")
    assert exact.rate == np.mean([a != b for a, b in zip(*texts, strict=True)])


@pytest.mark.parametrize(
    ("samples", "said", "error", "word"),
    [
        ({"y": ["a", "b"]}, {"label": ["a", "b"]}, "log_loss", "no probabilities"),
        ({"y": ["a", "b"]}, {"label": ["a", "b"]}, "squared", "no error of classification"),
        ({"y": ["a", "b", "c"]}, {"label": ["a", "b", "c"]}, "false_positive", "there are 3"),
        ({"y": ["a", "b"]}, {"label": ["a", "b"]}, "false_positive:z", "'z' is no class"),
        ({"y": ["a", "b"]}, {"label": ["a", "b"]}, 3, "3 is no error"),
        ({"y": ["a", "b"]}, {"value": [1.0, 2.0]}, "auto", "no number"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(samples, said, error, word):
    with laid_out(samples, said) as bench, pytest.raises(RenexError, match=word) as refused:
        make_errors(bench, a_version(), some_predictions(), error=error)
    assert refused.value.code == "invalid_argument"


def test_a_dataset_without_ground_truth_is_refused():
    with laid_out({"x": [1]}, {"label": ["a"]}) as bench, pytest.raises(RenexError, match="no ground truth"):
        make_errors(bench, a_version(target=None), some_predictions())


def box(key, label, x, y, w, h, **more):
    return {"_key": key, "label": label, "x": x, "y": y, "w": w, "h": h, **more}


def test_a_box_that_nobody_found_is_missed_and_one_that_is_nowhere_is_wrong():
    true = [
        box("0", "car", 0, 0, 20, 20, annotation_id="a", kind="box"),
        box("0", "car", 200, 200, 100, 100, annotation_id="b", kind="box"),
        box("1", "dog", 10, 10, 50, 50, annotation_id="c", kind="box"),
    ]
    said = [box("0", "car", 0, 0, 20, 18, score=0.9), box("1", "cat", 10, 10, 50, 50, score=0.8)]
    samples = {"width": [320, 320, 320], "height": [320, 320, 320]}
    with laid_out(samples, said, true) as bench:
        version, predicted = a_version(target=None, task="detection"), some_predictions()
        missed = make_errors(bench, version, predicted)
        boxes = {row["annotation_id"]: row for row in bench.rows("from errors")}
        wrong = make_errors(bench, version, predicted, error="false_positive", name="wrong")
        images = make_errors(bench, version, predicted, error="error", name="images")
        per_image = {row["_key"]: row["error"] for row in bench.rows("from images")}
    assert (missed.name, missed.per, missed.n, missed.rate) == ("missed", "truth", 3, 2 / 3)
    assert [boxes[each]["error"] for each in "abc"] == [0, 1, 1]
    assert [boxes["a"][each] for each in ("class", "size", "border", "predicted")] == ["car", "small", True, "car"]
    assert (boxes["c"]["actual"], boxes["c"]["predicted"]) == ("dog", "cat")
    assert (wrong.per, wrong.n, wrong.rate) == ("prediction", 2, 0.5)
    assert images.per == "sample"
    assert per_image == {"0": 1, "1": 1, "2": 0}
