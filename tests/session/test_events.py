"""Events: logged from training, scripts and outside systems; every one is kept, and none stops a program."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import renex_jupyter as rx
from renex_jupyter.capture.secrets import REDACTED
from renex_jupyter.errors import RenexError
from renex_jupyter.records.events import parsed
from renex_jupyter.session import current


def rows(query: str = "select * from events order by wallclock, logged_at") -> list[dict[str, Any]]:
    return rx.sql(query).to_dict("records")


def test_an_event_of_training_belongs_to_the_open_run(project: Path) -> None:
    with rx.start_run("train") as run:
        logged = rx.log_event("new learning rate", "scheduler", {"lr": 0.01})
    (row,) = rows()
    assert (row["owner_kind"], row["owner_id"], row["run_id"]) == ("run", run.run_id, run.run_id)
    assert (row["event_id"], row["name"], row["source"]) == (logged.event_id, "new learning rate", "scheduler")
    assert json.loads(row["metadata"]) == {"lr": 0.01}
    assert "new learning rate" in str(logged)


def test_an_event_without_a_run_belongs_to_the_experiment_and_opens_no_run(project: Path) -> None:
    rx.set_experiment("digits", namespace="vision")
    rx.log_event("labels arrived")
    (row,) = rows()
    assert row["owner_kind"] == "experiment"
    experiments = rx.sql("select * from experiments").to_dict("records")
    assert [each["name"] for each in experiments if each["experiment_id"] == row["owner_id"]] == ["digits"]
    assert rx.sql("select count(*) as n from runs")["n"][0] == 0
    change = next(iter(rx.watch(0, kinds="events", timeout=0)))
    assert change.namespace == "vision"


def test_an_event_may_be_of_any_object(project: Path) -> None:
    with rx.start_run("train") as run:
        pass
    other = rx.snapshot(label="before")
    for on, kind, its_id in ((run, "run", run.run_id), ("run:train", "run", run.run_id), (other, "snapshot", None)):
        logged = rx.log_event("looked at", on=on)
        assert (logged.owner_kind, logged.owner_id) == (kind, its_id or other.snapshot_id)
    assert rx.log_event("looked at", on="experiment:default").owner_kind == "experiment"
    assert list(rx.list_events("run:train")["name"]) == ["looked at"] * 2
    with pytest.raises(RenexError, match="no run 'nothing'"):
        rx.log_event("looked at", on="run:nothing")


@pytest.mark.parametrize(
    ("given", "microseconds"),
    [
        (1700000000.123456, 1700000000123456),
        (0, 0),
        (-1.5, -1500000),
        (datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC), 1772366400000007),
        (datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))), 1772359200000000),
    ],
)
def test_the_wallclock_of_the_caller_is_kept_to_the_microsecond(project: Path, given: Any, microseconds: int) -> None:
    rx.log_event("deployed", wallclock=given)
    assert rx.sql("select epoch_us(wallclock) as us from events")["us"][0] == microseconds


def test_the_same_event_is_kept_as_often_as_it_is_logged(project: Path) -> None:
    with rx.start_run("train"):
        for _ in range(50):
            rx.log_event("tick", "clock", {"a": 1}, 5.0)
    assert len(rx.list_events(name="tick")) == 50
    assert rx.list_events(name="tick")["event_id"].nunique() == 50


def test_secrets_are_not_kept(project: Path) -> None:
    rx.log_event(
        "deployed to https://ada:hunter2@example.org", metadata={"api_key": "hunter2", "where": {"password": "hunter2"}}
    )
    (row,) = rows()
    assert "hunter2" not in json.dumps(row, default=str)
    journals = b"".join(path.read_bytes() for path in (project / ".renex/journal").iterdir())
    assert b"hunter2" not in journals


def test_a_value_that_json_cannot_say_is_left_out_with_one_warning_and_the_rest_is_kept(project: Path) -> None:
    with pytest.warns(UserWarning, match="'odd' of event 'mixed' is object") as told:
        logged = [rx.log_event("mixed", metadata={"odd": object(), "even": 2}) for _ in range(3)]
    assert len(told) == 1
    assert [json.loads(row["metadata"]) for row in rows()] == [{"even": 2}] * len(logged)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "  "},
        {"name": None},
        {"name": "x" * 501},
        {"name": "a\0b"},
        {"name": "x", "source": 3},
        {"name": "x", "source": ""},
        {"name": "x", "metadata": "text"},
        {"name": "x", "metadata": [1]},
        {"name": "x", "wallclock": "yesterday"},
        {"name": "x", "wallclock": datetime(2026, 1, 1)},  # noqa: DTZ001  nobody knows its zone
        {"name": "x", "wallclock": float("nan")},
        {"name": "x", "wallclock": 1e30},
        {"name": "x", "wallclock": True},
        {"name": "x", "phase": "middle"},
        {"name": "x", "span_id": 3},
    ],
)
def test_what_is_no_event_is_refused(project: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(RenexError) as refused:
        rx.log_event(**wrong)
    assert refused.value.code in ("invalid_argument", "unsupported_value")
    assert refused.value.hint


def test_a_store_that_cannot_be_written_stops_no_program_and_the_event_is_written_later(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rx.start_run("train"):
        store = current.current().store
        descriptor = store.journal.changes.descriptor
        assert descriptor is not None
        full = os.open("/dev/full", os.O_WRONLY)
        kept = os.dup(descriptor)
        os.dup2(full, descriptor)
        with pytest.warns(UserWarning, match="wait in memory"):
            rx.log_event("while it was full")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rx.log_event("again")
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(full)
        rx.log_event("after")
    assert [row["name"] for row in rows()] == ["while it was full", "again", "after"]


def test_a_child_process_logs_events_on_the_run_of_its_parent(project: Path) -> None:
    code = "import renex_jupyter as rx; rx.log_event('from a child', metadata={'n': 1})"
    run = rx.run_task([sys.executable, "-c", code], name="child", echo=str)
    assert run.status == "finished", run.error
    assert list(rx.list_events(run.run_id)["name"]) == ["from a child"]


def test_one_line_of_json_from_any_program_is_an_event_of_its_run(project: Path) -> None:
    lines = [
        {"event": "epoch_start", "source": "trainer", "metadata": {"epoch": 1, "token": "hunter2"}, "wallclock": 12.5},
        {"event": "epoch_end", "source": "trainer", "wallclock": 14.0},
        {"event": "deploy"},
        {"event": "", "source": "x"},
        {"event": "x", "other": 1},
        {"event": "x", "metadata": [1]},
        {"event": "x", "wallclock": "now"},
    ]
    Path("lines").write_text("".join(json.dumps(each) + "\n" for each in lines))
    run = rx.run_task(["sh", "-c", 'cat lines >> "$RENEX_JOURNAL"'], name="outside", echo=str)
    assert run.status == "finished", run.error
    found = rx.list_events(run.run_id)
    assert sorted(found["name"]) == ["deploy", "epoch", "epoch"]
    (span,) = rx.sql("select * from event_spans").to_dict("records")
    assert (span["name"], span["source"], span["duration_s"]) == ("epoch", "trainer", 1.5)
    assert json.loads(span["metadata"]) == {"epoch": 1, "token": REDACTED}


def test_the_list_is_narrowed_by_name_source_and_time(project: Path) -> None:
    long_ago = time.time() - 10 * 86_400
    rx.log_event("a", "x", wallclock=long_ago)
    rx.log_event("a", "y")
    rx.log_event("b", "x")
    assert list(rx.list_events()["name"]) == ["b", "a", "a"]  # the newest first
    assert len(rx.list_events(name="a")) == 2
    assert len(rx.list_events(source="x", since="2d")) == 1
    assert len(rx.list_events(limit=1)) == 1
    for wrong in ({"limit": 0}, {"limit": "many"}, {"name": 3}, {"since": "whenever"}):
        with pytest.raises(RenexError) as refused:
            rx.list_events(**wrong)  # type: ignore[arg-type]
        assert refused.value.code == "invalid_argument"


def test_a_list_of_nothing_has_its_columns(project: Path) -> None:
    rx.snapshot()
    columns = [
        "event_id",
        "owner_kind",
        "owner_id",
        "run_id",
        "name",
        "source",
        "phase",
        "wallclock",
        "metadata",
        "span_id",
    ]
    assert list(rx.list_events()) == columns


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("epoch_start", ("epoch", "start")),
        ("epoch start", ("epoch", "start")),
        ("epoch_begin", ("epoch", "start")),
        ("Epoch-Started", ("Epoch", "start")),
        ("epoch_end", ("epoch", "finish")),
        ("epoch_finish", ("epoch", "finish")),
        ("epoch.finished", ("epoch", "finish")),
        ("load data/done", ("load data", "finish")),
        ("before_checkpoint", ("checkpoint", "start")),
        ("after_checkpoint", ("checkpoint", "finish")),
        ("after writing a checkpoint", ("writing a checkpoint", "finish")),
        ("start", ("start", None)),
        ("weekend", ("weekend", None)),
        ("_end", ("_end", None)),
        ("before", ("before", None)),
        ("finish_line", ("finish_line", None)),
        ("restart", ("restart", None)),
    ],
)
def test_a_name_says_whether_something_began_or_ended(name: str, meant: tuple[str, str | None]) -> None:
    assert parsed(name) == meant
