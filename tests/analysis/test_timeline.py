"""The timeline: a row per name, hostile texts as they are, and few enough bars to be drawn."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import plotly.graph_objects as go
import pytest

from renex_jupyter.analysis.timeline import MOST_BARS, OPEN, timeline_figure

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def span(name: str, begin: float, end: float | None, **more: Any) -> dict[str, Any]:
    ended = None if end is None else BEGIN + timedelta(seconds=end)
    return {
        "name": name,
        "source": None,
        "started_at": BEGIN + timedelta(seconds=begin),
        "ended_at": ended,
        "duration_s": None if end is None else end - begin,
        "metadata": None,
        **more,
    }


def instant(name: str, at: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "source": None, "wallclock": BEGIN + timedelta(seconds=at), "metadata": None, **more}


def drawn(figure: dict[str, Any]) -> go.Figure:
    """Return the figure as Plotly takes it, which checks every name and value."""
    json.dumps(figure, allow_nan=False)
    return go.Figure(figure)


def test_there_is_a_row_per_name_by_its_first_time() -> None:
    figure = drawn(
        timeline_figure(
            [span("epoch", 0, 10), span("data", 0.5, 2), span("epoch", 10, 20)], [instant("deploy", 5)], since=BEGIN
        )
    )
    assert list(figure.layout.yaxis.categoryarray) == ["epoch", "data", "deploy"]
    bars, marks = figure.data
    assert list(zip(bars.y, bars.base, bars.x, strict=True)) == [
        ("epoch", 0, 10),
        ("epoch", 10, 10),
        ("data", 0.5, 1.5),
    ]
    assert (list(marks.y), list(marks.x)) == (["deploy"], [5])


def test_what_is_hovered_over_says_duration_source_and_metadata() -> None:
    figure = timeline_figure(
        [span("epoch", 0, 12.5, source="trainer", metadata='{"step": 3, "who": "ada"}')], since=BEGIN
    )
    (text,) = figure["data"][0]["hovertext"]
    assert all(each in text for each in ("12.5 s", "source trainer", "step: 3", "who: ada"))


@pytest.mark.parametrize("text", ["<b>x</b>", "<a href='javascript:alert(1)'>x</a>", "$x^2$", "%{x}", "a & b"])
def test_a_stored_text_is_shown_as_it_is(text: str) -> None:
    metadata = json.dumps({text: text})
    spans = [span(text, 0, 1, source=text, metadata=metadata)]
    figure = timeline_figure(spans, [instant(text, 1, source=text, metadata=metadata)], title=text, since=BEGIN)
    said = json.dumps(figure, ensure_ascii=False).replace("<br>", "")
    assert not set("<>$%") & set(said)
    drawn(figure)


def test_a_span_without_an_end_is_grey_and_goes_to_the_end_of_the_run() -> None:
    figure = timeline_figure(
        [span("epoch", 0, 10), span("epoch", 10, None)], since=BEGIN, until=BEGIN + timedelta(seconds=40)
    )
    bars = figure["data"][0]
    assert bars["marker"]["color"][1] == OPEN != bars["marker"]["color"][0]
    assert (bars["base"][1], bars["x"][1]) == (10, 30)
    assert "not ended" in bars["hovertext"][1]


def test_of_ten_thousand_spans_few_bars_are_left_and_no_second_is_lost() -> None:
    spans = [span(name, number, number + 0.5) for number in range(5000) for name in ("epoch", "data")]
    spans.append(span("epoch", 5000, None))
    figure = timeline_figure(spans, [instant("tick", number) for number in range(10_000)], since=BEGIN)
    bars, marks = figure["data"]
    assert len(bars["x"]) <= MOST_BARS + 2
    assert marks["type"] == "scattergl"
    counted = [text for text in bars["hovertext"] if "spans" in text]
    assert sum(int(text.split("<br>")[1].split(" ")[0]) for text in counted) == 10_000
    assert sum("not ended" in text for text in bars["hovertext"]) == 1
    assert {*bars["y"]} == {"epoch", "data"}
    drawn(figure)


def test_many_spans_at_one_moment_are_joined_too() -> None:
    figure = timeline_figure([span("x", 1, 1) for _ in range(5000)], since=BEGIN)
    assert len(figure["data"][0]["x"]) <= MOST_BARS


def test_many_names_of_one_span_each_keep_their_rows() -> None:
    figure = timeline_figure([span(f"x{number}", number, number + 1) for number in range(3000)], since=BEGIN)
    assert len(set(figure["data"][0]["y"])) == 3000


def test_nothing_gives_an_empty_figure() -> None:
    figure = drawn(timeline_figure([], title="run 'train'"))
    assert len(figure.data) == 0


def test_what_began_before_the_run_is_drawn_from_there() -> None:
    figure = timeline_figure([span("deploy", -5, 5)], since=BEGIN)
    assert figure["data"][0]["base"] == [0]
    assert figure["data"][0]["x"] == [10]


def test_metadata_that_are_no_object_are_passed_over() -> None:
    for metadata in ("[1]", "3", '"x"'):
        drawn(timeline_figure([span("x", 0, 1, metadata=metadata)], since=BEGIN))
