"""What is true of each sample beside what was predicted of it: the table that every evaluation is made of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.records.datasets import (
    CLASSIFICATION,
    DETECTION,
    REGRESSION,
    TEXT,
    DatasetVersion,
    PredictionSet,
)
from renex_jupyter.store.workbench import Workbench, literal, quoted

NUMBERS = ("INT", "DOUBLE", "FLOAT", "DECIMAL")  # what the names of types of numbers begin with, or have in them
NO_TRUTH = "Say what is true of the samples: rx.create_dataset(..., target='label'), or rx.log_annotations."


@dataclass(frozen=True, slots=True)
class Pairs:
    """A table of the workbench with a row per sample.

    Its columns: `_key`, `actual`, `predicted` (texts; DOUBLE in regression; NULL: not known), `score` DOUBLE and
    `probabilities` DOUBLE[], as they were logged.
    """

    name: str
    task: str  # classification, regression or text
    samples: int
    complete: int  # samples with truth and prediction: what is measured
    without_truth: int  # that have a prediction
    without_prediction: int  # whose truth is known
    classes: tuple[str, ...] = ()  # seen in complete samples, ordered
    known: tuple[str, ...] = ()  # of the model, in the order of the probabilities
    probabilities: bool = False  # whether there are any
    scores: bool = False
    score: str = "score"  # the expression of the score of the positive one of two classes

    @property
    def binary(self) -> tuple[str, str] | None:
        """The negative and the positive class where there are two; None otherwise."""
        seen = self.known if len(self.known) == 2 and set(self.classes) <= set(self.known) else self.classes
        return (seen[0], seen[1]) if len(seen) == 2 else None

    def positive(self, wanted: object = None) -> str:
        """Return the class that counts as positive: the wanted one, or the second of two.

        Raises
        ------
        RenexError : `invalid_argument` for a class that is none, or where there are not two and none is wanted.
        """
        there = tuple(dict.fromkeys([*self.known, *self.classes]))
        if wanted is not None:
            word = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
            if word not in there:
                raise invalid_argument(f"{shown(wanted)} is no class here.", f"The classes are {listed(there)}.")
            return word
        if self.binary is None:
            raise invalid_argument(
                f"it is not said which class is the positive one; there are {len(there)}.",
                f"Give positive=, one of {listed(there)}." if there else "There is nothing to compare.",
            )
        return self.binary[1]


def make_pairs(
    bench: Workbench,
    version: DatasetVersion,
    predictions: PredictionSet,
    *,
    name: str = "pairs",
    source: str = "predictions",
) -> Pairs:
    """Make the table of truth and predictions from the views `samples`, `annotations` and that of predictions.

    Parameters
    ----------
    source : the view of the predictions.

    Raises
    ------
    RenexError : `invalid_argument` where the dataset has no ground truth, or for detection, whose rows are boxes.
    """
    task = task_of(bench, version, predictions, source=source)
    if task == DETECTION:
        raise invalid_argument("boxes are matched, not compared sample by sample.", "Use rx.evaluate.")
    truth, actual = _truth(bench, version, task)
    predicted = {REGRESSION: "p.value", TEXT: "coalesce(p.text, p.label)"}.get(task, "p.label")
    if task == REGRESSION:  # what is no finite number is no prediction, and no truth
        actual, predicted = (f"case when isfinite({each}) then {each} end" for each in (actual, predicted))
    bench.run(f"""
        create or replace table {quoted(name)} as
        select s._key, {actual} as actual, {predicted} as predicted, p.score, p.probabilities
        from {truth} s left join {quoted(source)} p on p._key = s._key""")
    return _counted(bench, name, task, predictions)


def task_of(
    bench: Workbench, version: DatasetVersion, predictions: PredictionSet, *, source: str = "predictions"
) -> str:
    """Return what was to be done: as it was said, or as the predictions look. Texts with labels are classified."""
    said = predictions.task or version.task
    if said in (CLASSIFICATION, REGRESSION, DETECTION):
        return said
    has = bench.rows(
        f"select {', '.join(f'bool_or({each} is not null) as {each}' for each in ('label', 'value', 'text', 'w'))}"
        f" from {quoted(source)}"
    )[0]
    if said == TEXT:
        return CLASSIFICATION if has["label"] else REGRESSION if has["value"] else TEXT
    if has["w"]:
        return DETECTION
    return CLASSIFICATION if has["label"] else REGRESSION if has["value"] else TEXT


def _truth(bench: Workbench, version: DatasetVersion, task: str) -> tuple[str, str]:
    """Return what has a row per sample, and the expression of its truth."""
    column = version.target
    if column is not None:
        if task != REGRESSION:
            return "samples", f"s.{quoted(column)}::varchar"
        kind = bench.columns("samples").get(column, "")
        if not any(word in kind for word in NUMBERS) or kind.endswith("]"):
            hint = "For classes log labels: texts, or whole numbers as texts; task='classification' says it."
            raise invalid_argument(f"the target '{column}' of {version.reference} is {kind}, no number.", hint)
        return "samples", f"s.{quoted(column)}::double"
    kinds, said = {
        CLASSIFICATION: ("class", "label"),
        REGRESSION: ("value", "value"),
        TEXT: ("text", "coalesce(text, label)"),
    }[task]
    wanted = f"kind = {literal(kinds)}" if task != TEXT else "kind in ('text', 'class')"
    if not bench.value(f"select count(*) from annotations where {wanted}"):
        raise invalid_argument(f"{version.reference} has no ground truth to compare with.", NO_TRUTH)
    return _agreed(wanted, said, task), "s.actual"


def _agreed(wanted: str, said: str, task: str) -> str:
    """Return samples with what the annotators say of them: the median value, or the one that most of them say."""
    if task == REGRESSION:
        one = f"select _key, median({said}) as actual from annotations where {wanted} group by _key"
    else:
        one = f"""
            with counted as (select _key, {said} as said, count(*) as times from annotations
                where {wanted} and {said} is not null group by all),
            ranked as (select *, max(times) over (partition by _key) as most from counted)
            select _key, any_value(said) as actual from ranked where times = most
            group by _key having count(*) = 1"""  # as many for one as for another: it is not known
    return f"(select x._key, y.actual from samples x left join ({one}) y on y._key = x._key)"


def _counted(bench: Workbench, name: str, task: str, predictions: PredictionSet) -> Pairs:
    table = quoted(name)
    counts = bench.rows(f"""
        select count(*) as samples, count(*) filter (actual is not null and predicted is not null) as complete,
            count(*) filter (actual is null and predicted is not null) as without_truth,
            count(*) filter (actual is not null and predicted is null) as without_prediction,
            count(probabilities) > 0 as probabilities, count(score) > 0 as scores
        from {table}""")[0]
    if task != CLASSIFICATION:
        return Pairs(name, task, **counts)
    seen = bench.values(f"""
        select distinct unnest([actual, predicted]) from {table} where actual is not null and predicted is not null""")
    pairs = Pairs(name, task, **counts, classes=ordered(row[0] for row in seen), known=tuple(predictions.classes))
    return replace(pairs, score=_score(bench, pairs)) if pairs.scores and not pairs.probabilities else pairs


def _score(bench: Workbench, pairs: Pairs) -> str:
    """Return the score of the positive class: what was logged, where a threshold on it tells the predicted classes apart.

    Otherwise it says how sure the model is of what it predicted, and is turned for those of the negative class.
    """
    if pairs.binary is None:
        return "score"
    positive = literal(pairs.binary[1])
    row = bench.rows(f"""
        select max(score) filter (predicted != {positive}) <= min(score) filter (predicted = {positive}) as is_apart,
            min(score) >= 0 and max(score) <= 1 as is_share
        from {quoted(pairs.name)} where score is not null and not isnan(score) and predicted is not null""")[0]
    if row["is_apart"] is not False:
        return "score"
    return f"if(predicted = {positive}, score, {'1 - score' if row['is_share'] else '-score'})"


def ordered(labels: Iterable[str]) -> tuple[str, ...]:
    """Return labels in the order of their numbers where all of them are numbers, of their texts otherwise."""
    some = sorted(labels)
    try:
        numbers = {each: float(each) for each in some}
    except ValueError:
        return tuple(some)
    # "nan" is a number to Python that has no place in an order
    return tuple(some if any(map(math.isnan, numbers.values())) else sorted(some, key=numbers.__getitem__))


def listed(names: Iterable[str], most: int = 10) -> str:
    """Return the first of some names, quoted."""
    some = list(names)
    more = f", and {len(some) - most:,} more" if len(some) > most else ""
    return ", ".join(map(repr, some[:most])) + more if some else "none"
