"""Measure what was predicted against what is true, and log it on the model version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from renex_jupyter.analysis.bins import checked_bins
from renex_jupyter.analysis.calibration import UNIFORM, calibrate
from renex_jupyter.analysis.curves import areas, classes_of_curves, precision_recall_points, roc_points
from renex_jupyter.analysis.evaluation import evaluate as measured
from renex_jupyter.analysis.regression import residual_bins, residual_sample
from renex_jupyter.analysis.sample_pairs import NUMBERS, Pairs, listed, make_pairs
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.datasets import CLASSIFICATION, REGRESSION, DatasetVersion, PredictionSet
from renex_jupyter.records.evaluations import Calibration, Evaluation
from renex_jupyter.records.experiments import DEFAULT_NAMESPACE
from renex_jupyter.records.models import Model, ModelVersion
from renex_jupyter.session.current import current, never_in_the_way
from renex_jupyter.session.metrics import log_metrics
from renex_jupyter.session.opened_predictions import Laid, chosen, laid_open
from renex_jupyter.store.workbench import quoted

if TYPE_CHECKING:
    import pandas as pd

Dataset = str | DatasetVersion
Predictions = str | PredictionSet
Models = str | ModelVersion | Model
POINTS = 2000  # of a curve, of a plot of residuals
LEAST_POINTS = 4


def evaluate(
    dataset: Dataset,
    predictions: Predictions | None = None,
    *,
    model: Models | None = None,
    positive: object = None,
    iou: float = 0.5,
    log: bool = True,
) -> Evaluation:
    """Measure predictions on a version of a dataset, and log the metrics on the model version that made them.

    The metrics are those of the model version on that dataset, as by `log_metrics(..., on=version, dataset="adult:2")`:
    policies are asked, and `compare_versions` and the model's list show them.

    Parameters
    ----------
    dataset : reference such as "adult" (its newest version) or "adult:2", id or record.
    predictions : what `log_predictions` returned, its id or name.
    model : instead of that, a model version such as "tree:3", whose newest predictions are meant. Without both: the newest
        predictions on the version.
    positive : the class that precision, recall and the areas are of; None: the second of two classes.
    iou : of detection: the intersection over union from which a box is found.
    log : False: only measured.

    Returns
    -------
    Evaluation : `metrics`, `per_class` and `confusion` as DataFrames, and what is missing, told.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    if not isinstance(log, bool):
        raise invalid_argument(f"log={shown(log)} is neither True nor False.", "Use log=False.")
    session = current()
    with laid_open(session, dataset, predictions=chosen(predictions, model)) as laid:
        found = measured(laid.bench, laid.version, laid.predictions, positive=positive, iou=iou)
    is_logged = log and found.model is not None and bool(found.metrics) and _log(found, laid.version)
    return replace(found, logged=is_logged)


def _log(found: Evaluation, version: DatasetVersion) -> bool:
    """Log the metrics on the model version, and say whether that was done."""
    done = False
    with never_in_the_way(f"what {found.predictions} reached"):
        log_metrics(found.metrics, on=f"model_version:{found.model}", dataset=name_of(version))
        done = True
    return done  # noqa: RET504  a fault leaves the block above early


def name_of(version: DatasetVersion) -> str:
    """Return the name under which metrics are logged: "adult:2", or "vision/digits:1" of another namespace."""
    home = "" if version.namespace == DEFAULT_NAMESPACE else f"{version.namespace}/"
    return f"{home}{version.dataset}:{version.version}"


def confusion_matrix(
    dataset: Dataset, predictions: Predictions | None = None, *, model: Models | None = None, iou: float = 0.5
) -> pd.DataFrame:
    """Return how often each class was predicted as each.

    Parameters
    ----------
    dataset, predictions, model, iou : as in `evaluate`.

    Returns
    -------
    DataFrame: the index is what is true, the columns what was predicted; "(no ground truth)" and "(no prediction)" are there
        where any sample lacks one.

    Raises
    ------
    RenexError : as `evaluate`; `invalid_argument` for a regression.
    """
    found = evaluate(dataset, predictions, model=model, iou=iou, log=False)
    if not found.classes and not found.counts:
        raise invalid_argument(f"{found.predictions} have no classes: it is {found.task}.", "Use rx.residuals.")
    return found.confusion


def roc_curve(
    dataset: Dataset,
    predictions: Predictions | None = None,
    *,
    model: Models | None = None,
    positive: object = None,
    points: int | None = POINTS,
) -> pd.DataFrame:
    """Return the rates of false and of true positives over all thresholds of the score.

    Parameters
    ----------
    dataset, predictions, model : as in `evaluate`.
    positive : the class; None: the second of two, and of more each against the rest.
    points : about the most rows of one curve; None: every point. The areas are of all points in any case.

    Returns
    -------
    DataFrame: class, threshold, fp, tp, fpr, tpr. `attrs["auc"]` has the area by class; None where there is none.

    Raises
    ------
    RenexError : as `evaluate`; `invalid_argument` where there are no scores.
    """
    return _curves(dataset, chosen(predictions, model), positive, points, roc_points, ("auc", "roc_auc"))


