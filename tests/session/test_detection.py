"""Boxes that a detector found are logged on a version out of COCO, and matched with the true ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pictures
import pytest

import renex_jupyter as rx
from renex_jupyter.analysis.average_precision import average_precision
from renex_jupyter.analysis.detection import match_boxes
from renex_jupyter.query.contents import open_annotations, open_predictions, open_samples
from renex_jupyter.session.current import current
from renex_jupyter.store.workbench import Workbench


def test_logged_boxes_are_matched_with_those_of_the_dataset(project: Path) -> None:
    pictures.coco(project / "in")
    version = rx.create_dataset("shapes", "in")
    found = pd.DataFrame(
        [
            ("images/0.png", "cat", 0.9, 10, 20, 31, 20),  # right
            ("images/0.png", "cat", 0.8, 10, 20, 31, 20),  # the same once more
            ("images/1.png", "cat", 0.7, 2, 3, 2, 5),  # in the crowd
            ("images/1.png", "cat", 0.6, 40, 40, 8, 8),  # nothing is there
        ],
        columns=["_key", "label", "score", "x", "y", "w", "h"],
    )
    predictions = rx.log_predictions(version, found, name="detector")
    assert (predictions.task, predictions.n_predictions, predictions.n_samples) == ("detection", 4, 2)
    with Workbench(threads=1) as bench:
        open_samples(bench, current().store.blobs, version)
        open_annotations(bench, current().store.blobs, version)
        open_predictions(bench, current().store.blobs, predictions)
        match_boxes(bench)
        errors = bench.values("select score, error, border from matches where side = 'prediction' order by number")
        assert errors == [(0.9, 0.0, False), (0.8, 1.0, False), (0.7, None, False), (0.6, 1.0, True)]
        missed = bench.values("select label, annotation_id, error from matches where side = 'truth' order by 2")
        assert missed == [("cat", "1", 0.0), ("dög", "2", 1.0), ("dög", "5", 1.0), ("cat", "6", None)]
        frame = average_precision(bench, iou=[0.5])
        assert dict(zip(frame["label"], frame["ap"], strict=True)) == pytest.approx({"cat": 1.0, "dög": 0.0})


def test_a_box_of_an_image_that_there_is_not_is_told_with_its_row(project: Path) -> None:
    pictures.coco(project / "in")
    rx.create_dataset("shapes", "in")
    found = pd.DataFrame(
        {"_key": ["images/0.png", "gone.png"], "label": "cat", "score": 0.5, "x": 1, "y": 1, "w": 2, "h": 2}
    )
    with pytest.raises(rx.RenexError, match=r"row 1.*gone.png"):
        rx.log_predictions("shapes", found)
