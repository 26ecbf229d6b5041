"""Compare what two models predicted on one version of a dataset."""

from __future__ import annotations

from collections.abc import Sequence

from renex_jupyter.analysis.comparison import A, Asked, B, compare
from renex_jupyter.analysis.sample_errors import AUTO
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.comparisons import Comparison
from renex_jupyter.session.current import current
from renex_jupyter.session.evaluating import Dataset, Models, Predictions
from renex_jupyter.session.opened_predictions import laid_open

MOST_RESAMPLES = 100_000
MOST_SLICES = 100


def compare_predictions(
    dataset: Dataset,
    a: Predictions | Models,
    b: Predictions | Models,
    *,
    error: str = AUTO,
    positive: object = None,
    iou: float = 0.5,
    columns: Sequence[str] | None = None,
    slices: int = 5,
    samples: int | None = 1000,
    resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare two sets of predictions on the same samples: which is better, where, and which samples flipped.

    Errors that are 0 or 1 are tested with McNemar's exact test, all of them with a paired bootstrap. Classes, and slices that
    are found on one half of the samples, are tested, too, with Holm's correction.

    Parameters
    ----------
    dataset : reference such as "adult:2", id or record; without a version the newest.
    a, b : what `log_predictions` returned, its id or name, or a model version such as "tree:3", whose newest predictions on
        the dataset are meant. What is told is what changes from `a` to `b`.
    error : what is compared, as in `failure_patterns`: "error", "log_loss", "brier", "false_positive:cat", "squared",
        "absolute", "missed", ...; "auto": the first that the task has.
    positive : the class that is positive, where there are more than two.
    iou : of detection: the intersection over union from which a box is found.
    columns : whose values make slices; None: all that can.
    slices : at most so many of each sign; 0: none are looked for.
    samples : at most so many that changed are told, those that changed most first; None: all.
    resamples, seed : of the bootstrap; the same seed gives the same answer.

    Returns
    -------
    Comparison : `verdict` in words, `better`, `worse` and `flipped` as DataFrames, metrics of both on the same samples.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    _check("slices", slices, 0, MOST_SLICES)
    _check("resamples", resamples, 1, MOST_RESAMPLES)
    _check("seed", seed, 0, 2**63 - 1)
    if samples is not None:
        _check("samples", samples, 0, 2**63 - 1)
    if isinstance(columns, str):
        raise invalid_argument(f"columns={shown(columns)} is a text.", f"Give a list, such as columns=[{columns!r}].")
    asked = Asked(error, positive, iou, None if columns is None else tuple(columns), slices, samples, resamples, seed)
    for name, each in (("a", a), ("b", b)):
        if each is None:
            raise invalid_argument(
                f"{name} names no predictions.", "Give what rx.log_predictions returned, or a model."
            )
    with laid_open(current(), dataset, **{A: a, B: b}) as laid:
        one, other = laid.sets[A], laid.sets[B]
        if one.prediction_set_id == other.prediction_set_id:
            raise invalid_argument(f"both are {one.title}.", "Give two sets of predictions, or two model versions.")
        return compare(laid.bench, laid.version, one, other, asked)


def _check(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise invalid_argument(f"{name}={shown(value)} is none.", f"Give a whole number from {least} to {most:,}.")
