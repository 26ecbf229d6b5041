"""What predictions say of the samples of a cohort, as small numbers beside their columns."""

from __future__ import annotations

from dataclasses import dataclass

from renex_jupyter.analysis.sample_errors import ERRORS, make_errors
from renex_jupyter.analysis.sample_pairs import listed, task_of
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.records.datasets import CLASSIFICATION, DETECTION, REGRESSION, TEXT, DatasetVersion, PredictionSet
from renex_jupyter.store.workbench import Workbench, literal, quoted

UNIT = 1_000_000_000  # errors and scores are whole numbers of 1 / UNIT: sums of these come out the same in any order
STEPS = 1000  # thresholds of a curve
_ERROR = {CLASSIFICATION: "error", REGRESSION: "absolute", DETECTION: "error", TEXT: "error"}


@dataclass(frozen=True, slots=True)
class Predicted:
    """Predictions on a cohort: which columns of its table are theirs."""

    at: int  # the columns are `error AT`, `actual AT`, `predicted AT`, `score AT`
    title: str
    task: str = ""
    error: str = ""  # what it is: error, absolute
    scale: float = 1.0  # a mean of the whole numbers times this is the mean error
    classes: tuple[str, ...] = ()
    is_probability: bool = False  # whether the scores are
    curves: tuple[tuple[str, str, float, float], ...] = ()  # class, column of its thresholds, lowest and highest score
    problem: str = ""  # why there is nothing to see

    def column(self, name: str) -> str:
        """Return a column of it as SQL."""
        return quoted(f"{name} {self.at}")

    def positive(self, label: str | None) -> str:
        """Return the class that a curve is of. Raises `invalid_argument` where that is not said."""
        if self.task != CLASSIFICATION:
            raise invalid_argument(f"a curve is of classes, and {self.title} predicts none.", "Take an error rate.")
        if label is None and len(self.classes) == 2:
            return self.classes[1]
        if label is None or label not in self.classes:
            said = "it is not said which class counts as positive" if label is None else f"'{label}' is no class"
            raise invalid_argument(f"{said}.", f"Give 'label', one of {listed(self.classes)}.")
        return label


def predicted_on(
    bench: Workbench, version: DatasetVersion, predictions: PredictionSet, at: int, title: str, labels: tuple[str, ...]
) -> Predicted:
    """Make the table `errors AT` from the views `samples`, `annotations` and `predictions AT`.

    Parameters
    ----------
    labels : classes of which curves are wanted.

    Returns
    -------
    What is in it; with a `problem` where these predictions cannot be compared with the truth.
    """
    source, raw, table = f"predictions {at}", f"raw errors {at}", f"errors {at}"
    try:
        task = task_of(bench, version, predictions, source=source)
        made = make_errors(
            bench, version, predictions, error=_ERROR.get(task, ERRORS[task][0]), name=raw, source=source
        )
    except RenexError as error:
        return Predicted(at, title, problem=error.message)
    if made.per != "sample":  # of boxes: the share of them that is wrong
        bench.run(f"""
            create or replace table {quoted(raw)} as select _key, avg(error) as error, null::varchar as predicted,
            null::varchar as actual, null::double as score from {quoted(raw)} group by _key""")
    facts = bench.rows(f"""
        select max(abs(error)) as largest, min(score) as lowest, max(score) as highest,
        coalesce(bool_and(error in (0, 1)), true) as binary from {quoted(raw)} where error is not null""")[0]
    scale = 1.0 if facts["binary"] or not facts["largest"] else facts["largest"] / UNIT
    is_probability = facts["lowest"] is not None and facts["lowest"] >= 0 and facts["highest"] <= 1
    classes = _classes(bench, predictions, raw) if task == CLASSIFICATION else ()
    found = Predicted(at, title, task, made.name, scale, classes, is_probability)
    curves = (
        []
        if task != CLASSIFICATION
        else [_curve(bench, predictions, found, each, source) for each in _wanted(found, labels)]
    )
    told = tuple(each for each, _ in curves)
    score = f"round(x.score * {UNIT})::integer" if is_probability else "null::integer"
    wrong = "x.error::utinyint" if scale == 1.0 else f"round(x.error / {scale!r}::double)::bigint"
    kind = "varchar"
    if 0 < len(classes) <= 1000:
        kind = quoted(f"classes {at}")
        bench.run(f"create type {kind} as enum ({', '.join(map(literal, classes))})")
    sides = ", ".join(f"x.{each}::varchar::{kind} as {quoted(f'{each} {at}')}" for each in ("actual", "predicted"))
    more = "".join(f", {sql} as {quoted(each[1])}" for each, sql in curves)
    joined = f" left join {quoted(source)} p on p._key = x._key" if curves else ""
    bench.run(f"""
        create or replace table {quoted(table)} as
        select x._key as "row {at}", {wrong} as "error {at}", {score} as "score {at}", {sides}{more}
        from {quoted(raw)} x{joined}""")
    bench.run(f"drop table {quoted(raw)}")
    return Predicted(at, title, task, made.name, scale, classes, is_probability, told)


def _classes(bench: Workbench, predictions: PredictionSet, table: str) -> tuple[str, ...]:
    rows = bench.values(f"select distinct unnest([actual, predicted]) from {quoted(table)}")
    seen = sorted(row[0] for row in rows if row[0] is not None)
    return tuple(dict.fromkeys([*predictions.classes, *seen]))


def _wanted(found: Predicted, labels: tuple[str, ...]) -> list[str]:
    """Return the classes of which curves can be drawn among those that are wanted; "" is the second of two."""
    named = [found.classes[1] if not each and len(found.classes) == 2 else each for each in labels]
    return [each for each in dict.fromkeys(named) if each in found.classes]


def _curve(
    bench: Workbench, predictions: PredictionSet, found: Predicted, label: str, source: str
) -> tuple[tuple[str, str, float, float], str]:
    """Return a curve, and the SQL of which of its thresholds a sample reaches."""
    column = f"curve {found.at} {found.classes.index(label)}"
    low, high = 0.0, 1.0
    if label in predictions.classes and bench.value(
        f"select true from {quoted(source)} where probabilities is not null limit 1"
    ):
        value = f"p.probabilities[{predictions.classes.index(label) + 1}]"
    elif len(found.classes) == 2:  # the score of such predictions is that of the second class
        is_second = label == found.classes[1]
        value = "p.score" if is_second else "-p.score"
        all_of = f"select {value} as v from {quoted(source)} p"
        ends = f"select coalesce(min(v), 0)::double, coalesce(max(v), 1)::double from ({all_of}) where isfinite(v)"
        low, high = bench.values(ends)[0]
        if (low >= 0 and high <= 1) or (low >= -1 and high <= 0):
            low, high = (0.0, 1.0) if is_second else (-1.0, 0.0)
    else:
        value = "null::double"
    at = f"floor(({value} - {low!r}::double) / {high - low or 1.0!r}::double * {STEPS})"
    reached = f"case when isfinite({value}) then least(greatest({at}, 0), {STEPS})::usmallint end"
    return (label, column, low, high), reached
