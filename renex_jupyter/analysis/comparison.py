"""Compare what two models predicted on the same samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from renex_jupyter.analysis.changed_places import changed_classes, changed_slices
from renex_jupyter.analysis.evaluation import evaluate
from renex_jupyter.analysis.paired import bootstrap, flips, mcnemar
from renex_jupyter.analysis.sample_errors import AUTO, BINARY, ErrorColumn, make_errors
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.records.comparisons import BROKEN, FIXED, Comparison, Flipped
from renex_jupyter.records.datasets import DETECTION, DatasetVersion, PredictionSet
from renex_jupyter.store.workbench import Workbench

A, B = "predictions_a", "predictions_b"  # the views of the predictions
TABLE = "compared"


@dataclass(frozen=True, slots=True)
class Asked:
    """How two sets are to be compared."""

    error: str = AUTO
    positive: object = None
    iou: float = 0.5
    columns: tuple[str, ...] | None = None  # whose values make slices; None: all that can
    slices: int = 5  # most of each sign; 0: none are looked for
    samples: int | None = 1000  # most that are told; None: all that changed
    resamples: int = 2000
    seed: int = 0


def compare(bench: Workbench, version: DatasetVersion, a: PredictionSet, b: PredictionSet, asked: Asked) -> Comparison:
    """Compare the views `predictions_a` and `predictions_b`.

    Raises
    ------
    RenexError : `invalid_argument` for an error that cannot be paired, or that one of them does not allow.
    """
    column = _lay_pairs(bench, version, a, b, asked)
    boxes = column.per == "truth"
    counts = bench.rows(f"""
        select count(*) filter (error_a is not null and error_b is not null) as n,
            count(*) filter (error_a is not null and error_b is null) as only_a,
            count(*) filter (error_a is null and error_b is not null) as only_b,
            count(*) filter (error_b < error_a) as fixed, count(*) filter (error_b > error_a) as broken
        from {TABLE}""")[0]
    about: dict[str, Any] = {
        "dataset": version.reference,
        "dataset_version_id": version.dataset_version_id,
        "prediction_set_a": a.prediction_set_id,
        "prediction_set_b": b.prediction_set_id,
        **dict(zip("ab", _names(a, b), strict=True)),
        "error": column.name,
        "resamples": asked.resamples,
        "seed": asked.seed,
        **counts,
    }
    if not counts["n"]:
        return Comparison(**about)
    drawn = bootstrap(bench, TABLE, resamples=asked.resamples, seed=asked.seed)
    assert drawn is not None
    rates = bench.rows(f"""
        select favg(error_a) as error_a, favg(error_b) as error_b from {TABLE}
        where error_a is not null and error_b is not null""")[0]
    about |= rates | {"difference": drawn.difference, "interval": (drawn.low, drawn.high), "p_bootstrap": drawn.p_value}
    if column.kind == BINARY:
        found = flips(bench, TABLE)
        about |= {"p_mcnemar": mcnemar(found.fixed, found.broken)}
        about |= {"both_right": found.both_right, "both_wrong": found.both_wrong}
    places, notes = changed_classes(bench, TABLE, column), list[str]()
    if asked.slices:
        more, notes = changed_slices(bench, TABLE, version, column, asked.columns, most=asked.slices, seed=asked.seed)
        places += more
    return Comparison(
        **about,
        places=places,
        samples=_samples(bench, asked.samples, boxes=boxes),
        metrics=_metrics(bench, version, a, b, asked, column),
        notes=tuple(notes),
    )


def _lay_pairs(
    bench: Workbench, version: DatasetVersion, a: PredictionSet, b: PredictionSet, asked: Asked
) -> ErrorColumn:
    """Make the table with the errors of both, a row per sample or per true box, and return what the error is."""
    options: dict[str, Any] = {"error": asked.error, "iou": asked.iou}
    first = make_errors(bench, version, a, name="errors_a", source=A, positive=asked.positive, **options)
    if first.per == "prediction" or first.signed:
        what = "boxes that were found" if first.per == "prediction" else "signed residuals"
        raise invalid_argument(f"{first.name}: {what} cannot be compared one by one.", "Leave out error=.")
    positive = asked.positive if first.positive is None or asked.positive is not None else first.positive
    other = make_errors(bench, version, b, name="errors_b", source=B, positive=positive, **options)
    if other.task != first.task:
        raise invalid_argument(f"{a.title} are {first.task}, {b.title} are {other.task}.", "Compare two of one task.")
    boxes = first.per == "truth"
    described = ", a.annotation_id, a.class, a.size, a.aspect, a.border, a.crowding" if boxes else ""
    also = "and a.annotation_id is not distinct from b.annotation_id and a.x = b.x and a.y = b.y and a.w = b.w and a.h = b.h"
    bench.run(f"""
        create or replace table {TABLE} as
        select a._key, a.actual, a.predicted as predicted_a, b.predicted as predicted_b,
            a.error as error_a, b.error as error_b {described}
        from errors_a a join errors_b b on a._key = b._key {also if boxes else ""}""")
    return first


def _samples(bench: Workbench, most: int | None, *, boxes: bool) -> tuple[Flipped, ...]:
    box = "annotation_id" if boxes else "null as annotation_id"
    rows = bench.rows(f"""
        select _key as key, if(error_b < error_a, '{FIXED}', '{BROKEN}') as way, actual, predicted_a, predicted_b,
            error_a, error_b, {box}
        from {TABLE} where error_a != error_b
        order by abs(error_b - error_a) desc, way, length(_key), _key, annotation_id {"" if most is None else f"limit {most}"}""")
    return tuple(Flipped(**row) for row in rows)


def _metrics(
    bench: Workbench, version: DatasetVersion, a: PredictionSet, b: PredictionSet, asked: Asked, column: ErrorColumn
) -> dict[str, tuple[float | None, float | None]]:
    """Return the metrics of both on the samples that both predicted."""
    found = []
    for view, other, said in ((A, B, a), (B, A, b)):
        name = f"{view}_common"
        where = "true" if column.task == DETECTION else f"_key in (select _key from {other})"
        bench.run(f"create or replace view {name} as from {view} where {where}")
        positive = asked.positive
        try:
            found.append(evaluate(bench, version, said, positive=positive, iou=asked.iou, source=name).metrics)
        except RenexError:  # the positive class is not among those of these samples
            found.append(evaluate(bench, version, said, iou=asked.iou, source=name).metrics)
    names = dict.fromkeys([*found[0], *found[1]])
    return {name: (found[0].get(name), found[1].get(name)) for name in names}


def _names(a: PredictionSet, b: PredictionSet) -> tuple[str, str]:
    """Return what both are called: the model versions, names, or ids where these are the same."""
    names = [each.model or each.name or each.prediction_set_id[:8] for each in (a, b)]
    if names[0] == names[1]:
        names = [f"{each} ({one.name or one.prediction_set_id[:8]})" for each, one in zip(names, (a, b), strict=True)]
    if names[0] == names[1]:
        names = [f"{each} ({one.prediction_set_id[:8]})" for each, one in zip(names, (a, b), strict=True)]
    return names[0], names[1]
