"""Spans: a start and the finish that follows it; where the time of a run goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError


def spans() -> list[tuple[str, float | None]]:
    found = rx.sql("select name, duration_s from event_spans order by started_at, name, duration_s").to_dict("records")
    return [(each["name"], None if each["duration_s"] != each["duration_s"] else each["duration_s"]) for each in found]


def log(*events: tuple[str, float], **more: Any) -> None:
    for name, at in events:
        rx.log_event(name, wallclock=at, **more)


def test_events_at_the_start_of_an_epoch_and_before_and_after_a_checkpoint_say_which_takes_too_much_time(
    project: Path,
) -> None:
    with rx.start_run("train") as run:
        for epoch in range(3):
            at = 100.0 * epoch
            log(
                ("epoch_start", at),
                ("before_checkpoint", at + 10),
                ("after_checkpoint", at + 90),
                ("epoch_end", at + 95),
            )
    found = rx.where_time_goes(run).set_index("name")
    assert list(found.index) == ["epoch", "checkpoint"]
    assert list(found["spans"]) == [3, 3]
    assert list(found["total_s"]) == [285.0, 240.0]
    assert list(found["mean_s"]) == [95.0, 80.0]


def test_a_block_is_a_span_with_its_metadata(project: Path) -> None:
    with rx.start_run("train"), rx.event("checkpoint", "trainer", {"step": 3}) as start:
        rx.log_event("halfway")
    (row,) = rx.sql("select * from event_spans").to_dict("records")
    assert (row["name"], row["source"], row["span_id"]) == ("checkpoint", "trainer", start.span_id)
    assert row["duration_s"] >= 0
    assert json.loads(row["metadata"]) == {"step": 3}


def test_a_block_that_fails_says_so_and_its_error_goes_on(project: Path) -> None:
    with rx.start_run("train") as run:
        with pytest.raises(ValueError, match="no space"), rx.event("checkpoint", metadata={"step": 3}):
            raise ValueError("no space")
        with pytest.raises(KeyboardInterrupt), rx.event("save"):
            raise KeyboardInterrupt
    told = [json.loads(each) for each in rx.sql("select metadata from event_spans order by started_at")["metadata"]]
    assert told == [{"step": 3, "error": "ValueError: no space"}, {"error": "KeyboardInterrupt"}]
    assert list(rx.where_time_goes(run)["open"]) == [0, 0]


def test_start_and_finish_are_changes_in_the_namespace_of_what_they_happened_to(project: Path) -> None:
    model = rx.create_model("vision/digits")
    with rx.event("check", on=model):
        pass
    told = [each.after["phase"] for each in rx.watch(0, "vision", kinds="events", timeout=0) if each.after]
    assert told == ["start", "finish"]


def test_a_function_is_a_span_each_time_that_it_is_called(project: Path) -> None:
    @rx.event("validation")
    def validate(x: int) -> int:
        return x + 1

    with rx.start_run("train"):
        assert [validate(1), validate(2)] == [2, 3]
    assert [name for name, _ in spans()] == ["validation"] * 2


def test_blocks_of_one_name_may_overlap(project: Path) -> None:
    with rx.start_run("train"):
        first, second = rx.event("load"), rx.event("load")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
    assert [took is not None for _, took in spans()] == [True, True]


def test_overlapping_spans_are_told_apart_by_their_span_id(project: Path) -> None:
    with rx.start_run("train"):
        log(("load_start", 0.0), span_id="a")
        log(("load_start", 1.0), span_id="b")
        log(("load_end", 5.0), span_id="b")
        log(("load_end", 10.0), span_id="a")
    assert spans() == [("load", 10.0), ("load", 4.0)]


def test_spans_of_two_sources_do_not_mix(project: Path) -> None:
    with rx.start_run("train"):
        log(("load_start", 0.0), source="rank 0")
        log(("load_start", 1.0), source="rank 1")
        log(("load_end", 2.0), source="rank 0")
        log(("load_end", 7.0), source="rank 1")
        log(("load_start", 8.0))
        log(("load_end", 9.0))
    assert spans() == [("load", 2.0), ("load", 6.0), ("load", 1.0)]


def test_a_finish_and_the_next_start_at_the_same_time_are_paired_in_the_order_in_which_they_were_logged(
    project: Path,
) -> None:
    with rx.start_run("train"):
        for turn in range(20):  # ids are random, and must not decide
            log(("epoch_start", float(turn)), ("epoch_end", turn + 1.0))
        log(("moment_start", 3.0), ("moment_end", 3.0))
    assert [took for name, took in spans() if name == "epoch"] == [1.0] * 20
    assert [took for name, took in spans() if name == "moment"] == [0.0]


def test_of_three_starts_in_a_row_the_last_is_paired_and_the_others_are_open(project: Path) -> None:
    with rx.start_run("train") as run:
        log(("epoch_start", 0.0), ("epoch_start", 1.0), ("epoch_start", 2.0), ("epoch_end", 5.0))
    assert spans() == [("epoch", None), ("epoch", None), ("epoch", 3.0)]
    (row,) = rx.where_time_goes(run).to_dict("records")
    assert (row["spans"], row["open"], row["total_s"]) == (1, 2, 3.0)


def test_a_finish_without_a_start_is_an_event_and_no_span(project: Path) -> None:
    with rx.start_run("train") as run:
        log(("epoch_end", 5.0), ("epoch_end", 6.0))
    assert spans() == []
    assert len(rx.list_events(run)) == 2
    assert len(rx.where_time_goes(run)) == 0


def test_a_start_of_a_killed_process_is_shown_as_open(project: Path) -> None:
    code = """
