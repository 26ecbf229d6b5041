"""What a metric means: its goal, and the value that says a series."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.session.current import current

COLUMNS = ["run_id", "name", "key", "last", "min", "max", "mean", "points", "goal", "summary"]


@pytest.fixture
def runs(project: Path) -> Path:
    for name, values in (("first", (3.0, 1.0, 2.0)), ("second", (5.0, math.nan, 7.0))):
        with rx.start_run(name):
            for value in values:
                rx.log_metrics({"loss": value, "val/loss": -value})
            rx.log_metric("note", "a text has no summary")
    return project


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 2.0),
        ({"goal": "min"}, 1.0),
        ({"goal": "max"}, 3.0),
        ({"summary": "last"}, 2.0),
        ({"summary": "mean"}, 2.0),
        ({"summary": "max", "goal": "min"}, 3.0),
        ({"summary": "min"}, 1.0),
    ],
)
def test_the_summary_is_the_one_defined_else_the_best_else_the_last(given: dict[str, Any], expected: float) -> None:
    if given:
        rx.define_metric("loss", **given)
    [row] = rx.metric_summaries("first", "loss").to_dict("records")
    assert row["summary"] == expected
    assert (row["last"], row["min"], row["max"], row["mean"], row["points"]) == (2.0, 1.0, 3.0, 2.0, 3)
    assert row["goal"] == given.get("goal") or row["goal"] is None or math.isnan(row["goal"])


@pytest.mark.usefixtures("runs")
def test_summaries_have_a_row_per_run_and_key_in_the_order_given() -> None:
    found = rx.metric_summaries(["second", "first"])
    assert list(found) == COLUMNS
    pairs = [pair for pair in zip(found["name"], found["key"], strict=True) if not pair[1].startswith("system/")]
    assert pairs == [("second", "loss"), ("second", "val/loss"), ("first", "loss"), ("first", "val/loss")]
    [row] = found[(found["name"] == "second") & (found["key"] == "loss")].to_dict("records")
    assert (row["min"], row["max"], row["mean"], row["points"], row["last"]) == (5.0, 7.0, 6.0, 3, 7.0)
    assert rx.metric_summaries(rx.search_runs(), "loss")["name"].tolist() == ["second", "first"]
    empty = rx.metric_summaries("first", "none")
    assert (list(empty), len(empty)) == (COLUMNS, 0)
    assert rx.metric_summaries("first", []).empty


@pytest.mark.usefixtures("project")
def test_summaries_of_the_open_run_see_what_was_just_logged() -> None:
    with rx.start_run("train"):
        rx.log_metric("loss", math.nan)
        [row] = rx.metric_summaries(keys="loss").to_dict("records")
        assert math.isnan(row["last"])
        assert math.isnan(row["min"])
        rx.log_metric("loss", 4.0)
        assert rx.metric_summaries(keys="loss")["last"].tolist() == [4.0]
    with pytest.raises(RenexError, match="no run is open"):
        rx.metric_summaries()


@pytest.mark.usefixtures("project")
def test_what_is_not_given_stays_as_it_was_and_each_change_is_an_event() -> None:
    first = rx.define_metric("val/loss", goal="min", unit="nats")
    again = rx.define_metric("val/loss", summary="mean", description="of the last batch")
    assert (first.goal, first.unit, first.summary) == ("min", "nats", None)
    assert (again.goal, again.unit, again.summary, again.description) == ("min", "nats", "mean", "of the last batch")
    assert rx.define_metric("val/loss") == again
    assert "goal" in str(again)
    assert rx.sql("select * from metric_definitions").to_dict("records") == [
        {"key": "val/loss", "goal": "min", "summary": "mean", "unit": "nats", "description": "of the last batch"}
    ]
    query = "select action from change_events where object_kind = 'metric_definitions' order by seq"
    assert rx.sql(query)["action"].tolist() == ["create", "update"]
    current().store.fold()
    assert rx.define_metric("val/loss", goal="max").unit == "nats"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "wrong",
    [
        {"goal": "least"}, {"goal": 1}, {"goal": ["min"]}, {"summary": "best"}, {"unit": 3}, {"description": b"x"},
        {"unit": "\ud800"}, {"key": ""}, {"key": None}, {"key": "x" * 501},
    ],
)  # fmt: skip
def test_a_definition_that_is_none_is_refused(wrong: dict[str, Any], project: Path) -> None:
    with pytest.raises(RenexError) as caught:
        rx.define_metric(**{"key": "loss", **wrong})
    assert caught.value.code == "invalid_argument"
    assert not (project / ".renex").exists()


@pytest.mark.usefixtures("project")
def test_secrets_in_a_description_are_not_kept() -> None:
    found = rx.define_metric("loss", description="from postgres://ada:tulip@db/x")
    assert "tulip" not in str(found.description)
    assert "tulip" not in rx.sql("select description from metric_definitions")["description"][0]
