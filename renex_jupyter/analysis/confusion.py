"""What was predicted of what is true, counted, and the scores of each class and of all of them.

References
----------
Averages over classes: https://scikit-learn.org/stable/modules/model_evaluation.html#from-binary-to-multiclass-and-multilabel
Correlation of more than two classes: J. Gorodkin, Computational Biology and Chemistry 28 (2004) 367.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from renex_jupyter.analysis.sample_pairs import Pairs
from renex_jupyter.records.evaluations import ClassScores, Count
from renex_jupyter.store.workbench import Workbench, quoted

AVERAGED = ("precision", "recall", "f1")


def counted(bench: Workbench, pairs: Pairs) -> tuple[Count, ...]:
    """Return how often each class was predicted as each, the most frequent first; None: not known, or not predicted."""
    rows = bench.values(f"""
        select actual, predicted, count(*) from {quoted(pairs.name)}
        where actual is not null or predicted is not null
        group by all order by 3 desc, 1 nulls last, 2 nulls last""")
    return tuple(Count(*row) for row in rows)


def scores_of_classes(counts: Iterable[Count], classes: Iterable[str]) -> tuple[ClassScores, ...]:
    """Return precision, recall and F1 of each class over the samples with truth and prediction; 0 where none is defined."""
    actual, predicted, right = _margins(counts)
    return tuple(
        ClassScores(
            each,
            _share(right[each], predicted[each]),
            _share(right[each], actual[each]),
            _share(2 * right[each], actual[each] + predicted[each]),
            actual[each],
            predicted[each],
        )
        for each in classes
    )


def scores_of_all(counts: Iterable[Count], classes: Iterable[ClassScores]) -> dict[str, float]:
    """Return accuracy, balanced accuracy, averages over the classes and Matthews' correlation; nothing without a sample."""
    counts, classes = list(counts), list(classes)
    actual, predicted, right = _margins(counts)
    n, hits = sum(actual.values()), sum(right.values())
    if not n:
        return {}
    there = [each for each in classes if each.support]
    found = {"accuracy": hits / n, "balanced_accuracy": math.fsum(each.recall for each in there) / len(there)}
    for name in AVERAGED:
        found[f"macro_{name}"] = math.fsum(getattr(each, name) for each in classes) / len(classes)
    for name in AVERAGED:
        found[f"weighted_{name}"] = math.fsum(getattr(each, name) * each.support for each in classes) / n
    found |= {f"micro_{name}": hits / n for name in AVERAGED}  # of one label per sample all three are the accuracy
    return {**found, "matthews": _matthews(actual, predicted, hits, n)}


def scores_of_positive(classes: Iterable[ClassScores], positive: str) -> dict[str, float]:
    """Return precision, recall and F1 of one class as metrics."""
    for each in classes:
        if each.label == positive:
            return {name: getattr(each, name) for name in AVERAGED}
    return {}


def _margins(counts: Iterable[Count]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    actual, predicted, right = Counter[str](), Counter[str](), Counter[str]()
    for each in counts:
        if each.actual is not None and each.predicted is not None:
            actual[each.actual] += each.n
            predicted[each.predicted] += each.n
            if each.actual == each.predicted:
                right[each.actual] += each.n
    return actual, predicted, right


def _matthews(actual: Mapping[str, int], predicted: Mapping[str, int], hits: int, n: int) -> float:
    covariance = hits * n - sum(count * predicted[each] for each, count in actual.items())
    spread = (n * n - sum(x * x for x in actual.values())) * (n * n - sum(x * x for x in predicted.values()))
    return covariance / math.sqrt(spread) if spread else 0.0


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
