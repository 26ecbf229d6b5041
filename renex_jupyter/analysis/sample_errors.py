"""How wrong a prediction is, sample by sample: the column in which failure patterns, slices and drift look for errors.

References
----------
Rates of false positives and false negatives as outcomes that are true, false or not defined: E. Pastor et al.,
"Looking for Trouble: Analyzing Classifier Behavior via Pattern Divergence", SIGMOD 2021, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

from renex_jupyter.analysis.sample_pairs import Pairs, listed, make_pairs, task_of
from renex_jupyter.analysis.text_overlap import make_token_scores
from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.datasets import CLASSIFICATION, DETECTION, REGRESSION, TEXT, DatasetVersion, PredictionSet
from renex_jupyter.store.workbench import Workbench, literal, quoted

AUTO, BINARY, REAL = "auto", "binary", "real"
LEAST = 2.220446049250313e-16  # what a probability is at least, and at most short of 1: as in scikit-learn
ERRORS = {  # of each task; the first is what "auto" means
    CLASSIFICATION: ("error", "log_loss", "brier", "false_positive", "false_negative"),
    REGRESSION: ("squared", "absolute", "residual"),
    DETECTION: ("missed", "false_positive", "error"),
    TEXT: ("error", "token_f1"),
}
OF_A_CLASS = ("false_positive", "false_negative")


@dataclass(frozen=True, slots=True)
class ErrorColumn:
    """What the table of errors holds."""

    name: str  # of the error, such as "error", "log_loss", "false_positive:cat"
    kind: str  # "binary": 0 or 1; "real": any number, from 0 but for a residual
    task: str
    n: int  # rows that have an error: those that can be compared
    rows: int  # all of them
    rate: float | None  # their mean; None without a row that can be compared
    table: str = "errors"
    positive: str | None = None  # the class that it is of
    signed: bool = False  # a residual: below 0 where the prediction is too high
    per: str = "sample"  # what a row is: "sample", "truth" (a box that is there) or "prediction" (a box that was said)


def make_errors(
    bench: Workbench,
    version: DatasetVersion,
    predictions: PredictionSet,
    *,
    error: str = AUTO,
    name: str = "errors",
    positive: object = None,
    source: str = "predictions",
    iou: float = 0.5,
) -> ErrorColumn:
    """Make a table of errors from the views `samples`, `annotations` and that of predictions.

    Its columns: `_key`, `error` DOUBLE (higher is worse; NULL: nothing to compare), `predicted`, `actual` (VARCHAR, or
    DOUBLE in regression), `score` DOUBLE (probability of the predicted class, or what was logged as score). Of boxes
    it has a row per box, with what describes it: see `box_errors`.

    Parameters
    ----------
    error : "error" (0 or 1), "log_loss", "brier", "false_positive" and "false_negative" (among the samples that are
        not, or are, of the positive class; NULL at all others) of classification; "squared", "absolute" and "residual"
        (actual minus predicted) of regression; "error" and "token_f1" (1 minus F1 of the tokens) of texts; "missed",
        "false_positive" and "error" (per sample: anything is) of detection. "auto": the first that the task has.
    positive : the class that is positive, where there are more than two; "false_positive:cat" says it, too.
    source : the view of the predictions.
    iou : from which overlap a box is found.

    Raises
    ------
    RenexError : `invalid_argument` for an error that the task has not, or that the predictions do not allow.
    """
    task = task_of(bench, version, predictions, source=source)
    said, positive = _checked(error, task, positive)
    if task == DETECTION:
        from renex_jupyter.analysis.box_errors import make_box_errors

        per = make_box_errors(bench, error=said, name=name, source=source, iou=iou)
        return _measured(bench, name, said, task, per=per)
    pairs = make_pairs(bench, version, predictions, name=f"{name} pairs", source=source)
    chosen = pairs.positive(positive) if said in OF_A_CLASS else None
    expression = error_expression(bench, pairs, said, chosen)
    bench.run(f"""
        create or replace table {quoted(name)} as
        select _key, ({expression})::double as error, predicted, actual, {confidence(pairs)} as score
        from {quoted(pairs.name)}""")
    bench.run(f"drop table {quoted(pairs.name)}")
    title = said if chosen is None or (positive is None and pairs.binary) else f"{said}:{chosen}"
    return _measured(bench, name, title, task, positive=chosen)


def confidence(pairs: Pairs) -> str:
    """Return the expression of how sure the model is of what it predicted."""
    if pairs.task != CLASSIFICATION or not pairs.known:
        return "score"
    return f"coalesce(probabilities[list_position({literal(list(pairs.known))}, predicted)], score)"


def probability_of_truth(pairs: Pairs) -> str:
    """Return the expression of the probability that was given to the true class; NULL without probabilities.

    Raises
    ------
    RenexError : `invalid_argument` where the predictions have none.
    """
    if pairs.probabilities:
        at = f"list_position({literal(list(pairs.known))}, actual)"
        return f"case when probabilities is not null then coalesce(probabilities[{at}], 0) end"
    if pairs.scores and pairs.binary is not None:
        positive = literal(pairs.binary[1])
        return f"case when score between 0 and 1 then if(actual = {positive}, {pairs.score}, 1 - ({pairs.score})) end"
    raise invalid_argument(
        "the predictions have no probabilities.",
        "Log them: rx.log_predictions(..., probabilities=model.predict_proba(x)).",
    )


def _checked(error: object, task: str, positive: object) -> tuple[str, object]:
    possible = ERRORS[task]
    if error == AUTO:
        return possible[0], positive
    word, _, of = error.partition(":") if isinstance(error, str) else ("", "", "")
    if word not in possible or (of and (word not in OF_A_CLASS or task == DETECTION)):
        raise invalid_argument(f"{shown(error)} is no error of {task}.", f"Use one of {listed(possible)}.")
    return word, of or positive


def error_expression(bench: Workbench, pairs: Pairs, error: str, positive: str | None = None) -> str:
    """Return an error as an expression over the table of pairs, NULL where there is nothing to compare."""
    both = "actual is not null and predicted is not null"
    if error == "error":
        return "(actual != predicted)::int"
    if error in OF_A_CLASS:
        word = literal(positive)
        wrong, among = ("=", "!=") if error == "false_positive" else ("!=", "=")
        return f"case when {both} and actual {among} {word} then (predicted {wrong} {word})::int end"
    if error == "log_loss":  # `greatest` passes over NULL: without a probability there is no loss
        truth = probability_of_truth(pairs)
        clipped = f"least(greatest({truth}, {LEAST}), 1 - {LEAST})"
        return f"case when actual is not null and ({truth}) is not null then -ln({clipped}) end"
    if error == "brier":
        return brier(pairs)
    if error == "token_f1":
        make_token_scores(bench, pairs.name)
        return "1 - token_f1"
    return {
        "squared": "(actual - predicted) * (actual - predicted)",
        "absolute": "abs(actual - predicted)",
        "residual": "actual - predicted",
    }[error]


def brier(pairs: Pairs) -> str:
    """Return the expression of the squared error of the probabilities: of the positive class where there are two,
    the sum over all classes where there are more, as scikit-learn has it.
    """
    truth = probability_of_truth(pairs)
    if not pairs.probabilities or len(pairs.known) == 2:
        return f"case when actual is not null then (1 - ({truth})) * (1 - ({truth})) end"
    at = f"list_position({literal(list(pairs.known))}, actual)"
    squares = "list_sum(list_transform(probabilities, lambda x: x * x))"
    unknown = f"case when {at} is null then 1 else 1 - 2 * ({truth}) end"
    return f"case when actual is not null and probabilities is not null then {squares} + {unknown} end"


def _measured(
    bench: Workbench, table: str, error: str, task: str, *, positive: str | None = None, per: str = "sample"
) -> ErrorColumn:
    row = bench.rows(f"select count(*) as rows, count(error) as n, avg(error) as rate from {quoted(table)}")[0]
    kind = REAL if error in ("log_loss", "brier", "token_f1", *ERRORS[REGRESSION]) else BINARY
    return ErrorColumn(error, kind, task, **row, table=table, positive=positive, signed=error == "residual", per=per)
