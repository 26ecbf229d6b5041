"""Figures as plain dicts for Plotly: series in, {data, layout} out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

# Okabe and Ito's colours without black and yellow: told apart with every kind of colour vision, on light and on dark.
# https://jfly.uni-koeln.de/color/
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("solid", "dash", "dot", "dashdot")
SEPARATE_POINTS = 30  # up to so many points are also marked one by one

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;", "%": "&#37;"})


def escaped(text: str) -> str:
    """Return text that Plotly shows as it is: no tags or links, no MathJax between `$`, no `%{...}` of a template."""
    return text.translate(_ENTITIES)


def finite(values: Iterable[float | None]) -> list[float | None]:
    """Return the values with None, a gap in the line, for NaN and infinities, which JSON cannot say."""
    return [None if value is None or not math.isfinite(value) else float(value) for value in values]


def group_of(key: str) -> str:
    """Return the group of a metric key: what is before its first slash, or nothing."""
    return key.partition("/")[0] if "/" in key else ""


def metric_figure(series: Mapping[str, pd.DataFrame], *, log_scale: bool = False, revision: str = "") -> dict[str, Any]:
    """Return a figure with one line per metric key.

    Parameters
    ----------
    series : key -> DataFrame with the columns step [1] and value [as logged], ordered by step.
    revision : as long as it stays the same, the reader's zoom and hidden lines stay too.
    """
    return {
        "data": [_line(place, key, frame) for place, (key, frame) in enumerate(series.items())],
        "layout": {
            "height": 240,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "xaxis": {"title": {"text": "step", "standoff": 4}, "automargin": True},
            "yaxis": {
                "title": {"text": _common_title(list(series)), "standoff": 4},
                "automargin": True,
                "type": "log" if log_scale else "linear",
            },
            "showlegend": len(series) > 1,
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "font": {"size": 11}},
            "hovermode": "x unified" if len(series) > 1 else "closest",
            "font": {"size": 11},
            "uirevision": revision,
        },
    }


def _line(place: int, key: str, frame: pd.DataFrame) -> dict[str, Any]:
    values = finite(frame["value"].tolist())
    colour, dash = COLOURS[place % len(COLOURS)], DASHES[place // len(COLOURS) % len(DASHES)]
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(values) <= SEPARATE_POINTS else "lines",
        "name": escaped(key),
        "meta": key,
        "x": [int(step) for step in frame["step"]],
        "y": values,
        "connectgaps": False,
        "line": {"color": colour, "dash": dash, "width": 2},
        "marker": {"color": colour, "size": 5},
        "hovertemplate": "%{y:.5g}<extra>" + escaped(key) + "</extra>",
    }


def _common_title(keys: list[str]) -> str:
    if len(keys) == 1:
        return escaped(keys[0])
    groups = {group_of(key) for key in keys}
    return escaped(groups.pop()) if len(groups) == 1 else ""
