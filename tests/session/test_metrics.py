"""The series of runs, as a user asks for them."""

import math
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError

COLUMNS = ["run_id", "name", "key", "step", "wallclock", "value"]


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
    run_id = str(runs["run_id"][0])
    with rx.start_run("third") as active:
        rx.log_metric("loss", 7.0)
        assert rx.metric_history(active)["value"].tolist() == [7.0]
        assert rx.metric_history()["value"].tolist() == [7.0]
    givens = [run_id, run_id[:12], [run_id], {run_id}, (each for each in [run_id]), uuid.UUID(run_id)]
    frames = [runs[:1], runs["run_id"][:1], runs.iloc[0], runs["run_id"][:1].to_numpy(), runs[:1].itertuples()]
    for given in [*givens, *frames, rx.get_run("first"), [rx.get_run("first"), "first"]]:
        assert rx.metric_history(given).equals(whole), given


def test_several_runs_come_in_one_frame_with_their_names_and_in_their_order() -> None:
    for wanted in (["second", "first"], ["first", "second"]):
        frame = rx.metric_history(wanted, "loss")
        assert list(dict.fromkeys(frame["name"])) == wanted
        values = {name: rows["value"].tolist() for name, rows in frame.groupby("name")}
        assert values == {"first": [0.0, 1.0, 2.0], "second": [10.0, 11.0, 12.0]}
    wide = frame.pivot(index="step", columns="name", values="value")
    assert wide["second"].tolist() == [10.0, 11.0, 12.0]
    assert set(rx.metric_history(["first"], ["val/loss", "none"])["key"]) == {"val/loss"}


def test_what_no_run_logged_is_an_empty_frame_of_the_same_types() -> None:
    full = rx.metric_history("first")
    for runs, keys in (("first", "none"), ("first", []), ([], None)):
        empty = rx.metric_history(runs, keys)
        assert (list(empty), len(empty)) == (COLUMNS, 0)
        assert pd.concat([empty, full]).dtypes.equals(full.dtypes)


def test_a_mistyped_run_comes_with_the_nearest_name() -> None:
    with pytest.raises(RenexError, match="frist") as caught:
        rx.metric_history(["second", "frist"])
    assert caught.value.code == "not_found"
    assert "first" in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"runs": 42},
        {"runs": b"first"},
        {"runs": [None]},
        {"runs": ["first", math.nan]},
        {"runs": {"first": 1}},
        {"runs": "\ud800"},
        {"runs": pd.DataFrame({"name": ["first"]}, index=pd.Index(["a"], name="run_id"))},
        {"runs": "first", "keys": 5},
        {"runs": "first", "keys": ["loss", 5]},
        {"runs": "first", "keys": b"loss"},
        {"runs": "first", "keys": "\ud800"},
        *({"runs": "first", "points": points} for points in (0, 3, True, 4.5, math.nan, "100")),
    ],
    ids=str,
)
def test_what_names_no_run_no_metric_and_no_number_is_told(words: dict[str, Any]) -> None:
    with pytest.raises(RenexError) as caught:
        rx.metric_history(**words)
    assert caught.value.code == "invalid_argument"
    assert caught.value.hint


def test_a_long_series_is_thinned_on_demand_and_keeps_its_peak() -> None:
    with rx.start_run("long") as run:
        for step in range(2000):
            rx.log_metric("loss", 100.0 if step == 777 else step % 7)
    assert len(rx.metric_history(run)) == 2000
    thinned = rx.metric_history(run, points=100)
    assert 50 <= len(thinned) <= 100
    assert 777 in set(thinned["step"])
    assert rx.metric_history(run, points=np.int64(100)).equals(thinned)
    assert rx.metric_history(run, points=10**30).equals(rx.metric_history(run))


def test_a_command_sees_the_run_that_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    script = "import renex_jupyter as rx; print('rows', len(rx.metric_history()))"
    rx.run_task([sys.executable, "-c", script])
    assert "rows 0" in capfd.readouterr().out
