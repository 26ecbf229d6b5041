"""Error rates of the cells that two columns make, as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from renex_jupyter.analysis.error_grid import Cell, Grid
from renex_jupyter.analysis.figures import ink
from renex_jupyter.records.failure_patterns import rate


def heatmap_figure(grid: Grid, *, error: str = "error", title: str = "") -> dict[str, Any]:
    """Return a figure of a grid: a cell says its rate and how many samples it has, and is grey where these are too few."""
    shared = {
        "type": "heatmap",
        "x": [*range(len(grid.a_labels))],
        "y": [*range(len(grid.b_labels))],
        "text": [[_text(each, error) for each in row] for row in grid.cells],
        "texttemplate": "%{text}",
        "hovertext": _hovers(grid, error),
        "hoverinfo": "text",
        "xgap": 1,
        "ygap": 1,
    }
    known = [[each.rate if each.n >= grid.least else None for each in row] for row in grid.cells]
    small = [[0 if 0 < each.n < grid.least else None for each in row] for row in grid.cells]
    grey = [[0.0, ink.SMALL], [1.0, ink.SMALL]]
    data = [
        {**shared, "z": small, "colorscale": grey, "showscale": False, "textfont": {"color": ink.ON_SMALL}},
        {**shared, "z": known, "zmin": 0, "colorscale": [list(each) for each in ink.SCALE], "showscale": False},
    ]  # fmt: skip
    return {
        "data": data,
        "layout": ink.layout(
            110 + 34 * len(grid.b_labels),
            **ink.heading(title or f"{error}: {rate(grid.base_rate, error)} of all {grid.n:,}"),
            xaxis=_axis(grid.a, grid.a_labels, tickangle=-45),
            yaxis=_axis(grid.b, grid.b_labels),
        ),
    }


def _axis(name: str, labels: Sequence[str], **more: Any) -> dict[str, Any]:
    short = [ink.wrapped(each, 14, 1) for each in labels]
    return ink.axis(name, tickvals=[*range(len(labels))], ticktext=short, showgrid=False, zeroline=False, **more)


def _text(cell: Cell, error: str) -> str:
    return f"{ink.rate(cell.rate, error)}<br>n {ink.whole(cell.n)}" if cell.n else ""


def _hovers(grid: Grid, error: str) -> list[list[str]]:
    return [
        [_hover(grid, each, a, b, error) for a, each in zip(grid.a_labels, row, strict=True)]
        for b, row in zip(grid.b_labels, grid.cells, strict=True)
    ]


def _hover(grid: Grid, cell: Cell, a: str, b: str, error: str) -> str:
    few = f" (fewer than {grid.least}: grey)" if 0 < cell.n < grid.least else ""
    said = [*(ink.wrapped(f"{name}: {each}", 60) for name, each in ((grid.a, a), (grid.b, b)))]
    said += [f"{ink.whole(cell.n)} samples{few}"]
    return "<br>".join([*said, f"error {ink.rate(cell.rate, error)}"] if cell.n else said)
