"""Charts of workspaces on regression, several classes and boxes, with keys and rows in any order."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import renex_jupyter as rx


def test_of_regression_the_mean_absolute_error_is_drawn(project: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.random(50), "kind": random.choice(["a", "b"], 50), "y": random.normal(0, 5, 50)})
    rx.create_dataset("values", frame, target="y", task="regression")
    said = frame["y"] + random.normal(0, 1, 50)
    rx.log_predictions("values", said, name="r")
    live = rx.view_dataset(
        "values", filter="x >= 0.25", charts=[{"type": "error_rate", "columns": "kind"}, "confusion"]
    )
    rates, confusion = live.tables()
    some = frame.assign(error=(said - frame["y"]).abs())[frame["x"] >= 0.25]
    for row in rates.rows:
        part = some[some["kind"] == row[1]]["error"]
        assert row[4] == len(part)
        assert row[6] == pytest.approx(part.mean(), abs=1e-8)
    assert "no classes" in confusion.problem


def test_predictions_in_another_order_meet_their_samples(project: Path) -> None:
    random = np.random.default_rng(1)
    classes = ["ant", "bee", "cat"]
    frame = pd.DataFrame({"id": [f"k{i}" for i in range(90)], "row": range(90), "y": random.choice(classes, 90)})
    rx.create_dataset("animals", frame, key="id", target="y", task="classification")
    p = random.dirichlet([1, 1, 1], 90)
    said = pd.DataFrame({"id": frame["id"], "label": np.array(classes)[p.argmax(1)]})
    order = random.permutation(90)[:80]  # ten samples are not predicted
    rx.log_predictions("animals", said.iloc[order], probabilities=p[order], classes=classes, name="some")
    live = rx.view_dataset("animals", charts=["confusion", {"type": "roc", "label": "bee"}, "pr"], filter='"row" < 60')
    confusion, roc, pr = live.tables()
    known = [i for i in order if i < 60]
    wanted = pd.crosstab(frame["y"][known], said["label"][known])
    assert {row[1:3]: row[3] for row in confusion.rows} == {
        (a, b): n for a, part in wanted.iterrows() for b, n in part.items() if n
    }
    metrics = pytest.importorskip("sklearn.metrics")
    area = metrics.roc_auc_score(frame["y"][known] == "bee", np.floor(p[known, 1] * 1000))
    assert roc.facts["area some"] == pytest.approx(area, abs=1e-12)
    assert "label" in pr.problem


def test_of_boxes_the_images_with_a_wrong_one_are_counted(project: Path) -> None:
    images = pd.DataFrame({"name": ["i1", "i2", "i3"], "night": [True, False, True]})
    rx.create_dataset("boxes", images, key="name", task="detection")
    truth = {
        "_key": ["i1", "i2"],
        "kind": "box",
        "label": "cat",
        "x": [0.0, 0.0],
        "y": [0.0, 0.0],
        "w": [10.0, 10.0],
        "h": [10.0, 10.0],
    }
    rx.log_annotations("boxes", pd.DataFrame(truth))
    said = pd.DataFrame(
        {"_key": ["i1", "i2"], "label": "cat", "score": 0.9, "x": [0.0, 50.0], "y": 0.0, "w": 10.0, "h": 10.0}
    )
    rx.log_predictions("boxes", said, name="d")
    rates = rx.view_dataset("boxes", charts=[{"type": "error_rate", "columns": "night"}]).tables()[0]
    assert rates.problem is None
    assert {row[1]: (row[4], row[5]) for row in rates.rows} == {"true": (2, 0.0), "false": (1, 1.0)}


def test_columns_of_hostile_names_and_times_are_counted(project: Path) -> None:
    frame = pd.DataFrame({"row": [1, 2, 3], 'a"b': ["x", "y'", None], "bin 0": [1.5, float("inf"), None],
                          "when": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"])})  # fmt: skip
    rx.create_dataset("odd", frame)
    live = rx.view_dataset("odd", filter="when >= '2024-01-02'", charts=[{"type": "count", "columns": 'a"b'},
                           {"type": "histogram", "columns": "bin 0"}, {"type": "histogram", "columns": "when",
                           "bins": 2}])  # fmt: skip
    count, numbers, times = live.tables()
    assert {row[0]: row[3] for row in count.rows} == {"y'": 1, None: 1}
    assert numbers.problem is None
    assert numbers.facts["samples"] == 2
    assert [row[2] for row in times.rows] == [0, 2]
    assert len(live.figure_dicts()) == 3
