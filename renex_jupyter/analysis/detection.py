"""Which boxes of a detector are right, which are not, and which true ones it missed.

References
----------
How COCO matches and what it ignores: https://cocodataset.org/#detection-eval and `evaluateImg` in
https://github.com/cocodataset/cocoapi/blob/master/PythonAPI/pycocotools/cocoeval.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.store.workbench import Workbench, quoted

if TYPE_CHECKING:
    import numpy as np

SMALL, LARGE = 32**2, 96**2  # square pixels, where COCO draws its lines
EDGE = 1.0  # pixels from the edge of the image within which a box touches it
BOX_KINDS = "('box', 'polygon', 'mask')"
# Of an open crowd only the share of the found box counts that lies in it.
ACROSS = "greatest(0, least(t.x + t.w, f.x + f.w) - greatest(t.x, f.x))"
ALONG = "greatest(0, least(t.y + t.h, f.y + f.h) - greatest(t.y, f.y))"
OVERLAP = f"{ACROSS} * {ALONG}"
UNION = "case when t.crowd then f.w * f.h else t.w * t.h + f.w * f.h - {overlap} end"


@dataclass(frozen=True, slots=True)
class Boxes:
    """The true boxes and the found ones of a bench, and the pairs that overlap, as tables."""

    truth: str  # number, _key, annotation_id, label, x, y, w, h, crowd; ordered by number
    found: str  # number, _key, label, score, rank (in its image and class, from 1), x, y, w, h
    pairs: str  # truth, found (their numbers), iou, crowd, same (of one class)
    n_truth: int
    n_found: int


def match_boxes(
    bench: Workbench,
    *,
    iou: float = 0.5,
    predictions: str = "predictions",
    annotations: str = "annotations",
    samples: str = "samples",
    name: str = "matches",
) -> None:
    """Make a table with a row for every true box and every found one.

    In each image and class the found boxes, the highest score first, take the free true box that they overlap most; of equal
    ones the last by its id. What lies in a crowd only is ignored, and nobody has to find a crowd.

    Parameters
    ----------
    iou : intersection over union from which two boxes are the same, in (0, 1].
    predictions, annotations, samples : tables of the bench; `width` and `height` of the samples say where the edges are.
    name : of the table that is made: side ("truth", "prediction"), number (from 0, on its side), _key, annotation_id (of a
        prediction: the one that it took), label, score, iou (with its partner), error (1 missed or wrong, 0 right, NULL
        ignored), x, y, w, h [pixels], size (small, medium, large), aspect (tall, square, wide), border (touches the edge of
        the image; NULL: nobody knows), crowding (other true boxes that it overlaps: 0, 1-2, 3+), iou_bin (the most that any
        box of its class on the other side overlaps it), other (label of a box of another class that overlaps it enough).

    Raises
    ------
    RenexError : `invalid_argument` for an `iou` that is no share.
    """
    import numpy as np

    check_share(iou)
    boxes = prepare_boxes(bench, predictions=predictions, annotations=annotations, name=name)
    partner, ignored = partners(bench, boxes, iou)
    taken = np.flatnonzero(partner >= 0)
    bench.take(f"{name}_taken_", {"found": taken.astype(np.int64), "truth": partner[taken]})
    bench.take(f"{name}_ignored_", {"found": np.flatnonzero(ignored).astype(np.int64)})
    bench.run(_rows_of(boxes, name, iou, _sizes(bench, samples)))
    for table in (boxes.truth, boxes.found, boxes.pairs):
        bench.run(f"drop table {quoted(table)}")
    for view in ("taken", "ignored"):
        bench.run(f"drop view {quoted(f'{name}_{view}_')}")


def prepare_boxes(
    bench: Workbench, *, predictions: str = "predictions", annotations: str = "annotations", name: str = "boxes"
) -> Boxes:
    """Number the boxes of a bench and find the pairs that overlap, of any class."""
    truth, found, pairs = f"{name}_truth_", f"{name}_found_", f"{name}_pairs_"
    bench.run(f"""
        create or replace temp table {quoted(truth)} as
        select row_number() over (order by _key, annotation_id, x, y, w, h) - 1 as number, _key, annotation_id, label,
            x, y, w, h, coalesce(is_crowd, false) as crowd
        from {quoted(annotations)}
        where x is not null and y is not null and w is not null and h is not null and (kind is null or kind in {BOX_KINDS})
        order by number""")
    # Equal scores keep the order in which they were given.
    bench.run(f"""
        create or replace temp table {quoted(found)} as
        with given as (
            select row_number() over () as place, _key, label, coalesce(score, 1.0) as score, x, y, w, h
            from {quoted(predictions)}
        )
        select row_number() over (order by score desc, _key, place) - 1 as number, _key, label, score,
            row_number() over (partition by _key, label order by score desc, place) as rank, x, y, w, h
        from given where x is not null and y is not null and w is not null and h is not null
        order by number""")
    bench.run(f"""
        create or replace temp table {quoted(pairs)} as
        with over as (
            select f.number as found, t.number as truth, t.crowd, t.label is not distinct from f.label as same,
                {OVERLAP} as overlap, {UNION.format(overlap=OVERLAP)} as area
            from {quoted(found)} f join {quoted(truth)} t on t._key = f._key
                and t.x < f.x + f.w and f.x < t.x + t.w and t.y < f.y + f.h and f.y < t.y + t.h
        )
        select found, truth, overlap / area as iou, crowd, same from over where area > 0""")
    counts = [int(bench.value(f"select count(*) from {quoted(each)}")) for each in (truth, found)]
    return Boxes(truth, found, pairs, *counts)


def partners(bench: Workbench, boxes: Boxes, iou: float, *, most: int | None = None) -> tuple[Any, Any]:
    """Return the true box that each found one takes, -1 for none, and whether it is ignored, as arrays by its number.

    Each found box asks for the free true one that it overlaps most, and a true one keeps the found one with the highest
    score: where all true boxes want the same, that ends as if the found boxes had chosen one after the other.

    Parameters
    ----------
    most : found boxes of an image and class that may take part, the highest scores first.

    References
    ----------
    Gale and Shapley, College Admissions and the Stability of Marriage, 1962.
    """
    import numpy as np

    ranked = "" if most is None else f"join {quoted(boxes.found)} f on f.number = found and f.rank <= {int(most)}"
    enough = f"from {quoted(boxes.pairs)} {ranked} where same and iou >= least(?, 1 - 1e-10)"
    pairs = bench.arrays(f"select found, truth {enough} and not crowd order by found, iou desc, truth desc", [iou])
    partner = choices(np.asarray(pairs["found"]), np.asarray(pairs["truth"]), boxes.n_found, boxes.n_truth)
    ignored = np.zeros(boxes.n_found, dtype=bool)
    ignored[np.asarray(bench.arrays(f"select distinct found {enough} and crowd", [iou])["found"])] = True
    return partner, ignored & (partner < 0)


def choices(found: np.ndarray, truth: np.ndarray, n_found: int, n_truth: int) -> np.ndarray:
    """Return which true box each found one gets, -1 for none.

    Parameters
    ----------
    found, truth : shape (pairs,), ordered by `found`, in it the most wanted first; a lower `found` goes before a higher one.

    Returns
    -------
    Array of shape (n_found,).
    """
    import numpy as np

    partner = np.full(n_found, -1, dtype=np.int64)
    holder = np.full(n_truth, n_found, dtype=np.int64)
    ends = np.searchsorted(found, np.arange(n_found), side="right")
    at = np.searchsorted(found, np.arange(n_found), side="left")
    asking = np.flatnonzero(at < ends)
    while len(asking):
        wanted = truth[at[asking]]
        np.minimum.at(holder, wanted, asking)
        won = np.flatnonzero(holder < n_found)
        before = partner.copy()
        partner[:] = -1
        partner[holder[won]] = won
        lost = np.union1d(asking[partner[asking] < 0], np.flatnonzero((before >= 0) & (partner < 0)))
        at[lost] += 1
        asking = lost[at[lost] < ends[lost]]
    return partner


def _rows_of(boxes: Boxes, name: str, iou: float, sizes: str) -> str:
    truth, found, pairs = map(quoted, (boxes.truth, boxes.found, boxes.pairs))
    taken, ignored = quoted(f"{name}_taken_"), quoted(f"{name}_ignored_")
    crowding = "case when neighbours = 0 then '0' when neighbours < 3 then '1-2' else '3+' end"
    return f"""
        create or replace table {quoted(name)} as
        with edges as ({sizes}),
        partner as (select t.found, t.truth, p.iou from {taken} t join {pairs} p using (found, truth)),
        of_truth as (
            select truth as number, max(iou) filter (same) as best,
                arg_max(f.label, iou) filter (not same and iou >= {iou}) as other
            from {pairs} p join {found} f on f.number = p.found group by truth
        ),
        of_found as (
            select found as number, max(iou) filter (same and not p.crowd) as best,
                arg_max(t.label, iou) filter (not same and iou >= {iou} and not p.crowd) as other,
                count(*) filter (not p.crowd) as boxes
            from {pairs} p join {truth} t on t.number = p.truth group by found
        ),
        beside as (
            select t.number, count(*) as boxes from {truth} t join {truth} f on t._key = f._key and t.number <> f.number
                and not f.crowd and t.x < f.x + f.w and f.x < t.x + t.w and t.y < f.y + f.h and f.y < t.y + t.h
            group by t.number
        ),
        sides as (
            select 'truth' as side, t.number, t._key, t.annotation_id, t.label, f.score, p.iou,
                case when not t.crowd then (p.found is null)::double end as error, t.x, t.y, t.w, t.h,
                coalesce(b.boxes, 0) as neighbours, coalesce(o.best, 0) as best, o.other
            from {truth} t left join partner p on p.truth = t.number left join {found} f on f.number = p.found
                left join of_truth o on o.number = t.number left join beside b on b.number = t.number
            union all
            select 'prediction', f.number, f._key, t.annotation_id, f.label, f.score, p.iou,
                case when i.found is null then (p.truth is null)::double end, f.x, f.y, f.w, f.h,
                coalesce(o.boxes, 0) - (p.truth is not null)::int, coalesce(o.best, 0), o.other
            from {found} f left join partner p on p.found = f.number left join {truth} t on t.number = p.truth
                left join of_found o on o.number = f.number left join {ignored} i on i.found = f.number
        )
        select side, number, s._key, annotation_id, label, score, iou, error, x, y, w, h,
            case when w * h < {SMALL} then 'small' when w * h < {LARGE} then 'medium' else 'large' end as size,
            case when w < h / 2 then 'tall' when w > h * 2 then 'wide' else 'square' end as aspect,
            least(x, y) <= {EDGE} or x + w >= e.width - {EDGE} or y + h >= e.height - {EDGE} as border,
            {crowding} as crowding,
            case when best <= 0 then '0' when best < 0.1 then '0 to 0.1' when best < 0.3 then '0.1 to 0.3'
                when best < 0.5 then '0.3 to 0.5' when best < 0.75 then '0.5 to 0.75' else '0.75 to 1' end as iou_bin,
            other
        from sides s left join edges e on e._key = s._key order by side desc, number"""


def _sizes(bench: Workbench, samples: str) -> str:
    """Return a query of the sizes of the images, which samples need not have."""
    there = {name.lower() for name in bench.columns(samples)}
    columns = [f"{each if each in there else 'null'}::double as {each}" for each in ("width", "height")]
    return f"select _key, {', '.join(columns)} from {quoted(samples)}"


def check_share(iou: object) -> None:
    """Refuse an overlap that is no share.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    if isinstance(iou, bool) or not isinstance(iou, (int, float)) or not 0 < iou <= 1:
        raise invalid_argument(
            f"iou={shown(iou)} is no share of two boxes.", "Give a number above 0 and up to 1, such as 0.5."
        )
