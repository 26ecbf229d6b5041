"""Drift as a strip per column: one bar against the noise where there are two states, a row of cells where there are windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from renex_jupyter.analysis.figures import ink
from renex_jupyter.records.drift import ALERT, ATTENTION, NONE, UNKNOWN, ColumnDrift, DriftReport

MOST_COLUMNS, MOST_WINDOWS = 40, 200
SIGNS = {ALERT: "▲", ATTENTION: "△", NONE: "✓", UNKNOWN: "?"}
COLOURS = {ALERT: ink.ORANGE, ATTENTION: ink.YELLOW, NONE: ink.BLUE, UNKNOWN: ink.GREY}


def drift_figure(report: DriftReport, *, title: str = "") -> dict[str, Any]:
    """Return a figure with a row per column, prediction and label, the worst on top; its name begins with its level."""
    shown = report.by_level()[:MOST_COLUMNS]
    said = title or f"{report.proposal}: {report.rule}" if report.rule else title or report.title
    if any(each.windows for each in shown):
        return _windows(shown, said)
    return _bars(shown, said)


def _bars(results: Sequence[ColumnDrift], title: str) -> dict[str, Any]:
    places = [*range(len(results))]
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": places,
        "x": ink.finite(each.psi for each in results),
        "marker": {"color": [COLOURS.get(each.level, ink.GREY) for each in results]},
        "text": ["" if each.psi is None else f"{each.psi:.3f}" for each in results],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertext": [_hover(each) for each in results],
        "hoverinfo": "text",
        "showlegend": False,
    }
    floors = {
        "type": "scatter",
        "mode": "markers",
        "name": "noise up to here",
        "x": ink.finite(each.floor for each in results),
        "y": places,
        "marker": {"symbol": "line-ns-open", "size": 16, "color": ink.GREY, "line": {"width": 2}},
        "hoverinfo": "skip",
    }
    highest = max([each.psi or 0.0 for each in results] + [each.floor or 0.0 for each in results], default=0.0) or 1.0
    layout = ink.layout(
        90 + 24 * len(results),
        **ink.heading(title),
        bargap=0.4,
        xaxis=ink.axis("PSI", range=[0, 1.3 * highest]),
        yaxis=_names(results),
    )
    return {"data": [bars, floors] if results else [], "layout": layout}


def _windows(results: Sequence[ColumnDrift], title: str) -> dict[str, Any]:
    names = list(dict.fromkeys(each.window for result in results for each in result.windows))[-MOST_WINDOWS:]
    found = [{each.window: each for each in result.windows} for result in results]
    values = [[each[name].psi if name in each else None for name in names] for each in found]
    hovers = [
        [_hover_window(result, name, each.get(name)) for name in names]
        for result, each in zip(results, found, strict=True)
    ]
    marks = [
        [
            SIGNS.get(each[name].level, "") if name in each and each[name].level in (ALERT, ATTENTION) else ""
            for name in names
        ]
        for each in found
    ]
    data = {
        "type": "heatmap",
        "x": [*range(len(names))],
        "y": [*range(len(results))],
        "z": [ink.finite(row) for row in values],
        "zmin": 0,
        "zmax": max(0.25, *(value or 0.0 for row in values for value in row)) if values and names else 1,
        "colorscale": [list(each) for each in ink.SCALE],
        "text": marks,
        "texttemplate": "%{text}",
        "hovertext": hovers,
        "hoverinfo": "text",
        "xgap": 1,
        "ygap": 2,
        "colorbar": {"thickness": 8, "outlinewidth": 0, "title": {"text": "PSI"}},
    }
    some = [*range(0, len(names), max(1, len(names) // 6))]
    layout = ink.layout(
        110 + 24 * len(results),
        **ink.heading(title),
        xaxis=ink.axis(tickvals=some, ticktext=[ink.wrapped(names[each], 14, 1) for each in some], tickangle=-45),
        yaxis=_names(results),
    )
    return {"data": [data] if names else [], "layout": layout}


def _names(results: Sequence[ColumnDrift]) -> dict[str, Any]:
    said = [ink.wrapped(f"{SIGNS.get(each.level, '?')} {each.name}", 18, 1) for each in results]
    return ink.axis(tickvals=[*range(len(results))], ticktext=said, autorange="reversed", showgrid=False)


def _hover(result: ColumnDrift) -> str:
    told = [f"{result.name} ({result.role}): {result.level}"]
    for name, value in (("PSI", result.psi), ("noise up to", result.floor), ("JS", result.js), ("KS", result.ks)):
        told += [] if value is None else [f"{name} {value:.3f}"]
    told += [] if result.wasserstein is None else [f"W / std {result.wasserstein:.3f}"]
    told += [] if result.cramers_v is None else [f"V {result.cramers_v:.3f}"]
    told += [f"new: {', '.join(result.new_values[:5])}"] if result.new_values else []
    told += [f"{result.n_reference:,} and {result.n_current:,} rows", *([result.note] if result.note else [])]
    return "<br>".join(ink.wrapped(each, 60, 3) for each in told)


def _hover_window(result: ColumnDrift, name: str, window: Any) -> str:
    told = [result.name, name]
    if window is not None:
        told += [window.level, *([] if window.psi is None else [f"PSI {window.psi:.3f}"]), f"{window.n:,} rows"]
    return "<br>".join(ink.wrapped(each, 60) for each in told)
