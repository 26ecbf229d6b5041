"""Residuals of a regression: some samples as dots, and over them the middle and the range of all, by bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis.figures import ink

if TYPE_CHECKING:
    import pandas as pd


def residual_figure(
    sample: pd.DataFrame, bins: pd.DataFrame, *, by: str = "predicted", title: str = ""
) -> dict[str, Any]:
    """Return a figure of residuals (actual minus predicted) against a number.

    Parameters
    ----------
    sample : _key, residual, by.
    bins : low, high, median, q05, q95, n: of all samples, by bins of the same number.
    by : what that number is called.
    """
    middle = [(low + high) / 2 for low, high in zip(bins["low"], bins["high"], strict=True)]
    dots = {
        "type": "scattergl" if len(sample) > 1000 else "scatter",
        "mode": "markers",
        "name": "samples",
        "x": ink.finite(sample["by"].tolist()),
        "y": ink.finite(sample["residual"].tolist()),
        "hovertext": [ink.escaped(f"sample {each}") for each in sample["_key"].tolist()],
        "hovertemplate": "%{hovertext}<br>residual %{y:.4g}<extra></extra>",
        "customdata": sample["_key"].tolist(),
        "marker": {"color": ink.GREY, "size": 4, "opacity": 0.5},
    }
    lines = [
        _line("95 %", middle, bins["q95"].tolist(), ink.ORANGE, "dot"),
        _line("median", middle, bins["median"].tolist(), ink.BLUE, "solid"),
        _line("5 %", middle, bins["q05"].tolist(), ink.ORANGE, "dot"),
    ]
    layout = ink.layout(
        320,
        **ink.heading(title),
        xaxis=ink.axis(by),
        yaxis=ink.axis("residual (actual - predicted)", zeroline=True, zerolinewidth=2),
    )
    return {"data": [dots, *lines], "layout": layout}


def _line(name: str, x: list[float], y: list[float], colour: str, dash: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": ink.escaped(name),
        "x": ink.finite(x),
        "y": ink.finite(y),
        "line": {"color": colour, "dash": dash, "width": 2},
        "hovertemplate": "%{y:.4g}<extra>" + ink.escaped(name) + "</extra>",
    }
