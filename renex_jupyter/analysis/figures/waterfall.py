"""The error rate of a pattern, step by step: what each of its conditions adds to the rate of all samples.

References
----------
Pastor, de Alfaro, Baralis, "Looking for Trouble: Analyzing Classifier Behavior via Pattern Divergence", SIGMOD 2021,
section 3.3: the contribution of an item to a pattern is its Shapley value, so that all of them add up to the divergence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renex_jupyter.analysis.figures import ink
from renex_jupyter.records.predicates import Condition, Every, Predicate


def waterfall_figure(
    contributions: Mapping[str, float], base_rate: float, *, error: str = "error", title: str = ""
) -> dict[str, Any]:
    """Return a figure of steps from the rate of all samples to that of the pattern, the largest step first.

    Parameters
    ----------
    contributions : text of a condition -> what it adds [as the error].
    """
    steps = sorted(contributions.items(), key=lambda each: (-abs(each[1]), each[0]))
    total = base_rate + sum(contributions.values())
    names = ["all samples", *(name for name, _ in steps), "the pattern"]
    texts = [
        ink.rate(base_rate, error),
        *(_step(each, error) for _, each in steps),
        ink.rate(total, error),
    ]
    data = {
        "type": "waterfall",
        "orientation": "h",
        "measure": ["absolute", *["relative"] * len(steps), "total"],
        "y": list(range(len(names))),
        "x": [base_rate, *(each for _, each in steps), None],
        "text": texts,
        "textposition": "outside",
        "cliponaxis": False,
        "hovertext": [f"{ink.wrapped(name, 60, 6)}<br>{text}" for name, text in zip(names, texts, strict=True)],
        "hoverinfo": "text",
        "increasing": {"marker": {"color": ink.ORANGE}},
        "decreasing": {"marker": {"color": ink.BLUE}},
        "totals": {"marker": {"color": ink.GREY}},
        "connector": {"line": {"color": ink.GREY, "width": 1}},
        "showlegend": False,
    }
    ends = _ends([base_rate, *(each for _, each in steps)])
    reach = (max(ends) - min(0.0, *ends)) or 1.0
    return {
        "data": [data],
        "layout": ink.layout(
            50 + 34 * len(names),
            **ink.heading(title),
            xaxis=ink.axis(
                range=[min(0.0, *ends) - (0.2 * reach if min(ends) < 0 else 0), max(ends) + 0.45 * reach],
                tickformat=ink.percents(error),
            ),
            yaxis=ink.axis(
                tickvals=list(range(len(names))),
                ticktext=[ink.wrapped(name, 18) for name in names],
                autorange="reversed",
            ),
        ),
    }


def by_condition(contributions: Mapping[str, float], predicate: Predicate) -> dict[str, float]:
    """Return contributions of columns by the text of what is asked of the column, where that is one condition."""
    parts = predicate.parts if isinstance(predicate, Every) else (predicate,)
    conditions = [each for each in parts if isinstance(each, Condition)]
    found = {name: [each for each in conditions if each.column == name] for name in contributions}
    return {(str(found[name][0]) if len(found[name]) == 1 else name): value for name, value in contributions.items()}


def _step(value: float, error: str) -> str:
    return f"{'+' if value >= 0 else '-'}{ink.rate(abs(value), error)}"


def _ends(steps: list[float]) -> list[float]:
    """Return where each step ends."""
    ends, place = [], 0.0
    for each in steps:
        place += each
        ends.append(place)
    return ends
