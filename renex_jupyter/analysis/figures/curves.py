"""Curves of a classifier: precision against recall, true against false positives, probability against what came true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis.figures import ink
from renex_jupyter.records.evaluations import Calibration

if TYPE_CHECKING:
    import pandas as pd

MOST_CLASSES = 12  # with a curve of their own in one figure
DASHES = ("solid", "dash", "dot")


def precision_recall_figure(
    curves: Mapping[str, pd.DataFrame], areas: Mapping[str, float | None] | None = None, *, title: str = ""
) -> dict[str, Any]:
    """Return a figure of precision against recall, with a line per class.

    Parameters
    ----------
    curves : class -> DataFrame with recall, precision, threshold.
    areas : class -> average precision.
    """
    return _figure(curves, ("recall", "precision"), areas or {}, "AP", title, shape="vh")


def roc_figure(
    curves: Mapping[str, pd.DataFrame], areas: Mapping[str, float | None] | None = None, *, title: str = ""
) -> dict[str, Any]:
    """Return a figure of true against false positives, with a line per class, and that of chance.

    Parameters
    ----------
    curves : class -> DataFrame with fpr, tpr, threshold.
    areas : class -> area under it.
    """
    figure = _figure(curves, ("fpr", "tpr"), areas or {}, "AUC", title)
    figure["data"].append(_diagonal("chance"))
    figure["layout"]["xaxis"]["title"]["text"] = "false positive rate"
    figure["layout"]["yaxis"]["title"]["text"] = "true positive rate"
    return figure


def calibration_figure(found: Calibration, *, title: str = "") -> dict[str, Any]:
    """Return a figure of how often what got a probability came true; the larger a mark, the more samples it has."""
    most = max((each.n for each in found.bins), default=1)
    marks = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "model",
        "x": [each.predicted for each in found.bins],
        "y": [each.observed for each in found.bins],
        "marker": {"color": ink.BLUE, "size": [6 + 14 * (each.n / most) ** 0.5 for each in found.bins]},
        "line": {"color": ink.BLUE, "width": 1.5},
        "hovertext": [
            f"said {ink.percent(each.predicted)}, came true {ink.percent(each.observed)}<br>{ink.whole(each.n)} samples"
            for each in found.bins
        ],
        "hoverinfo": "text",
    }
    of = f"of {found.positive}" if found.positive is not None else "of the predicted class"
    said = title or f"ECE {found.ece:.3f}, Brier {found.brier:.3f}"
    return {
        "data": [_diagonal("as it should be"), marks],
        "layout": _square(said, f"probability {of}", "share that came true"),
    }


def _figure(
    curves: Mapping[str, pd.DataFrame],
    axes: tuple[str, str],
    areas: Mapping[str, float | None],
    area: str,
    title: str,
    shape: str = "linear",
) -> dict[str, Any]:
    data = []
    for place, (name, frame) in enumerate(list(curves.items())[:MOST_CLASSES]):
        value = areas.get(name)
        label = ink.escaped(name if value is None else f"{name} ({area} {value:.3f})")
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": label,
                "x": ink.finite(frame[axes[0]].tolist()),
                "y": ink.finite(frame[axes[1]].tolist()),
                "text": [_threshold(each) for each in frame["threshold"].tolist()],
                "hovertemplate": f"{axes[0]} %{{x:.3f}}<br>{axes[1]} %{{y:.3f}}<br>%{{text}}<extra>{label}</extra>",
                "line": {
                    "color": ink.COLOURS[place % len(ink.COLOURS)],
                    "dash": DASHES[place // len(ink.COLOURS) % len(DASHES)],
                    "width": 2,
                    "shape": shape,
                },
            }
        )
    more = len(curves) - MOST_CLASSES
    said = title or (f"{more:,} more classes are not shown" if more > 0 else "")
    layout = _square(said, *axes)
    layout["showlegend"] = True
    layout["height"] += 18 * ((len(data) + 1) // 2)
    return {"data": data, "layout": layout}


def _threshold(value: float) -> str:
    return f"from {value:.4g}" if value == value and abs(value) != float("inf") else ""


def _square(title: str, x: str, y: str) -> dict[str, Any]:
    end = {"range": [-0.02, 1.02], "constrain": "domain", "tickformat": ".1f"}
    return ink.layout(320, **ink.heading(title), xaxis=ink.axis(x, **end), yaxis=ink.axis(y, **end))


def _diagonal(name: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [0, 1],
        "y": [0, 1],
        "line": {"color": ink.GREY, "dash": "dot", "width": 1},
        "hoverinfo": "skip",
    }
