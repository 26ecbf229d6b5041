"""How precise a detector is over all of its scores: per class and overlap, and on average.

References
----------
101 recall levels: `accumulate` in https://github.com/cocodataset/cocoapi/blob/master/PythonAPI/pycocotools/cocoeval.py
Area under the whole curve: Everingham et al., The PASCAL Visual Object Classes Challenge: A Retrospective, 2015, section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from renex_jupyter.analysis.detection import check_share, partners, prepare_boxes
from renex_jupyter.store.workbench import Workbench, quoted

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

COCO = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))  # overlaps from which COCO averages
LEVELS = 101  # of recall, from 0 to 1
MOST = 100  # found boxes of an image and class that COCO looks at


def average_precision(
    bench: Workbench,
    *,
    iou: Sequence[float] = COCO,
    most: int = MOST,
    predictions: str = "predictions",
    annotations: str = "annotations",
) -> pd.DataFrame:
    """Return the average precision of each class at each overlap.

    Parameters
    ----------
    iou : intersections over union from which two boxes are the same, each in (0, 1].
    most : found boxes of an image and class that take part, the highest scores first.

    Returns
    -------
    Frame: label, iou, ap (mean of the precision at 101 levels of recall, as COCO), area (under the curve, as PASCAL VOC since
    2010), recall (at the lowest score), truths, predictions (without those that are ignored); ordered by label and iou.
    Where a class has no true box, ap, area and recall are NaN.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    import numpy as np
    import pandas as pd

    for each in iou:
        check_share(each)
    boxes = prepare_boxes(bench, predictions=predictions, annotations=annotations)
    found, truth = quoted(boxes.found), quoted(boxes.truth)
    classes = bench.values(f"""
        with counted as (
            select label, count(*) filter (not crowd) as truths from {truth} group by label
            union all select label, 0 from {found} group by label
        )
        select label, sum(truths)::bigint from counted group by label order by label""")
    numbers = bench.arrays(
        f"select dense_rank() over (order by label) - 1 as class, rank <= {int(most)} as counts from {found} order by number"
    )
    # The classes of the found boxes only are numbered here; both lists are in the order of the label.
    named = [row[0] for row in bench.values(f"select distinct label from {found} order by label")]
    class_of, counts = np.asarray(numbers["class"]), np.asarray(numbers["counts"], dtype=bool)
    rows = []
    for level in iou:
        partner, ignored = partners(bench, boxes, level, most=most)
        for label, truths in classes:
            mine = class_of == named.index(label) if label in named else np.zeros(boxes.n_found, dtype=bool)
            right = partner[mine & counts & ~ignored] >= 0  # found boxes are numbered by falling score
            ap, area, recall = _precision(right, truths)
            rows.append((label, float(level), ap, area, recall, truths, len(right)))
    for table in (boxes.truth, boxes.found, boxes.pairs):
        bench.run(f"drop table {quoted(table)}")
    frame = pd.DataFrame(rows, columns=["label", "iou", "ap", "area", "recall", "truths", "predictions"])
    return frame.sort_values(["label", "iou"], ignore_index=True)


def mean_precision(frame: pd.DataFrame) -> dict[str, float]:
    """Return the means over the classes that have true boxes; NaN where there is none.

    Returns
    -------
    map (over all overlaps), map_50, map_75 (those at which it was measured), mean_recall.
    """
    known = frame[frame["truths"] > 0]
    means = {"map": float(known["ap"].mean())}
    for percent in (50, 75):
        if (at := known[known["iou"] == percent / 100]).size:
            means[f"map_{percent}"] = float(at["ap"].mean())
    return {**means, "mean_recall": float(known["recall"].mean())}


def _precision(right: np.ndarray, truths: int) -> tuple[float, float, float]:
    """Return average precision at the levels of recall, the area under the curve and the last recall of one class.

    Parameters
    ----------
    right : shape (found boxes,), ordered by falling score.
    """
    import numpy as np

    if not truths:
        return float("nan"), float("nan"), float("nan")
    if not len(right):
        return 0.0, 0.0, 0.0
    hits = np.cumsum(right)
    recall, precision = hits / truths, hits / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # what can be had at this recall or a higher one
    places = np.searchsorted(recall, np.linspace(0, 1, LEVELS), side="left")
    ap = float(np.append(best, 0.0)[places].sum() / LEVELS)
    area = float(np.sum(np.diff(recall, prepend=0.0) * best))
    return ap, area, float(recall[-1])
