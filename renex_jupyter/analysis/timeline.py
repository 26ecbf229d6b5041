"""A timeline: spans and events as one row per name, as a figure dict for Plotly."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MOST_BARS = 2000  # that a page draws without a pause; more are joined with their neighbours
ROW, MARGIN = 26, 90  # pixels
LONGEST = 300  # characters of the metadata
# Okabe and Ito's colours: told apart with every kind of colour vision. https://jfly.uni-koeln.de/color/
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
OPEN = "#999999"
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;", "%": "&#37;", "\n": " ", "\r": " "})


@dataclass(slots=True)
class Bar:
    """One or several spans of a row."""

    begin: float  # seconds since the beginning of the timeline
    end: float
    spans: int
    total: float  # seconds of the spans
    text: str  # of the one span
    open: bool


def timeline_figure(
    spans: Sequence[Mapping[str, Any]],
    instants: Sequence[Mapping[str, Any]] = (),
    *,
    title: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> dict[str, Any]:
    """Return a figure with a row per name: bars for what took time, marks for what happened at one moment.

    Parameters
    ----------
    spans : name, source, started_at, ended_at (None: it has not ended), duration_s [s], metadata [JSON text], by their start.
    instants : name, source, wallclock, metadata, by their time.
    since, until : beginning and end of the run; None: of what is shown. A bar without an end goes up to there, in grey.

    Returns
    -------
    A dict of data and layout; the horizontal axis counts seconds from `since`. Of more than `MOST_BARS` spans neighbours of
    one row are joined to one bar, which says how many it is and how long they took.
    """
    begins = [each["started_at"] for each in spans] + [each["wallclock"] for each in instants]
    ends = [each["ended_at"] for each in spans if each["ended_at"] is not None] + begins
    since = min([*begins, *([since] if since else [])], default=since)
    until = max([*ends, *([until] if until else [])], default=until)
    names = _by_first(
        [
            *((each["name"], each["started_at"]) for each in spans),
            *((each["name"], each["wallclock"]) for each in instants),
        ]
    )
    rows: dict[str, list[Bar]] = {name: [] for name in names}
    for each in spans:
        rows[each["name"]].append(_bar(each, since, until))
    if len(spans) > MOST_BARS:
        per_row = max(1, MOST_BARS // sum(map(bool, rows.values())))
        rows = {name: _joined(bars, per_row) for name, bars in rows.items()}
    data = [_bars(rows)] if spans else []
    if instants:
        data.append(_marks(instants, since))
    return {"data": data, "layout": _layout(names, title, since)}


def escaped(text: str) -> str:
    """Return text that Plotly shows as it is: no tags or links, no MathJax between `$`, no `%{...}` of a template."""
    return text.translate(_ENTITIES)


def _by_first(named: Iterable[tuple[str, datetime]]) -> list[str]:
    first: dict[str, datetime] = {}
    for name, moment in named:
        first[name] = min(moment, first.get(name, moment))
    return sorted(first, key=lambda name: (first[name], name))


def _bar(span: Mapping[str, Any], since: datetime | None, until: datetime | None) -> Bar:
    begin = _seconds(span["started_at"], since)
    is_open = span["ended_at"] is None
    end = max(begin, _seconds(until if is_open else span["ended_at"], since))
    took = "not ended" if is_open else f"{span['duration_s']:.4g} s"
    return Bar(begin, end, 1, 0.0 if is_open else end - begin, _told(span, took), is_open)


def _joined(bars: list[Bar], most: int) -> list[Bar]:
    """Join the bars of one row that begin in the same of `most` parts of its time; open ones stay by themselves."""
    if len(bars) <= most:
        return bars
    begin, end = bars[0].begin, max(bar.end for bar in bars)
    width = (end - begin) / most or 1.0
    parts: dict[int, Bar] = {}
    for bar in (each for each in bars if not each.open):
        place = int((bar.begin - begin) / width)
        known = parts.get(place)
        if known is None:
            parts[place] = bar
        else:
            known.end, known.spans, known.total = (
                max(known.end, bar.end),
                known.spans + bar.spans,
                known.total + bar.total,
            )
    left_open = [bar for bar in bars if bar.open][-most:]
    return sorted([*parts.values(), *left_open], key=lambda bar: bar.begin)


def _bars(rows: Mapping[str, list[Bar]]) -> dict[str, Any]:
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(rows)}
    flat = [(name, bar) for name, bars in rows.items() for bar in bars]
    return {
        "type": "bar",
        "orientation": "h",
        "y": [escaped(name) for name, _ in flat],
        "base": [bar.begin for _, bar in flat],
        "x": [bar.end - bar.begin for _, bar in flat],
        "hovertext": [_hover(name, bar) for name, bar in flat],
        "hoverinfo": "text",
        "textposition": "none",
        "marker": {
            "color": [OPEN if bar.open else colours[name] for name, bar in flat],
            "line": {"width": 0},
        },
        "showlegend": False,
    }


def _marks(instants: Sequence[Mapping[str, Any]], since: datetime | None) -> dict[str, Any]:
    return {
        "type": "scattergl" if len(instants) > MOST_BARS else "scatter",
        "mode": "markers",
        "y": [escaped(each["name"]) for each in instants],
        "x": [_seconds(each["wallclock"], since) for each in instants],
        "hovertext": [f"{escaped(each['name'])}<br>{_told(each, '')}" for each in instants],
        "hoverinfo": "text",
        "marker": {"symbol": "diamond", "size": 8, "color": "#D55E00"},
        "showlegend": False,
    }


def _hover(name: str, bar: Bar) -> str:
    if bar.spans == 1:
        return f"{escaped(name)}<br>{bar.text}"
    mean = bar.total / bar.spans
    return f"{escaped(name)}<br>{bar.spans:,} spans, {bar.total:.4g} s together, {mean:.4g} s each"


def _told(event: Mapping[str, Any], took: str) -> str:
    """Return what is said of one event beside its name, as HTML of Plotly's kind."""
    when = event.get("started_at") or event["wallclock"]
    parts = [took, str(when.astimezone().strftime("%Y-%m-%d %H:%M:%S"))]
    parts += [f"source {escaped(event['source'])}"] if event.get("source") else []
    parts += [escaped(_clipped(each)) for each in _pairs(event.get("metadata"))]
    return "<br>".join(part for part in parts if part)


def _pairs(metadata: str | None) -> list[str]:
    found = json.loads(metadata) if metadata else None
    if not isinstance(found, dict):
        return []
    return [
        f"{key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in list(found.items())[:10]
    ]


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _seconds(moment: datetime | None, since: datetime | None) -> float:
    return 0.0 if moment is None or since is None else (moment - since).total_seconds()


def _layout(names: Sequence[str], title: str, since: datetime | None) -> dict[str, Any]:
    begin = since.astimezone().strftime("%Y-%m-%d %H:%M:%S") if since else ""
    return {
        "title": {"text": escaped(title), "font": {"size": 13}},
        "height": MARGIN + ROW * max(2, len(names)),
        "margin": {"l": 8, "r": 8, "t": 36 if title else 8, "b": 8},
        "barmode": "overlay",
        "bargap": 0.25,
        "xaxis": {
            "title": {"text": f"seconds since {begin}" if begin else "seconds"},
            "automargin": True,
            "rangemode": "tozero",
        },
        "yaxis": {
            "type": "category",
            "categoryorder": "array",
            "categoryarray": [escaped(name) for name in names],
            "autorange": "reversed",
            "automargin": True,
        },
        "hovermode": "closest",
        "font": {"size": 11},
    }
