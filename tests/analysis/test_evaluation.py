"""Evaluations as a whole: of each task, with what is missing told."""

from __future__ import annotations

import numpy as np
import pytest
from pairs import a_version, laid_out, some_predictions
from sklearn import metrics as sk

from renex_jupyter.analysis.evaluation import evaluate
from renex_jupyter.errors import RenexError

EXACT = {"rel": 1e-12, "abs": 1e-12}


def test_of_two_classes_the_second_is_positive_and_areas_and_losses_are_its_own():
    rng = np.random.default_rng(0)
    truth, high = rng.choice(["no", "yes"], 300), rng.random(300).round(2)
    said = np.where(high > 0.4, "yes", "no")
    given = {"label": said, "probabilities": list(np.stack([1 - high, high], 1))}
    with laid_out({"y": truth}, given) as bench:
        found = evaluate(bench, a_version(), some_predictions(classes=("no", "yes")))
    positive = truth == "yes"
    expected = {
        "accuracy": sk.accuracy_score(truth, said),
        "precision": sk.precision_score(positive, said == "yes"),
        "recall": sk.recall_score(positive, said == "yes"),
        "f1": sk.f1_score(positive, said == "yes"),
        "roc_auc": sk.roc_auc_score(positive, high),
        "average_precision": sk.average_precision_score(positive, high),
        "log_loss": sk.log_loss(positive, high),
        "brier": sk.brier_score_loss(positive, high),
    }
    assert {name: found.metrics[name] for name in expected} == pytest.approx(expected, **EXACT)
    assert (found.positive, found.n, found.notes) == ("yes", 300, ())
    assert list(found.per_class["label"]) == ["no", "yes"]


def test_of_more_classes_areas_are_means_over_each_against_the_rest():
    rng = np.random.default_rng(1)
    truth, given = rng.choice(list("abc"), 300), rng.dirichlet([1, 1, 1], 300)
    said = np.array(list("abc"))[given.argmax(1)]
    with laid_out({"y": truth}, {"label": said, "probabilities": list(given)}) as bench:
        found = evaluate(bench, a_version(), some_predictions(classes="abc"))
        of_b = evaluate(bench, a_version(), some_predictions(classes="abc"), positive="b")
    assert found.metrics["macro_roc_auc"] == pytest.approx(sk.roc_auc_score(truth, given, multi_class="ovr"), **EXACT)
    assert found.metrics["log_loss"] == pytest.approx(sk.log_loss(truth, given), **EXACT)
    assert found.metrics["brier"] == pytest.approx(sk.brier_score_loss(truth, given), **EXACT)
    assert found.per_class["roc_auc"][1] == pytest.approx(sk.roc_auc_score(truth == "b", given[:, 1]), **EXACT)
    assert of_b.metrics["roc_auc"] == found.per_class["roc_auc"][1]
    assert of_b.metrics["recall"] == pytest.approx(sk.recall_score(truth == "b", said == "b"), **EXACT)


def test_a_class_that_the_model_does_not_know_is_told():
    given = {"label": ["a", "b", "a"], "probabilities": [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]}
    with laid_out({"y": ["a", "b", "zebra"]}, given) as bench:
        found = evaluate(bench, a_version(), some_predictions(classes=("a", "b")))
    assert any("'zebra'" in each for each in found.notes)
    assert found.metrics["accuracy"] == pytest.approx(2 / 3)
    assert found.per_class["support"].tolist() == [1, 1, 1]


def test_without_probabilities_what_needs_them_is_left_out_and_told():
    with laid_out({"y": ["a", "b"]}, {"label": ["a", "a"]}) as bench:
        found = evaluate(bench, a_version(), some_predictions())
    assert "log_loss" not in found.metrics
    assert any("no probabilities" in each for each in found.notes)
    with laid_out({"y": ["a", "b"]}, {"label": ["a", "a"], "score": [-3.0, 7.0]}) as bench:
        found = evaluate(bench, a_version(), some_predictions())
    assert found.metrics["roc_auc"] == 1
    assert any("no probabilities" in each for each in found.notes)


def test_one_class_only_is_measured():
    with laid_out({"y": ["a", "a"]}, {"label": ["a", "a"]}) as bench:
        found = evaluate(bench, a_version(), some_predictions())
    assert found.metrics["accuracy"] == found.metrics["macro_f1"] == 1
    assert found.positive is None


def test_nothing_to_compare_is_told_and_no_error():
    with laid_out({"y": ["a", None]}, {"label": [None, "a"]}) as bench:
        found = evaluate(bench, a_version(), some_predictions())
    assert (found.n, found.metrics) == (0, {})
    assert (found.without_truth, found.without_prediction) == (1, 1)
    assert "nothing to measure" in found.notes[0]


def test_texts_without_labels_are_compared_as_texts():
    with laid_out({"y": ["a red cat", "two dogs"]}, {"text": ["red cat", "two dogs"]}) as bench:
        found = evaluate(bench, a_version(task="text"), some_predictions())
    assert found.metrics == {"exact_match": 0.5, "token_f1": 1.0}


