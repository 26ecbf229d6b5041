"""Curves over the thresholds of a score, and the areas under them. Equal scores are one threshold.

References
----------
As `precision_recall_curve`, `average_precision_score`, `roc_curve` and `roc_auc_score` of scikit-learn define them:
https://scikit-learn.org/stable/modules/model_evaluation.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from renex_jupyter.analysis.sample_pairs import Pairs, listed
from renex_jupyter.errors import invalid_argument
from renex_jupyter.store.workbench import Workbench, literal, quoted

if TYPE_CHECKING:
    import pandas as pd

MOST_CLASSES = 50  # of which each one is held against the rest: every one reads all samples
NEEDED = "Log them: rx.log_predictions(..., probabilities=model.predict_proba(x)), or scores= of two classes."


@dataclass(frozen=True, slots=True)
class Areas:
    """Areas of one class against the rest; None where there are only positives, or none."""

    label: str
    positives: int
    negatives: int
    roc_auc: float | None
    average_precision: float | None


def areas(bench: Workbench, pairs: Pairs, label: str) -> Areas:
    """Return the areas under both curves of one class.

    Raises
    ------
    RenexError : `invalid_argument` where the predictions have no score for it.
    """
    score = score_of(pairs, label)
    # A window up to a row has all rows of the same score in it: as many as a threshold there would have.
    row = bench.rows(f"""
        with scored as (select {score} as score, (actual = {literal(label)})::int as y from {quoted(pairs.name)}
            where actual is not null and {score} is not null and not isnan({score})),
        counted as (select y, (sum(y) over above)::bigint as tp, count(*) over above as n
            from scored window above as (order by score desc))
        select count(*) filter (y = 1) as positives, count(*) filter (y = 0) as negatives,
            sum(tp) filter (y = 0) as not_below, sum(n - tp) filter (y = 1) as not_above, favg(tp / n) filter (y = 1) as precision
        from counted""")[0]
    positives, negatives = row["positives"], row["negatives"]
    if not positives or not negatives:
        return Areas(label, positives, negatives, None, row["precision"])
    all_pairs = positives * negatives  # of one positive and one negative sample; equal scores count half
    doubled = int(row["not_below"]) + all_pairs - int(row["not_above"])
    return Areas(label, positives, negatives, doubled / (2 * all_pairs), row["precision"])


def roc_points(bench: Workbench, pairs: Pairs, label: str, *, points: int | None = None) -> pd.DataFrame:
    """Return the curve of false against true positives of one class, from no sample to all of them.

    Returns
    -------
    DataFrame: class, threshold (inf at first), fp, tp, fpr, tpr; without the points between two others on a straight line,
    and with about `points` rows at most. Rates are NaN where there is nothing that they could be rates of.
    """
    return bench.frame(f"""
        with {_cumulated(pairs, label)},
        turns as (select *, lead(tp) over o - 2 * tp + lag(tp) over o as bend, lead(fp) over o - 2 * fp + lag(fp) over o as other
            from curve window o as (order by score desc)),
        kept as (select 'infinity'::double as score, 0::bigint as tp, 0::bigint as fp
            union all select score, tp, fp from turns where bend is null or bend != 0 or other != 0),
        {_thinned("kept", points)}
        select {literal(label)} as class, score as threshold, fp, tp,
            fp / nullif(max(fp) over (), 0) as fpr, tp / nullif(max(tp) over (), 0) as tpr
        from thin order by score desc""").fillna({"fpr": float("nan"), "tpr": float("nan")})


def precision_recall_points(bench: Workbench, pairs: Pairs, label: str, *, points: int | None = None) -> pd.DataFrame:
    """Return the curve of recall against precision of one class, from the lowest threshold to the point (0, 1).

    Returns
    -------
    DataFrame: class, threshold (NaN at last), fp, tp, precision, recall; about `points` rows at most. Without a positive
    sample the recall is 1 everywhere, as scikit-learn has it.
    """
    return bench.frame(f"""
        with {_cumulated(pairs, label)}, {_thinned("curve", points)}
        select {literal(label)} as class, score as threshold, fp, tp, tp / (tp + fp) as precision,
            coalesce(tp / nullif(max(tp) over (), 0), 1) as recall
        from thin
        union all select {literal(label)}, null, 0, 0, 1, 0 where exists (from curve)
        order by threshold nulls last""")


def classes_of_curves(pairs: Pairs, positive: object = None) -> tuple[str, ...]:
    """Return which classes a curve is drawn of: the positive one of two, the one that is asked for, or every one.

    Raises
    ------
    RenexError : `invalid_argument` without scores, or for more classes than `MOST_CLASSES`.
    """
    if positive is not None or pairs.binary is not None:
        return (pairs.positive(positive),)
    if not pairs.probabilities:
        raise invalid_argument(f"the predictions have no probabilities of {len(pairs.classes)} classes.", NEEDED)
    if len(pairs.known) > MOST_CLASSES:
        raise invalid_argument(
            f"there are {len(pairs.known):,} classes, and curves of {MOST_CLASSES} at most.",
            f"Give positive=, one of {listed(pairs.known)}.",
        )
    return pairs.known


def score_of(pairs: Pairs, label: str) -> str:
    """Return the expression of the score of a class.

    Raises
    ------
    RenexError : `invalid_argument` where the predictions have none.
    """
    if pairs.probabilities:
        if label not in pairs.known:
            raise invalid_argument(
                f"the predictions have no probability of '{label}'.", f"They have those of {listed(pairs.known)}."
            )
        return f"probabilities[{pairs.known.index(label) + 1}]"
    if pairs.scores and pairs.binary is not None:
        return f"({pairs.score})" if label == pairs.binary[1] else f"(-({pairs.score}))"
    raise invalid_argument("the predictions have neither probabilities nor scores.", NEEDED)


def _cumulated(pairs: Pairs, label: str) -> str:
    """Return queries that end in `curve`: how many are positive, right and wrong, from each score on."""
    score = score_of(pairs, label)
    return f"""
        counted as (select {score} as score, count(*) filter (actual = {literal(label)}) as positives, count(*) as n
            from {quoted(pairs.name)} where actual is not null and {score} is not null and not isnan({score}) group by all),
        curve as (select score, (sum(positives) over o)::bigint as tp, (sum(n - positives) over o)::bigint as fp
            from counted window o as (order by score desc))"""


def _thinned(table: str, points: int | None) -> str:
    if points is None:
        return f"thin as (from {table})"
    return f"""
        numbered as (select *, row_number() over (order by score desc) - 1 as place, count(*) over () as places from {table}),
        thin as (select * exclude (place, places) from numbered where places <= {points} or place = places - 1
            or floor(place * {points - 1} / places) != floor((place - 1) * {points - 1} / places))"""
