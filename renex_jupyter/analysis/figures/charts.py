"""Charts of a workspace as figures of Plotly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from renex_jupyter.analysis.figures import ink
from renex_jupyter.records.charts import ChartTable

HEIGHT = 320  # pixels
_NULL = "no value"


def chart_figure(table: ChartTable) -> dict[str, Any]:
    """Return the figure of the table of a chart; of one that could not be made, a figure that says why."""
    title = ink.heading(table.chart.name)
    if table.problem is not None:
        said = {"text": ink.wrapped(table.problem, 60, 5), "showarrow": False, "xref": "paper", "yref": "paper",
                "x": 0.5, "y": 0.5, "font": {"color": ink.GREY}}  # fmt: skip
        hidden = {"visible": False}
        return {"data": [], "layout": ink.layout(160, **title, xaxis=hidden, yaxis=hidden, annotations=[said])}
    data, more = _DRAWERS[table.chart.type](table)
    return {"data": data, "layout": ink.layout(more.pop("height", HEIGHT), **title, **more)}


def _count(table: ChartTable) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    if not table.chart.columns:
        n = table.rows[0][0]
        return [{"type": "indicator", "mode": "number", "value": n, "number": {"valueformat": ",d"}}], {"height": 140}
    values = [_label(each[0]) for each in table.rows]
    bars = _bars(values, [each[-1] for each in table.rows])
    return [bars], {"xaxis": _listing(table.chart.columns[0], values), "yaxis": ink.axis("samples")}


def _histogram(table: ChartTable) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    middles = [(low + high) / 2 for low, high, _ in table.rows]
    hovers = [f"{low:g} to {high:g}<br>{ink.whole(n)} samples" for low, high, n in table.rows]
    bars = {"type": "bar", "x": middles, "y": [each[2] for each in table.rows], "hovertext": hovers, "hoverinfo": "text",
            "width": [high - low for low, high, _ in table.rows], "marker": {"color": ink.BLUE}}  # fmt: skip
    return [bars], {"xaxis": ink.axis(table.chart.columns[0]), "yaxis": ink.axis("samples"), "bargap": 0.02}


def _error_rate(table: ChartTable) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    values = list(dict.fromkeys(_label(row[1]) for row in table.rows))
    data = []
    for at, (title, rows) in enumerate(_by_predictions(table).items()):
        hovers = [_of_error(row) for row in rows]
        places = [values.index(_label(row[1])) for row in rows]
        data.append({"type": "bar", "name": ink.escaped(title), "x": places, "y": ink.finite(row[6] for row in rows),
                     "hovertext": hovers, "hoverinfo": "text", "marker": {"color": _colour(at)}})  # fmt: skip
    name = table.chart.columns[0] if table.chart.columns else ""
    return data, {
        "xaxis": _listing(name, values),
        "yaxis": ink.axis("error", rangemode="tozero"),
        "showlegend": len(data) > 1,
    }


def _heatmap(table: ChartTable) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    a, b = (list(dict.fromkeys(_label(row[at]) for row in table.rows)) for at in (0, 1))
    known = any(row[4] is not None for row in table.rows)
    cells = {(_label(row[0]), _label(row[1])): row for row in table.rows}
    rates = [[_of(cells.get((x, y)), 4 if known else 2) for x in a] for y in b]
    hovers = [[_cell(cells.get((x, y))) for x in a] for y in b]
    data = {"type": "heatmap", "x": [*range(len(a))], "y": [*range(len(b))], "z": rates, "hovertext": hovers,
            "hoverinfo": "text", "colorscale": [list(each) for each in ink.SCALE], "xgap": 1, "ygap": 1,
            "colorbar": {"thickness": 8, "outlinewidth": 0}}  # fmt: skip
    one, two = table.chart.columns
    return [data], {"xaxis": _listing(one, a), "yaxis": _listing(two, b), "height": 140 + 22 * len(b)}


def _confusion(table: ChartTable) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    sets = _by_predictions(table)
    classes = list(dict.fromkeys(_label(each) for row in table.rows for each in row[1:3]))
    data: list[dict[str, Any]] = []
    more: dict[str, Any] = {"height": 140 + 22 * len(classes)}
    for at, (title, rows) in enumerate(sets.items()):
        cells = {(_label(row[1]), _label(row[2])): row[3] for row in rows}
        end = "" if at == 0 else str(at + 1)
        places = [*range(len(classes))]
        data.append({"type": "heatmap", "x": places, "y": places, "xaxis": f"x{end}", "yaxis": f"y{end}",
                     "z": [[cells.get((a, p), 0) for p in classes] for a in classes], "texttemplate": "%{z:,}",
                     "colorscale": [list(each) for each in ink.SCALE], "showscale": False, "xgap": 1, "ygap": 1,
                     "hoverinfo": "x+y+z"})  # fmt: skip
        low, high = at / len(sets), (at + 0.92) / len(sets)
        more[f"xaxis{end}"] = {**_listing(f"predicted by {title}", classes), "domain": [low, high]}
        more[f"yaxis{end}"] = {
            **_listing("actual" if at == 0 else "", classes),
            "autorange": "reversed",
            "anchor": f"x{end}",
        }
    return data, more


def _roc(table: ChartTable) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    data = _lines(table, 2, 3, "area")
    data.append(_faint([0, 1], [0, 1]))
    return data, _squared("false positive rate", "true positive rate")


def _pr(table: ChartTable) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    return _lines(table, 3, 2, "average precision"), _squared("recall", "precision")


def _calibration(table: ChartTable) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    data = _lines(table, 4, 5, "calibration error")
    for each in data:
        each["mode"] = "lines+markers"
    data.append(_faint([0, 1], [0, 1]))
    return data, _squared("confidence", "accuracy")


def _scatter(table: ChartTable) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    known = any(row[3] is not None for row in table.rows)
    marker: dict[str, Any] = {"size": 5, "opacity": 0.7, "color": ink.BLUE}
    if known:
        marker |= {"color": [row[3] for row in table.rows], "colorscale": [[0, ink.BLUE], [1, ink.ORANGE]]}
    x, y = (ink.finite(_number(row[at]) for row in table.rows) for at in (1, 2))
    points = {"type": "scattergl", "mode": "markers", "x": x, "y": y, "marker": marker, "hoverinfo": "text",
              "hovertext": [ink.escaped(str(row[0])) for row in table.rows]}  # fmt: skip
    one, two = table.chart.columns
    return [points], {"xaxis": ink.axis(one), "yaxis": ink.axis(two)}


def _table(table: ChartTable) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    cells = [[ink.escaped(_label(row[at])) for row in table.rows] for at in range(len(table.columns))]
    head = {"values": [ink.escaped(each) for each in table.columns], "align": "left"}
    return [{"type": "table", "header": head, "cells": {"values": cells, "align": "left"}}], {}


_DRAWERS: Mapping[str, Callable[[ChartTable], tuple[list[dict[str, Any]], dict[str, Any]]]] = {
    "count": _count,
    "histogram": _histogram,
    "error_rate": _error_rate,
    "heatmap": _heatmap,
    "confusion": _confusion,
    "roc": _roc,
    "pr": _pr,
    "calibration": _calibration,
    "scatter": _scatter,
    "table": _table,
}


def _lines(table: ChartTable, x: int, y: int, fact: str) -> list[dict[str, Any]]:
    data = []
    for at, (title, rows) in enumerate(_by_predictions(table).items()):
        value = (table.facts or {}).get(f"{fact} {title}")
        said = title if value is None else f"{title} ({fact} {value:.3g})"
        data.append({"type": "scatter", "mode": "lines", "name": ink.escaped(said), "x": ink.finite(row[x] for row in rows),
                     "y": ink.finite(row[y] for row in rows), "line": {"color": _colour(at)}})  # fmt: skip
    return data


def _by_predictions(table: ChartTable) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in table.rows:
        found.setdefault(row[0], []).append(row)
    return found


def _bars(values: list[str], heights: list[Any]) -> dict[str, Any]:
    hovers = [f"{ink.wrapped(value, 60)}<br>{ink.whole(n)} samples" for value, n in zip(values, heights, strict=True)]
    return {"type": "bar", "x": [*range(len(values))], "y": heights, "hovertext": hovers, "hoverinfo": "text",
            "marker": {"color": ink.BLUE}}  # fmt: skip


def _listing(name: str, values: list[str]) -> dict[str, Any]:
    """Return an axis that says values in the order of their numbers."""
    short = [ink.wrapped(each, 14, 1) for each in values]
    return ink.axis(name, tickvals=[*range(len(values))], ticktext=short)


def _squared(x: str, y: str) -> dict[str, Any]:
    return {"xaxis": ink.axis(x, range=[0, 1]), "yaxis": ink.axis(y, range=[0, 1.02]), "showlegend": True}


def _faint(x: list[int], y: list[int]) -> dict[str, Any]:
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": {"color": ink.GREY, "dash": "dot"},
            "hoverinfo": "skip", "showlegend": False}  # fmt: skip


def _colour(at: int) -> str:
    return ink.COLOURS[at % len(ink.COLOURS)]


def _label(value: Any) -> str:
    return _NULL if value is None else str(value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _of(row: tuple[Any, ...] | None, at: int) -> Any:
    return None if row is None else row[at]


def _cell(row: tuple[Any, ...] | None) -> str:
    if row is None:
        return ""
    rate = "" if row[4] is None else f"<br>error {row[4]:.4g}"
    return f"{ink.wrapped(_label(row[0]), 40)}, {ink.wrapped(_label(row[1]), 40)}<br>{ink.whole(row[2])} samples{rate}"


def _of_error(row: tuple[Any, ...]) -> str:
    rate = "" if row[6] is None else f", error {row[6]:.4g}"
    return f"{ink.wrapped(_label(row[1]), 60)}<br>{ink.whole(row[4])} samples{rate}"
