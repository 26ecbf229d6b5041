"""Predictions say what they mean whatever type they come in, and what they cannot be is told with its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import renex_jupyter as rx

N = 60
TRUTH = np.arange(N) % 2


def two_classes(**more: object) -> object:
    return rx.create_dataset("two", {"x": np.arange(N), "y": TRUTH, **more}, target="y", task="classification")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.1, 1.01])
def test_a_probability_that_is_none_is_told_with_its_row(project: Path, wrong: float) -> None:
    two_classes()
    given = np.full((N, 2), 0.5)
    given[7, 1] = wrong
    with pytest.raises(rx.RenexError, match="1 prediction with a probability that is none: row 7"):
        rx.log_predictions("two", given)
    with pytest.raises(rx.RenexError, match="row 7"):
        rx.log_predictions("two", TRUTH, probabilities=given[:, 1])
    assert len(rx.list_predictions()) == 0


def test_what_a_softmax_of_32_bits_rounds_is_a_probability(project: Path) -> None:
    two_classes()
    sure = np.where(TRUTH == 1, np.float32(1.0000002), np.float32(-1e-7)).astype("float32")
    for given in (sure, np.column_stack([1 - sure, sure])):
        found = rx.evaluate("two", rx.log_predictions("two", TRUTH, probabilities=given))
        assert found.metrics["ece"] == 0
        assert found.metrics["brier"] == 0
        assert found.metrics["log_loss"] == pytest.approx(0, abs=1e-12)


def test_whole_numbers_are_the_classes_of_a_target_with_gaps(project: Path) -> None:
    truth = pd.Series(TRUTH, dtype=float)
    truth[0] = np.nan  # pandas makes floats of the others
    rx.create_dataset("gaps", pd.DataFrame({"y": truth}), target="y", task="classification")
    given = np.column_stack([1 - TRUTH, TRUTH])
    for said, more in ((TRUTH, {}), (TRUTH, {"classes": np.array([0, 1])}), (given, {"classes": [0, 1]})):
        found = rx.evaluate("gaps", rx.log_predictions("gaps", said, **more))
        assert (found.n, found.metrics["accuracy"]) == (N - 1, 1.0)


def test_floats_are_the_classes_of_whole_numbers(project: Path) -> None:
    two_classes()
    given = np.column_stack([1 - TRUTH, TRUTH])
    found = rx.evaluate("two", rx.log_predictions("two", given, classes=np.array([0.0, 1.0])))
    assert found.metrics["accuracy"] == 1.0


def test_texts_where_numbers_are_wanted_are_told_with_their_rows(project: Path) -> None:
    rx.create_dataset("numbers", {"y": [1.5, 2.5, 3.5]}, target="y", task="regression")
    with pytest.raises(rx.RenexError, match=r"the predictions hold texts that are no numbers: row 1 \('many'\)"):
        rx.log_predictions("numbers", ["1", "many", "3"])
    with pytest.raises(rx.RenexError, match=r"'score' holds texts that are no numbers: row 0 \('sure'\)"):
        rx.log_predictions("numbers", [1, 2, 3], scores=["sure", "1", "2"])
    two_classes()
    with pytest.raises(rx.RenexError, match="the probabilities are no numbers"):
        rx.log_predictions("two", TRUTH, probabilities=["high"] * N)


@pytest.mark.parametrize("classes", [["cat"], ["cat", "dog"]])
def test_a_box_without_a_label_is_of_the_only_class_or_refused(project: Path, classes: list[str]) -> None:
    boxes = pd.DataFrame({"_key": ["a", "b"], "x": 1.0, "y": 1.0, "w": 9.0, "h": 9.0, "score": 0.5})
    true = boxes.drop(columns="score").assign(kind="box", label=["cat", classes[-1]])
    rx.create_dataset("shapes", {"name": ["a", "b"]}, key="name", annotations=true, task="detection")
    if len(classes) == 1:
        found = rx.evaluate("shapes", rx.log_predictions("shapes", boxes))
        assert (found.metrics["map"], str(found).count("cat")) == (1.0, 3)
    for said in (boxes, boxes.assign(label=["cat", None])):
        if len(classes) == 2 or "label" in said:
            with pytest.raises(rx.RenexError, match=r"of a box without a label: .*row 1 \('b'\)"):
                rx.log_predictions("shapes", said)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_box_without_an_end_is_told_with_its_row(project: Path, wrong: float) -> None:
    two_classes()
    boxes = pd.DataFrame(
        {"_key": ["0", "1"], "label": "1", "score": 0.5, "x": 1.0, "y": 1.0, "w": [2.0, wrong], "h": 2.0}
    )
    with pytest.raises(rx.RenexError, match="1 prediction with a box that is none: row 1"):
        rx.log_predictions("two", boxes, classes=["0", "1"])
