"""What all figures are drawn with: colours, texts that stay texts, and numbers as a reader takes them in."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from typing import Any

from renex_jupyter.records import failure_patterns

# Okabe and Ito's colours: told apart with every kind of colour vision, on light and on dark. https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
COLOURS = (BLUE, ORANGE, GREEN, PINK, YELLOW, SKY)
GREY = "#8c8c8c"  # seen on white and on black
SMALL, ON_SMALL = "#c8c8c8", "#333333"  # of what is too small to say something, and the text on it
# From little to much; a page writes on each step in the colour that is read on it.
SCALE = ((0.0, "#fff3e6"), (0.25, "#fdd0a2"), (0.5, "#fd9a4e"), (0.75, "#e2640f"), (1.0, "#9c3a00"))
LONGEST = 300  # characters of a stored text that are shown of it
FONT = 11  # pixels
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;", "%": "&#37;"})


def escaped(text: str) -> str:
    """Return text that Plotly shows as it is: no tags or links, no MathJax between `$`, no `%{...}` of a template."""
    said = " ".join("".join(each if each.isprintable() else " " for each in text[: LONGEST + 1]).split())
    return (said if len(text) <= LONGEST else f"{said} ...").translate(_ENTITIES)


def wrapped(text: str, width: int, lines: int = 2) -> str:
    """Return an escaped text in at most so many lines of so many characters; what is cut off ends in dots."""
    plain = " ".join("".join(each if each.isprintable() else " " for each in text[:LONGEST]).split())
    found = textwrap.wrap(plain, width, max_lines=lines, placeholder=" …") or [""]
    return "<br>".join(each.translate(_ENTITIES) for each in found)


def rate(value: float | None, error: str) -> str:
    """Return a mean error: `12 %`, or a number where it is no share; escaped."""
    known = value is not None and math.isfinite(value)
    return escaped(failure_patterns.rate(value, error)) if known else "not known"


def percents(error: str) -> str:
    """Return how the ticks of an axis of mean errors are written."""
    return ".0%" if failure_patterns.is_share(error) else ""


def percent(value: float) -> str:
    """Return a share: `12.3 %`; escaped."""
    return f"{100 * value:.3g} &#37;"


def whole(value: Any) -> str:
    """Return a count: `12,345`; nothing for None."""
    return "" if value is None else f"{int(value):,}"


def finite(values: Iterable[Any]) -> list[float | None]:
    """Return the values with None, a gap, for NULL, NaN and infinities, which JSON cannot say."""
    return [None if value is None or not math.isfinite(value) else float(value) for value in values]


def layout(height: int, **more: Any) -> dict[str, Any]:
    """Return a layout that makes the most of a narrow place."""
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "hovermode": "closest",
        "font": {"size": FONT},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "font": {"size": FONT}},
        **more,
    }


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """Return an axis with an escaped title."""
    named = {"title": {"text": escaped(title), "standoff": 4}} if title else {}
    return {**named, "automargin": True, **more}


def heading(text: str) -> dict[str, Any]:
    """Return what a layout needs for a title, and the room for it, with the legend at the foot; nothing without one."""
    if not text:
        return {}
    said = wrapped(text, 40)
    room = 28 + 16 * said.count("<br>")
    return {
        "title": {"text": said, "font": {"size": 12}, "x": 0, "xanchor": "left", "y": 1, "yref": "container",
                  "yanchor": "top", "pad": {"l": 8, "t": 8 + 14 * said.count("<br>")}},
        "margin": {"l": 8, "r": 8, "t": room, "b": 8},
        "legend": {"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0, "font": {"size": FONT}},
    }  # fmt: skip