def precision_recall_curve(
    dataset: Dataset,
    predictions: Predictions | None = None,
    *,
    model: Models | None = None,
    positive: object = None,
    points: int | None = POINTS,
) -> pd.DataFrame:
    """Return precision and recall over all thresholds of the score; see `roc_curve`.

    Returns
    -------
    DataFrame: class, threshold, fp, tp, precision, recall. `attrs["average_precision"]` has it by class.
    """
    names = ("average_precision", "average_precision")
    return _curves(dataset, chosen(predictions, model), positive, points, precision_recall_points, names)


def calibration(
    dataset: Dataset,
    predictions: Predictions | None = None,
    *,
    model: Models | None = None,
    positive: object = None,
    bins: int = 10,
    strategy: str = UNIFORM,
) -> Calibration:
    """Return whether probabilities mean what they say: by bins, with the expected calibration error and the Brier score.

    Parameters
    ----------
    dataset, predictions, model : as in `evaluate`.
    positive : the class; None: the second of two, and of more classes the predicted one, against whether it is right.
    bins : how many.
    strategy : "uniform": of equal width; "quantile": with equally many samples.

    Raises
    ------
    RenexError : as `evaluate`; `invalid_argument` where there are no probabilities.
    """
    with laid_open(current(), dataset, predictions=chosen(predictions, model)) as laid:
        pairs = _pairs_of(laid, CLASSIFICATION)
        return calibrate(laid.bench, pairs, bins=bins, strategy=strategy, positive=positive)


def residuals(
    dataset: Dataset,
    predictions: Predictions | None = None,
    *,
    model: Models | None = None,
    by: str = "predicted",
    bins: int = 20,
) -> pd.DataFrame:
    """Return by how much numbers are missed (actual minus predicted), by bins with about equally many samples.

    Parameters
    ----------
    dataset, predictions, model : as in `evaluate`.
    by : "predicted", "actual", or a column of the samples that holds numbers.
    bins : how many.

    Returns
    -------
    DataFrame: low, high, n, mean, std, mae, rmse, q05, median, q95. `attrs["sample"]` has up to 2,000 samples as dicts of
        _key, actual, predicted, residual, by: always the same ones.

    Raises
    ------
    RenexError : as `evaluate`; `invalid_argument` where there are no numbers.
    """
    bins = checked_bins(bins)
    with laid_open(current(), dataset, predictions=chosen(predictions, model)) as laid:
        pairs = _pairs_of(laid, REGRESSION)
        rows, column = _binned_by(laid, pairs, by)
        found = residual_bins(laid.bench, rows, column, bins=bins)
        found.attrs["sample"] = residual_sample(laid.bench, rows, column, most=POINTS).to_dict("records")
        return found


def _binned_by(laid: Laid, pairs: Pairs, by: object) -> tuple[str, str]:
    """Return what has the rows of residuals, as SQL, and the expression that they are binned by."""
    if by in ("predicted", "actual"):
        return quoted(pairs.name), str(by)
    types = laid.bench.columns("samples")
    numbers = [name for name, kind in types.items() if any(word in kind for word in NUMBERS) and kind[-1] != "]"]
    if by not in numbers:
        hint = f"Use 'predicted', 'actual' or a column of numbers: {listed(numbers)}."
        raise invalid_argument(f"residuals cannot be binned by {shown(by)}.", hint)
    column = quoted(str(by))
    return (
        f"(select p.*, s.{column} as binned_by from {quoted(pairs.name)} p join samples s on s._key = p._key)",
        "binned_by",
    )


def _curves(
    dataset: Dataset,
    wanted: object,
    positive: object,
    points: int | None,
    points_of: Callable[..., pd.DataFrame],
    names: tuple[str, str],
) -> pd.DataFrame:
    import pandas as pd

    _check_points(points)
    with laid_open(current(), dataset, predictions=wanted) as laid:
        pairs = _pairs_of(laid, CLASSIFICATION)
        labels = classes_of_curves(pairs, positive)
        found = pd.concat([points_of(laid.bench, pairs, each, points=points) for each in labels], ignore_index=True)
        found.attrs[names[0]] = {each: getattr(areas(laid.bench, pairs, each), names[1]) for each in labels}
        return found


def _check_points(points: object) -> None:
    if points is not None and (isinstance(points, bool) or not isinstance(points, int) or points < LEAST_POINTS):
        raise invalid_argument(f"points={shown(points)} is no number of points.", "Use points=2000, or None for all.")


def _pairs_of(laid: Laid, task: str) -> Pairs:
    pairs = make_pairs(laid.bench, laid.version, laid.predictions)
    if pairs.task != task:
        raise invalid_argument(f"{laid.predictions.title} are {pairs.task}, not {task}.", "Use rx.evaluate.")
    return pairs