def box(key, label, x, y, w, h, **more):
    return {"_key": key, "label": label, "x": x, "y": y, "w": w, "h": h, **more}


def test_boxes_are_counted_by_class_with_what_is_taken_for_what():
    true = [
        box(str(n), label, 10, 10, 50, 50, annotation_id=str(n), kind="box")
        for n, label in enumerate(["car", "car", "dog", "dog"])
    ]
    said = [
        box("0", "car", 10, 10, 50, 50, score=0.9),
        box("0", "car", 12, 12, 50, 50, score=0.6),  # the same again
        box("2", "cat", 10, 10, 50, 48, score=0.8),  # the right place, another class
        box("3", "dog", 10, 10, 50, 50, score=0.7),
        box("3", "dog", 200, 200, 50, 50, score=0.5),  # nothing is there
    ]
    with laid_out({"x": [1, 2, 3, 4]}, said, true) as bench:
        found = evaluate(bench, a_version(target=None, task="detection"), some_predictions())
        strict = evaluate(bench, a_version(target=None, task="detection"), some_predictions(), iou=0.97)
    matrix = found.confusion
    assert matrix.loc["car", "car"] == 1
    assert matrix.loc["dog", "cat"] == 1
    assert matrix.loc["dog", "dog"] == 1
    assert matrix.loc["car", "(no prediction)"] == 1
    assert matrix.loc["(no ground truth)", "car"] == 1
    assert matrix.loc["(no ground truth)", "dog"] == 1
    assert found.metrics["precision"] == 2 / 5
    assert found.metrics["recall"] == 2 / 4
    assert (found.n, found.without_prediction, found.iou) == (4, 1, 0.5)
    assert 0 < found.metrics["map"] <= found.metrics["map_50"] < 1
    by_label = found.per_class.set_index("label")
    assert by_label.loc["dog", ["precision", "recall", "support"]].tolist() == [0.5, 0.5, 2]
    assert strict.confusion.loc["dog", "(no prediction)"] == 1
    with laid_out({"x": [1]}, said[:1], true[:1]) as bench, pytest.raises(RenexError, match="iou"):
        evaluate(bench, a_version(target=None, task="detection"), some_predictions(), iou=50)


def test_an_evaluation_is_shown_with_everything_escaped():
    hostile = "<script>alert(1)</script>"
    with laid_out({"y": [hostile, "b"]}, {"label": [hostile, hostile]}) as bench:
        found = evaluate(bench, a_version(), some_predictions())
    page = found._repr_html_()
    assert hostile not in page
    assert "&lt;script&gt;" in page
    assert "accuracy 0.5" in str(found)
    assert "actual \\ predicted" in str(found)
    assert found.as_dict()["counts"][0]["n"] == 1


def overlap(a, b):
    w = min(a["x"] + a["w"], b["x"] + b["w"]) - max(a["x"], b["x"])
    h = min(a["y"] + a["h"], b["y"] + b["h"]) - max(a["y"], b["y"])
    both = max(w, 0) * max(h, 0)
    return both / (a["w"] * a["h"] + b["w"] * b["h"] - both)


def matrix_of(true, said, iou):
    """One found box after the other, the highest score first: within its class, and then what is left of any class."""
    counts = {}
    for key in {each["_key"] for each in [*true, *said]}:
        free = [each for each in true if each["_key"] == key]
        left = sorted((each for each in said if each["_key"] == key), key=lambda each: -each["score"])
        for of_class in (True, False):
            rest = []
            for box in left:
                near = [t for t in free if (not of_class or t["label"] == box["label"]) and overlap(t, box) >= iou]
                if near:
                    best = max(near, key=lambda t: overlap(t, box))
                    free.remove(best)
                    at = (best["label"], box["label"])
                    counts[at] = counts.get(at, 0) + 1
                else:
                    rest.append(box)
            left = rest
        for at in [(t["label"], None) for t in free] + [(None, f["label"]) for f in left]:
            counts[at] = counts.get(at, 0) + 1
    return counts


@pytest.mark.parametrize("seed", range(6))
def test_the_matrix_of_boxes_is_that_of_looking_at_one_after_the_other(seed):
    rng = np.random.default_rng(seed)

    def some(n, **more):
        return [
            box(
                str(rng.integers(4)),
                str(rng.choice(["car", "dog"])),
                *rng.random(2) * 20,
                *(15 + rng.random(2) * 10),
                **more,
            )
            for _ in range(n)
        ]

    true = [{**each, "annotation_id": f"{n:02}", "kind": "box"} for n, each in enumerate(some(14))]
    said = [{**each, "score": float(rng.random())} for each in some(20)]
    with laid_out({"x": [1, 2, 3, 4]}, said, true) as bench:
        found = evaluate(bench, a_version(target=None, task="detection"), some_predictions(), iou=0.3)
    assert {(each.actual, each.predicted): each.n for each in found.counts} == matrix_of(true, said, 0.3)