import sys, time, renex_jupyter as rx
rx.start_run("killed")
with rx.event("epoch"):
    pass
with rx.event("epoch"):
    print("in it", flush=True)
    time.sleep(600)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert any("in it" in line for line in child.stdout)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    (row,) = rx.where_time_goes("run:killed").to_dict("records")
    assert (row["name"], row["spans"], row["open"]) == ("epoch", 1, 1)
    figure = rx.timeline("run:killed")
    assert sum("not ended" in text for text in figure.data[0].hovertext) == 1


def test_nothing_given_means_the_open_run_and_else_the_newest_that_has_spans(project: Path) -> None:
    with rx.start_run("first"), rx.event("one"):
        pass
    with rx.start_run("second"):
        pass
    assert list(rx.where_time_goes()["name"]) == ["one"]
    with rx.start_run("third"), rx.event("two"):
        assert list(rx.where_time_goes()["name"]) == ["two"]


def test_a_share_is_of_the_duration_of_the_run(project: Path) -> None:
    with rx.start_run("train") as run:
        log(("epoch_start", 0.0), ("epoch_end", 50.0))
        assert rx.where_time_goes()["share"][0] > 0  # it still runs
    took = rx.get_run(run).duration_s
    assert took is not None
    assert rx.where_time_goes(run)["share"][0] == pytest.approx(50.0 / took)


def test_time_of_what_is_no_run_has_no_share(project: Path) -> None:
    log(("ingest_start", 0.0), ("ingest_end", 5.0))
    (row,) = rx.where_time_goes("experiment:default").to_dict("records")
    assert row["total_s"] == 5.0
    assert row["share"] != row["share"]


def test_a_project_without_runs_says_so(project: Path) -> None:
    rx.log_event("x")
    for ask in (rx.where_time_goes, rx.timeline):
        with pytest.raises(RenexError, match="no run yet"):
            ask()


def test_the_timeline_of_a_run_has_a_row_per_name(project: Path) -> None:
    with rx.start_run("train <b>1</b>") as run, rx.event("epoch"):
        with rx.event("data"):
            pass
        rx.log_event("halfway")
    figure = rx.timeline(run)
    assert list(figure.layout.yaxis.categoryarray) == ["epoch", "data", "halfway"]
    assert "<b>" not in figure.to_json().replace("\\u003c", "<")
    assert os.environ.get("RENEX_RUN_ID") is None
