"""Failure patterns as a list of bars: the error rate on the half that they were found on, and on the half that tests them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from renex_jupyter.analysis.figures import ink

MOST = 20  # patterns that one figure shows
ROW = 70  # pixels of one
WIDTH = 36  # characters of a pattern in one line: as many as the narrowest panel has room for
SIGNS = {"confirmed": "✓", "not confirmed": "✗", "too small": "○"}


def pattern_figure(
    patterns: Sequence[Mapping[str, Any]], *, error: str = "error", title: str = "", revision: str = ""
) -> dict[str, Any]:
    """Return a figure with a row per pattern, in their order: two bars, and the rates of all samples as lines.

    Parameters
    ----------
    patterns : predicate_text, status, support, error_rate, base_rate and the same of the other half (holdout_support,
        holdout_error_rate, holdout_base_rate; None where there was no split).
    error : what was counted; the mean of what is only measured is no share.
    revision : as long as it stays the same, the reader's zoom stays too.

    Returns
    -------
    A dict of data and layout; without patterns one without data.
    """
    shown = list(patterns[:MOST])
    if not shown:
        return {"data": [], "layout": ink.layout(80)}
    split = any(each.get("holdout_error_rate") is not None for each in shown)
    data = [_bars(shown, "", "found on" if split else "error rate", ink.ORANGE, error)]
    data += [_bars(shown, "holdout_", "tested on", ink.BLUE, error)] if split else []
    data += _base_lines(shown, error, split=split)
    rates = [each.get(key) or 0.0 for each in shown for key in ("error_rate", "holdout_error_rate", "base_rate")]
    named = ink.layout(
        70 + ROW * len(shown),
        **ink.heading(title),
        barmode="group",
        bargap=0.58,
        bargroupgap=0.05,
        xaxis=ink.axis(range=[0, (max(rates) or 1.0) * 1.75], tickformat=ink.percents(error), fixedrange=True),
        yaxis=ink.axis(
            range=[len(shown) - 0.55, -0.75], showticklabels=False, showgrid=False, zeroline=False, fixedrange=True
        ),
        annotations=[_name(place, each) for place, each in enumerate(shown)],
        uirevision=revision,
    )
    return {"data": data, "layout": named}


def sign(status: str | None) -> str:
    """Return the mark and the word of a status: colour alone would not tell."""
    return f"{SIGNS.get(status or '', '·')} {status or 'not tested'}"


def _bars(patterns: Sequence[Mapping[str, Any]], half: str, name: str, colour: str, error: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "y": list(range(len(patterns))),
        "x": ink.finite(each.get(f"{half}error_rate") for each in patterns),
        "text": [_told(each, half, error) for each in patterns],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertext": [_hover(each, error) for each in patterns],
        "hoverinfo": "text",
        "marker": {"color": colour, "opacity": [0.45 if _is_weak(each) else 1.0 for each in patterns]},
        "customdata": [each.get("failure_pattern_id") for each in patterns],
    }


def _is_weak(pattern: Mapping[str, Any]) -> bool:
    return pattern.get("status") in ("not confirmed", "too small")


def _told(pattern: Mapping[str, Any], half: str, error: str) -> str:
    support = pattern.get(f"{half}support")
    if pattern.get(f"{half}error_rate") is None:
        return ""
    return f"{ink.rate(pattern[f'{half}error_rate'], error)} of {ink.whole(support)}"


def _base_lines(patterns: Sequence[Mapping[str, Any]], error: str, *, split: bool) -> list[dict[str, Any]]:
    """Return the rate of all samples of each half as an upright line through the bars, but not through their names."""
    lines = []
    for half, dash, colour in (("", "solid", ink.ORANGE), ("holdout_", "dot", ink.BLUE))[: 1 + split]:
        value = next((each[f"{half}base_rate"] for each in patterns if each.get(f"{half}base_rate") is not None), None)
        if value is None:
            continue
        lines.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"all {ink.rate(value, error)}",
                "x": [value, value, None] * len(patterns),
                "y": [each for place in range(len(patterns)) for each in (place - 0.23, place + 0.23, None)],
                "line": {"color": colour, "dash": dash, "width": 1.5},
                "hoverinfo": "name",
            }
        )
    return lines


def _name(place: int, pattern: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status and the text of a pattern, which stand over its bars: beside them there is no room."""
    words = f"{sign(pattern.get('status'))}: {pattern.get('predicate_text') or ''}"
    return {
        "text": ink.wrapped(words, WIDTH),
        "x": 0,
        "y": place - 0.23,
        "xanchor": "left",
        "yanchor": "bottom",
        "align": "left",
        "showarrow": False,
        "hovertext": ink.escaped(words),
        "font": {"size": ink.FONT},
    }


def _hover(pattern: Mapping[str, Any], error: str) -> str:
    lines = [ink.wrapped(str(pattern.get("predicate_text") or ""), 60, 6), ink.escaped(sign(pattern.get("status")))]
    for half, name in (("", "found on"), ("holdout_", "tested on")):
        value = pattern.get(f"{half}error_rate")
        if value is not None:
            base = ink.rate(pattern.get(f"{half}base_rate"), error)
            about = f"{ink.rate(value, error)} of {ink.whole(pattern.get(f'{half}support'))}, all {base}"
            lines.append(f"{name}: {about}")
    adjusted = pattern.get("adjusted_p_value")
    return "<br>".join([*lines, *([f"p {adjusted:.2g} (adjusted)"] if adjusted is not None else [])])
