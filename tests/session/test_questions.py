"""Questions to the runs: found by name and id, searched, asked with SQL; what is no question is refused."""

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from told import refused

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.session.sql import sql_rows


def test_search_takes_sql_over_params_and_metrics(project: Path) -> None:
    rx.set_experiment("sweep", namespace="vision")
    for lr in (0.1, 0.2, 0.3):
        with rx.start_run(f"lr{lr}"):
            rx.log_param("lr", lr)
            rx.log_metric("accuracy", 1 - lr)
    found = rx.search_runs("metrics['accuracy'] > 0.75", order_by="metrics['accuracy'] desc")
    assert list(found["name"]) == ["lr0.1", "lr0.2"]
    assert list(found["params.lr"]) == ["0.1", "0.2"]
    assert set(found["namespace"]) == {"vision"}
    assert list(rx.sql("select name from experiments")["name"]) == ["sweep"]
    with pytest.raises(RenexError):
        rx.search_runs("nonsense(")


def test_a_run_is_found_by_prefix_and_name_and_an_unknown_one_is_named(project: Path) -> None:
    with rx.start_run("train") as run:
        pass
    assert rx.get_run(run.run_id[:8]).run_id == run.run_id
    assert rx.get_run("train").run_id == run.run_id
    with pytest.raises(RenexError, match="trian") as error:
        rx.get_run("trian")
    assert error.value.code == "not_found"
    assert "train" in error.value.hint


@pytest.mark.parametrize("wanted", [None, 5, b"train", ["train"], {"run_id": "train"}, "\ud800"])
def test_what_names_no_run_is_refused(project: Path, wanted: Any) -> None:
    with rx.start_run("train"):
        pass
    with pytest.raises(RenexError) as error:
        rx.get_run(wanted)
    assert refused(error, wanted)


def test_a_run_is_found_by_what_start_run_and_get_run_returned(project: Path) -> None:
    with rx.start_run("train") as run:
        pass
    with rx.start_run(run.run_id) as named_as_the_other:
        pass
    assert rx.get_run(rx.get_run(run)).run_id == run.run_id
    assert rx.get_run(uuid.UUID(named_as_the_other.run_id)).run_id == named_as_the_other.run_id
    with rx.start_run(run_id=run) as again:
        rx.log_metric("loss", 1.0)
    assert again.run_id == run.run_id


@pytest.mark.parametrize(
    ("wrong", "value"),
    [
        ({"limit": 2.5}, 2.5),
        ({"limit": -1}, -1),
        ({"limit": "x"}, "x"),
        ({"limit": None}, None),
        ({"limit": True}, True),
        ({"limit": 2**63}, 2**63),
        ({"where": 5}, 5),
        ({"where": "name = '\ud800'"}, "name = '\ud800'"),
        ({"order_by": ["name"]}, ["name"]),
    ],
)
@pytest.mark.parametrize("recorded", [True, False])
def test_a_search_for_what_is_none_is_refused(
    project: Path, wrong: dict[str, Any], value: object, recorded: bool
) -> None:
    if recorded:
        with rx.start_run("train"):
            pass
    with pytest.raises(RenexError) as error:
        rx.search_runs(**wrong)
    assert refused(error, value)


@pytest.mark.parametrize("query", [None, 5, b"select 1", ["select 1"], "select '\ud800'"])
def test_a_question_that_is_no_text_is_refused(project: Path, query: Any) -> None:
    with rx.start_run("train"):
        pass
    for ask in (rx.sql, sql_rows):
        with pytest.raises(RenexError) as error:
            ask(query)
        assert refused(error, query)


@pytest.mark.parametrize("params", [["\ud800"], {"1": "\ud800"}])
def test_a_value_of_a_question_that_is_no_utf_8_is_refused(project: Path, params: Any) -> None:
    with rx.start_run("train"):
        pass
    with pytest.raises(RenexError) as error:
        rx.sql("select $1", params)
    assert refused(error, "\ud800")


def test_a_limit_may_be_a_number_of_numpy(project: Path) -> None:
    for _ in range(3):
        with rx.start_run("train"):
            pass
    assert len(rx.search_runs(limit=np.int64(2))) == 2  # type: ignore[arg-type]
    assert len(rx.search_runs(limit=0)) == 0


@pytest.mark.parametrize("wrong", [{"params": 5}, {"params": "a"}, {"frames": 5}, {"frames": ["a"]}])
def test_values_and_frames_of_a_question_that_are_none_are_refused(project: Path, wrong: dict[str, Any]) -> None:
    with rx.start_run("train"):
        pass
    with pytest.raises(RenexError) as error:
        rx.sql("select ?", **wrong)
    assert refused(error, next(iter(wrong.values())))


def test_params_of_a_question_may_be_an_array_or_a_series(project: Path) -> None:
    with rx.start_run("train"):
        pass
    for params in (np.array(["a", "b"]), pd.Series(["a", "b"]), ("a", "b")):
        assert rx.sql("select ? as x, ? as y", params).to_numpy().tolist() == [["a", "b"]]
    assert rx.sql("select 1 as x", np.array([]))["x"].tolist() == [1]
