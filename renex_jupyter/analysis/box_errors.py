"""Errors of detection: a row per true box that may be missed, per found box that may be wrong, or per image."""

from __future__ import annotations

from renex_jupyter.analysis.detection import match_boxes
from renex_jupyter.store.workbench import Workbench, quoted

MISSED, FALSE_POSITIVE = "missed", "false_positive"
_BOX = "size, aspect, border, crowding, iou_bin, x, y, w, h"


def make_box_errors(bench: Workbench, *, error: str, name: str, source: str = "predictions", iou: float = 0.5) -> str:
    """Make the table of errors of detection, and return what a row of it is: "truth", "prediction" or "sample".

    A box has `class`, and `size`, `aspect`, `border`, `crowding`, `iou_bin`, `x`, `y`, `w`, `h` as `match_boxes` says
    them; a crowd has no error. An image has error 1 where it has any wrong box, in `wrong` how many; 0 without any box.
    """
    matches = f"{name} matches"
    match_boxes(bench, iou=iou, predictions=source, name=matches)
    rows = {
        MISSED: f"""
            select _key, annotation_id, error, if(error = 0, label, other) as predicted, label as actual, score,
                label as class, {_BOX}
            from {quoted(matches)} where side = 'truth' order by number""",
        FALSE_POSITIVE: f"""
            select _key, annotation_id, error, label as predicted, if(error = 0, label, other) as actual, score,
                label as class, {_BOX}
            from {quoted(matches)} where side = 'prediction' order by number""",
    }.get(
        error,
        f"""
            select s._key, (coalesce(wrong, 0) > 0)::double as error, null::varchar as predicted, null::varchar as actual,
                null::double as score, coalesce(wrong, 0)::bigint as wrong
            from samples s left join (select _key, sum(error) as wrong from {quoted(matches)} group by _key) m
                on m._key = s._key""",
    )
    bench.run(f"create or replace table {quoted(name)} as {rows}")
    bench.run(f"drop table {quoted(matches)}")
    return {MISSED: "truth", FALSE_POSITIVE: "prediction"}.get(error, "sample")
