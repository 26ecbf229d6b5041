"""The series of runs, as a user asks for them."""

import math
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError

COLUMNS = ["run_id", "key", "step", "wallclock", "value"]


@pytest.fixture(autouse=True)
def two_runs(project: Path) -> None:
    for name, start in (("first", 0.0), ("second", 10.0)):
        with rx.start_run(name):
            for step in range(3):
                rx.log_metrics({"loss": start + step, "val/loss": math.nan}, step=step)
            rx.log_metric("note", "a text")


def test_a_run_is_named_as_anywhere_else_or_given_as_what_another_call_returned() -> None:
    runs = rx.search_runs(order_by="name")
    whole = rx.metric_history("first")
    assert list(whole) == COLUMNS
    assert whole["key"].tolist() == ["loss"] * 3 + ["val/loss"] * 3
    assert whole["value"].tolist()[:3] == [0.0, 1.0, 2.0]
    assert whole["value"].isna().tolist() == [False] * 3 + [True] * 3
    run_id = runs["run_id"][0]
    with rx.start_run("third") as active:
        rx.log_metric("loss", 7.0)
        assert rx.metric_history(active)["value"].tolist() == [7.0]
    for given in (run_id, run_id[:12], [run_id], rx.get_run("first"), runs["run_id"][:1]):
        assert rx.metric_history(given).equals(whole)


def test_several_runs_and_metrics_come_in_one_frame_ordered_by_both() -> None:
    frame = rx.metric_history(["second", "first"], "loss")
    assert len(frame) == 6
    assert frame["run_id"].is_monotonic_increasing
    by_name = {rx.get_run(run_id).name: rows["value"].tolist() for run_id, rows in frame.groupby("run_id")}
    assert by_name == {"first": [0.0, 1.0, 2.0], "second": [10.0, 11.0, 12.0]}
    assert set(rx.metric_history(["first"], ["val/loss", "none"])["key"]) == {"val/loss"}


def test_what_no_run_logged_is_an_empty_frame_and_no_run_an_error() -> None:
    for runs, keys in (("first", "none"), ("first", []), ([], None)):
        empty = rx.metric_history(runs, keys)
        assert (list(empty), len(empty)) == (COLUMNS, 0)
    with pytest.raises(RenexError, match=r"not_found.*frist") as caught:
        rx.metric_history(["second", "frist"])
    assert "first" in str(caught.value)
    with pytest.raises(RenexError, match=r"invalid_argument.*0 points"):
        rx.metric_history("first", points=0)


def test_a_long_series_is_thinned_on_demand_and_keeps_its_peak() -> None:
    with rx.start_run("long") as run:
        for step in range(2000):
            rx.log_metric("loss", 100.0 if step == 777 else step % 7)
    assert len(rx.metric_history(run)) == 2000
    thinned = rx.metric_history(run, points=100)
    assert 50 <= len(thinned) <= 100
    assert 777 in set(thinned["step"])
