"""Two sets of predictions side by side: on all samples, and where the second errs less or more than the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter.analysis.figures import ink
from renex_jupyter.records.comparisons import Comparison, Place

MOST = 20  # places that one figure shows
ROW = 44  # pixels of one
WIDTH = 36  # characters of a line: as many as the narrowest panel has room for
BETTER, WORSE, SAME = "▼", "▲", "="


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the figure."""

    name: str
    n: int
    error_a: float
    error_b: float
    p_value: float | None

    @property
    def sign(self) -> str:
        """Whether the second errs less or more: a mark, so that no colour has to tell."""
        return SAME if self.error_a == self.error_b else BETTER if self.error_b < self.error_a else WORSE


def comparison_figure(found: Comparison, *, title: str = "") -> dict[str, Any]:
    """Return a figure with a row for all samples, then one per place, those that differ most surely first: a ring for the
    first predictions, a dot for the second, and a line between them.
    """
    if found.error_a is None or found.error_b is None:
        return {"data": [], "layout": ink.layout(80, **ink.heading(title or found.verdict))}
    whole = Row("all samples", found.n, found.error_a, found.error_b, found.p_value)
    rows = [whole, *(_row(each) for each in sorted(found.places, key=_surest)[:MOST])]
    colours = [{BETTER: ink.BLUE, WORSE: ink.ORANGE, SAME: ink.GREY}[each.sign] for each in rows]
    places = [*range(len(rows))]
    hovers = [_hover(each, found) for each in rows]
    lines = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [each.error_a, each.error_b],
            "y": [place, place],
            "line": {"color": colour, "width": 3},
            "hoverinfo": "skip",
            "showlegend": False,
        }
        for place, (each, colour) in enumerate(zip(rows, colours, strict=True))
    ]
    first = _marks([each.error_a for each in rows], places, hovers, found.a, ink.GREY, "circle-open")
    second = _marks([each.error_b for each in rows], places, hovers, found.b, colours, "circle")
    highest = max(max(each.error_a, each.error_b) for each in rows) or 1.0
    layout = ink.layout(
        100 + ROW * len(rows),
        **ink.heading(title or f"{found.error}: {_plain(found)}"),
        xaxis=ink.axis(range=[0, 1.1 * highest], tickformat=ink.percents(found.error)),
        yaxis=ink.axis(range=[len(rows) - 0.6, -0.8], showticklabels=False, showgrid=False, zeroline=False),
        annotations=[_name(place, each) for place, each in enumerate(rows)],
    )
    return {"data": [*lines, first, second], "layout": layout}


def _row(place: Place) -> Row:
    return Row(f"{place.what} {place.where}", place.n, place.error_a, place.error_b, place.p_value)


def _surest(place: Place) -> tuple[bool, float, float, str]:
    return not place.sure, 1.0 if place.p_value is None else place.p_value, -abs(place.difference), place.where


def _marks(
    x: Sequence[float], y: Sequence[int], hovers: Sequence[str], name: str, colour: Any, symbol: str
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": ink.wrapped(name, 30, 1),
        "x": ink.finite(x),
        "y": [*y],
        "hovertext": [*hovers],
        "hoverinfo": "text",
        "marker": {"color": colour, "symbol": symbol, "size": 10, "line": {"width": 2}},
    }


def _name(place: int, row: Row) -> dict[str, Any]:
    return {
        "text": ink.wrapped(f"{row.sign} {row.name}", WIDTH, 1),
        "x": 0,
        "y": place - 0.2,
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": ink.FONT},
    }


def _plain(found: Comparison) -> str:
    return f"{found.fixed:,} fixed, {found.broken:,} broken of {found.n:,}"


def _hover(row: Row, found: Comparison) -> str:
    p = [f"p {row.p_value:.2g}"] if row.p_value is not None else []
    both = [
        f"{ink.wrapped(name, 50)}: {ink.rate(error, found.error)}"
        for name, error in ((found.a, row.error_a), (found.b, row.error_b))
    ]
    return "<br>".join([ink.wrapped(row.name, 60, 4), *both, f"{ink.whole(row.n)} samples", *p])
