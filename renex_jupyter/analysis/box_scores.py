"""What a detector is worth: precision, recall and average precision by class, and which classes it takes for which."""

from __future__ import annotations

import math

from renex_jupyter.analysis.average_precision import COCO, average_precision, mean_precision
from renex_jupyter.analysis.confusion import AVERAGED
from renex_jupyter.analysis.detection import OVERLAP, choices, match_boxes
from renex_jupyter.records.evaluations import ClassScores, Count
from renex_jupyter.store.workbench import Workbench, quoted


def box_counts(bench: Workbench, *, iou: float, source: str = "predictions") -> tuple[Count, ...]:
    """Return how often a box of a class was found as one of each class, the most frequent first.

    Boxes are matched within their class first; then those that are left, whatever their class, the highest score first.
    None: nothing was found there, or nothing is there. Crowds and what lies in them are not counted.

    Raises
    ------
    RenexError : `invalid_argument` for an `iou` that is no share.
    """
    table = f"{source} matches"
    match_boxes(bench, iou=iou, predictions=source, name=table)
    crossed = quoted(f"{table} crossed")
    _take_crossed(bench, table, iou)
    rows = bench.values(f"""
        with truth as (from {quoted(table)} where side = 'truth' and error is not null),
        found as (from {quoted(table)} where side = 'prediction' and error is not null),
        single as (
            select label as actual, label as predicted from truth where error = 0
            union all select t.label, f.label from {crossed} c
                join truth t on t.number = c.truth join found f on f.number = c.found
            union all select label, null from truth where error = 1 and number not in (select truth from {crossed})
            union all select null, label from found where error = 1 and number not in (select found from {crossed}))
        select actual, predicted, count(*) from single group by all order by 3 desc, 1 nulls last, 2 nulls last""")
    bench.run(f"drop table {quoted(table)}; drop view {crossed}")
    return tuple(Count(*row) for row in rows)


def box_scores(
    bench: Workbench, counts: tuple[Count, ...], *, source: str = "predictions"
) -> tuple[tuple[ClassScores, ...], dict[str, float]]:
    """Return the scores of each class at the overlap of the counts, with the average precision over COCO's overlaps, and
    the metrics: precision, recall and F1 over all boxes, and means over the classes of the average precision.
    """
    frame = average_precision(bench, iou=COCO, predictions=source)
    mean = frame.groupby("label", dropna=False)["ap"].mean()
    found = []
    for label in mean.index:
        actual = [each for each in counts if each.actual == label]
        predicted = [each for each in counts if each.predicted == label]
        ap = float(mean[label])
        area = None if math.isnan(ap) else ap
        found.append(ClassScores(label, *_shares(actual, predicted), _sum(actual), _sum(predicted), None, area))
    known = {name: value for name, value in mean_precision(frame).items() if not math.isnan(value)}
    whole = _shares([c for c in counts if c.actual is not None], [c for c in counts if c.predicted is not None])
    return tuple(found), {**dict(zip(AVERAGED, whole, strict=True)), **known}


def _take_crossed(bench: Workbench, table: str, iou: float) -> None:
    """Name the pairs of missed and wrong boxes of two classes that are one thing: truth, found (their numbers)."""
    import numpy as np

    pairs = bench.arrays(
        f"""
        with pairs as (select f.number as found, t.number as truth, f.score, {OVERLAP} as overlap,
                t.w * t.h + f.w * f.h as areas
            from {quoted(table)} t join {quoted(table)} f on f._key = t._key and t.side = 'truth' and f.side = 'prediction'
            where t.error = 1 and f.error = 1 and t.label is distinct from f.label)
        select found, truth from pairs where overlap / (areas - overlap) >= least(?, 1 - 1e-10)
        order by found, overlap / (areas - overlap) desc, truth desc""",
        [iou],
    )
    found, truth = np.asarray(pairs["found"]), np.asarray(pairs["truth"])
    sizes = [int(each.max()) + 1 if len(each) else 0 for each in (found, truth)]
    partner = choices(found, truth, *sizes)  # found boxes are numbered by falling score
    taken = np.flatnonzero(partner >= 0)
    bench.take(f"{table} crossed", {"found": taken.astype(np.int64), "truth": partner[taken].astype(np.int64)})


def _shares(actual: list[Count], predicted: list[Count]) -> tuple[float, float, float]:
    """Return precision, recall and F1 of those that are there and those that were found."""
    support, said = _sum(actual), _sum(predicted)
    right = _sum([each for each in actual if each.actual == each.predicted])
    return right / max(said, 1), right / max(support, 1), 2 * right / max(said + support, 1)


def _sum(counts: list[Count]) -> int:
    return sum(each.n for each in counts)
