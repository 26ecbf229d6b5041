"""Runs that are searched by what they logged, as a user asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError


@pytest.fixture
def runs(project: Path) -> Path:
    for number, (model, accuracy) in enumerate((("svc", 0.95), ("forest", 0.92), ("forest", 0.97), ("svc", 0.8))):
        rx.set_experiment("digits", namespace="vision" if number < 2 else "default")
        with rx.start_run(f"r{number}"):
            rx.log_params({"model": model, "lr": 10.0**-number, "layers": [1, 2]})
            rx.log_metrics({"accuracy": accuracy, "val/loss": 1 - accuracy})
            if number == 1:
                rx.set_tag("keep", "yes")
    return project


@pytest.mark.usefixtures("runs")
def test_runs_are_searched_by_real_sql_conditions_and_come_as_a_frame_with_what_they_logged() -> None:
    frame = rx.search_runs("metrics.accuracy > 0.9 and (params.model = 'svc' or tags.keep is not null)", "name")
    assert frame["name"].tolist() == ["r0", "r1"]
    assert frame["metrics.accuracy"].tolist() == [0.95, 0.92]
    assert frame["params.model"].tolist() == ["svc", "forest"]
    assert frame["tags.keep"].tolist()[1] == "yes"
    assert rx.search_runs("params.lr < 0.05", "params.lr")["name"].tolist() == ["r3", "r2"]
    assert rx.search_runs('metrics."val/loss" < 0.06', order_by='metrics."val/loss"')["name"].tolist() == ["r2", "r0"]


@pytest.mark.usefixtures("runs")
def test_pages_and_a_namespace() -> None:
    pages = [rx.search_runs(order_by="metrics.accuracy desc", limit=2, offset=at)["name"].tolist() for at in (0, 2, 4)]
    assert pages == [["r2", "r0"], ["r1", "r3"], []]
    assert rx.search_runs(namespace="vision", order_by="name")["name"].tolist() == ["r0", "r1"]
    assert rx.search_runs("true or namespace = 'default'", namespace="vision")["name"].nunique() == 2


@pytest.mark.usefixtures("runs")
def test_no_condition_changes_anything() -> None:
    for text in ("true; drop table runs", "true) or (true", "true; copy runs to 'x.csv'", "name = 'r0' union select *"):
        with pytest.raises(RenexError) as caught:
            rx.search_runs(text)
        assert caught.value.code == "invalid_argument"
    assert not Path("x.csv").exists()
    assert len(rx.search_runs()) == 4


@pytest.mark.usefixtures("project")
def test_a_wrong_argument_is_told_before_there_is_a_store(project: Path) -> None:
    for wrong in ({"offset": -1}, {"namespace": 3}, {"where": 3}, {"order_by": b"name"}, {"limit": -1}):
        with pytest.raises(RenexError) as caught:
            rx.search_runs(**wrong)  # type: ignore[arg-type]
        assert caught.value.code == "invalid_argument"
    assert not (project / ".renex").exists()
