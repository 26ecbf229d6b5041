"""Everything that there is to measure of predictions on a version of a dataset."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from renex_jupyter.analysis.box_scores import box_counts, box_scores
from renex_jupyter.analysis.calibration import calibrate
from renex_jupyter.analysis.confusion import counted, scores_of_all, scores_of_classes, scores_of_positive
from renex_jupyter.analysis.curves import MOST_CLASSES, Areas, areas
from renex_jupyter.analysis.regression import regression_scores
from renex_jupyter.analysis.sample_errors import error_expression
from renex_jupyter.analysis.sample_pairs import Pairs, listed, make_pairs, task_of
from renex_jupyter.analysis.text_overlap import make_token_scores
from renex_jupyter.errors import RenexError
from renex_jupyter.records.datasets import CLASSIFICATION, DETECTION, REGRESSION, DatasetVersion, PredictionSet
from renex_jupyter.records.evaluations import ClassScores, Evaluation
from renex_jupyter.store.workbench import Workbench, literal, quoted

NO_SCORES = "There are no probabilities or scores: no areas, no log loss, no calibration."
NOTHING = "No sample has both a truth and a prediction: there is nothing to measure."


def evaluate(
    bench: Workbench,
    version: DatasetVersion,
    predictions: PredictionSet,
    *,
    positive: object = None,
    iou: float = 0.5,
    source: str = "predictions",
) -> Evaluation:
    """Measure the predictions of a view on the views `samples` and `annotations`.

    Parameters
    ----------
    positive : the class that precision, recall and the areas are of; None: the second of two.
    iou : of detection: from which overlap a box is found.
    source : the view of the predictions.

    Raises
    ------
    RenexError : `invalid_argument` where there is no ground truth, for a class that is none, an overlap that is none.
    """
    task = task_of(bench, version, predictions, source=source)
    about: dict[str, Any] = {
        "dataset": version.reference,
        "dataset_version_id": version.dataset_version_id,
        "predictions": predictions.title,
        "prediction_set_id": predictions.prediction_set_id,
        "task": task,
        "model": predictions.model,
        "model_version_id": predictions.model_version_id,
    }
    if task == DETECTION:
        return _detection(bench, about, iou, source)
    pairs = make_pairs(bench, version, predictions, name=f"{source} pairs", source=source)
    about |= {"n": pairs.complete, "samples": pairs.samples}
    about |= {"without_truth": pairs.without_truth, "without_prediction": pairs.without_prediction}
    if not pairs.complete:
        return Evaluation(**about, notes=(NOTHING,))
    if pairs.task == CLASSIFICATION:
        return _classification(bench, about, pairs, positive)
    if pairs.task == REGRESSION:
        return Evaluation(**about, metrics=regression_scores(bench, pairs))
    make_token_scores(bench, pairs.name)
    names, table = ("exact_match", "token_f1"), quoted(pairs.name)
    values = bench.values(
        f"select avg((actual = predicted)::int), favg(token_f1) from {table} where token_f1 is not null"
    )[0]
    return Evaluation(**about, metrics=dict(zip(names, values, strict=True)))


def _classification(bench: Workbench, about: dict[str, Any], pairs: Pairs, positive: object) -> Evaluation:
    counts = counted(bench, pairs)
    classes = scores_of_classes(counts, pairs.classes)
    chosen = pairs.positive(positive) if positive is not None or pairs.binary else None
    metrics, notes = scores_of_all(counts, classes), _unknown(bench, pairs)
    if chosen is not None:
        metrics |= scores_of_positive(classes, chosen)
    if pairs.probabilities or (pairs.scores and pairs.binary):
        held, more = _areas(bench, pairs, chosen)
        classes, notes = _with_areas(classes, held), [*notes, *more]
        metrics |= _mean_areas(held, chosen)
        metrics |= _losses(bench, pairs, positive)
        notes += [] if "log_loss" in metrics else ["The scores are no probabilities: no log loss, no calibration."]
    else:
        notes.append(NO_SCORES)
    return Evaluation(**about, metrics=metrics, classes=classes, counts=counts, positive=chosen, notes=tuple(notes))


def _areas(bench: Workbench, pairs: Pairs, chosen: str | None) -> tuple[list[Areas], list[str]]:
    """Return the areas of the classes that can have some, and what is to be said of the others."""
    if chosen is not None and pairs.binary:
        return [areas(bench, pairs, chosen)], []
    if not pairs.probabilities:
        return [], []
    wanted = [each for each in pairs.known if each in pairs.classes]
    if len(wanted) > MOST_CLASSES:
        note = f"There are {len(wanted):,} classes, more than {MOST_CLASSES}: no areas of each against the rest."
        return ([areas(bench, pairs, chosen)] if chosen in wanted else []), [note]
    return [areas(bench, pairs, each) for each in wanted], []


def _with_areas(classes: tuple[ClassScores, ...], held: list[Areas]) -> tuple[ClassScores, ...]:
    known = {each.label: each for each in held}
    return tuple(
        replace(each, roc_auc=known[each.label].roc_auc, average_precision=known[each.label].average_precision)
        if each.label in known
        else each
        for each in classes
    )


def _mean_areas(held: list[Areas], chosen: str | None) -> dict[str, float]:
    """Return the areas of the positive class, or the means over all classes that have one."""
    of = [each for each in held if chosen in (None, each.label)]
    found = {}
    for name in ("roc_auc", "average_precision"):
        some = [value for each in of if (value := getattr(each, name)) is not None]
        if some:
            found[name if chosen is not None else f"macro_{name}"] = math.fsum(some) / len(some)
    return found


def _losses(bench: Workbench, pairs: Pairs, positive: object) -> dict[str, float]:
    """Return log loss, Brier score and calibration error; nothing where the scores are no probabilities."""
    try:
        calibration = calibrate(bench, pairs, positive=positive)
    except RenexError:
        return {}
    expressions = [error_expression(bench, pairs, each) for each in ("log_loss", "brier")]
    row = bench.values(f"select {', '.join(f'favg({each})' for each in expressions)} from {quoted(pairs.name)}")[0]
    return {"log_loss": row[0], "brier": row[1], "ece": calibration.ece}


def _unknown(bench: Workbench, pairs: Pairs) -> list[str]:
    """Say which true classes the model has never heard of: it gives them no probability."""
    if not pairs.known:
        return []
    rows = bench.values(f"""
        select actual, count(*) from {quoted(pairs.name)}
        where predicted is not null and actual is not null and not list_contains({literal(list(pairs.known))}, actual)
        group by all order by 2 desc, 1""")
    n = sum(row[1] for row in rows)
    names = listed(row[0] for row in rows)
    return [f"{n:,} samples are of classes that the model does not know: {names}."] if rows else []


def _detection(bench: Workbench, about: dict[str, Any], iou: float, source: str) -> Evaluation:
    counts = box_counts(bench, iou=iou, source=source)
    true = "annotations where x is not null and coalesce(kind, 'box') in ('box', 'polygon', 'mask')"
    without = bench.value(
        f"select count(distinct _key) from {true} and _key not in (select _key from {quoted(source)} where x is not null)"
    )
    n = sum(each.n for each in counts if each.actual is not None)
    about |= {"n": n, "samples": bench.value("select count(*) from samples"), "without_prediction": without, "iou": iou}
    if not n:
        return Evaluation(**about, counts=counts, notes=("There is no true box: there is nothing to measure.",))
    classes, metrics = box_scores(bench, counts, source=source)
    return Evaluation(**about, metrics=metrics, classes=classes, counts=counts)
