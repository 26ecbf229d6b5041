"""What was predicted of what is true, as a figure whose cells select samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from renex_jupyter.analysis.figures import ink
from renex_jupyter.records.evaluations import NO_PREDICTION, NO_TRUTH, Count

MOST_CLASSES = 40  # on one side: of more the most frequent ones are shown
OTHERS = "(others)"
_Pair = tuple[str | None, str | None]


def confusion_figure(counts: Iterable[Count], classes: Sequence[str] = (), *, title: str = "") -> dict[str, Any]:
    """Return a figure with a row per true class and a column per predicted one.

    The colour is the share of the row, so that a rare class is seen as well as a frequent one. The `customdata` of a cell
    is [actual, predicted], None for what is not known: what `rx.confusion_samples` is asked for.

    Parameters
    ----------
    classes : in which order they stand; those that are not named come last, by name.
    """
    counts = list(counts)
    labels, left_out = _labels(counts, classes)
    rows = [*labels, *([None] if any(each.actual is None for each in counts) else [])]
    columns = [*labels, *([None] if any(each.predicted is None for each in counts) else [])]
    times: dict[_Pair, int] = {(each.actual, each.predicted): each.n for each in counts}
    totals = {actual: sum(times.get((actual, each), 0) for each in columns) for actual in rows}
    shares = [
        [times.get((actual, predicted), 0) / totals[actual] if totals[actual] else None for predicted in columns]
        for actual in rows
    ]
    data = {
        "type": "heatmap",
        "x": [*range(len(columns))],
        "y": [*range(len(rows))],
        "z": shares,
        "zmin": 0,
        "zmax": 1,
        "colorscale": [list(each) for each in ink.SCALE],
        "text": [
            [ink.whole(n) if (n := times.get((actual, predicted), 0)) else "" for predicted in columns]
            for actual in rows
        ],
        "texttemplate": "%{text}",
        "hovertext": [[_hover(times, totals, (actual, predicted)) for predicted in columns] for actual in rows],
        "hoverinfo": "text",
        "customdata": [[[actual, predicted] for predicted in columns] for actual in rows],
        "xgap": 1,
        "ygap": 1,
        "showscale": False,
    }
    more = f"{left_out:,} rarer classes are not shown" if left_out else ""
    return {
        "data": [data] if rows and columns else [],
        "layout": ink.layout(
            120 + 24 * len(rows),
            **ink.heading(title or more),
            xaxis=_axis("predicted", [NO_PREDICTION if each is None else each for each in columns], tickangle=-45),
            yaxis=_axis("actual", [NO_TRUTH if each is None else each for each in rows], autorange="reversed"),
        ),
    }


def _labels(counts: Sequence[Count], classes: Sequence[str]) -> tuple[list[str], int]:
    """Return the classes that are shown, in their order, and how many others there are."""
    weight: dict[str, int] = dict.fromkeys(classes, 0)
    for each in counts:
        for name in {each.actual, each.predicted} - {None}:
            weight[str(name)] = weight.get(str(name), 0) + each.n
    known = [*classes, *sorted(weight.keys() - set(classes))]
    kept = set(sorted(known, key=lambda name: (-weight[name], name))[:MOST_CLASSES])
    return [name for name in known if name in kept], len(known) - len(kept)


def _axis(name: str, labels: Sequence[str], **more: Any) -> dict[str, Any]:
    short = [ink.wrapped(each, 16, 1) for each in labels]
    return ink.axis(name, tickvals=[*range(len(labels))], ticktext=short, showgrid=False, zeroline=False, **more)


def _hover(times: Mapping[_Pair, int], totals: Mapping[str | None, int], pair: _Pair) -> str:
    n, of = times.get(pair, 0), totals[pair[0]]
    actual, predicted = (NO_TRUTH if pair[0] is None else pair[0]), (NO_PREDICTION if pair[1] is None else pair[1])
    share = f", {ink.percent(n / of)} of its row" if of else ""
    said = [ink.wrapped(f"actual {actual}", 60), ink.wrapped(f"predicted {predicted}", 60)]
    return "<br>".join([*said, f"{ink.whole(n)} samples{share}"])
