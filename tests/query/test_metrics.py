"""Series of metrics, thinned."""

import math
import random

import pandas as pd
import pytest
from recorded import Project

from renex_jupyter.query import metrics
from renex_jupyter.query.metrics import many_series, metric_series

POINTS = 40


def kept_by_definition(values: list[float]) -> set[int]:
    """The steps that M4 keeps, of each bucket the first, the last, the first minimum and maximum; and the outer NaN."""
    kept: set[int] = set()
    if len(values) <= POINTS:
        return set(range(len(values)))
    for bucket in range(POINTS // 4):
        steps = [step for step in range(len(values)) if step * (POINTS // 4) // len(values) == bucket]
        known = [step for step in steps if not math.isnan(values[step])]
        gaps = [step for step in steps if math.isnan(values[step])]
        kept |= {*gaps[:1], *gaps[-1:]}
        kept |= {steps[0], steps[-1]}
        kept |= {min(known, key=values.__getitem__), max(known, key=values.__getitem__)} if known else set()
    return kept


def test_a_thinned_series_keeps_its_ends_its_peaks_and_every_gap(project: Project) -> None:
    run, other = project.run("long"), project.run("short")
    values = [float(step % 7) for step in range(5000)]
    values[1234], values[2345], values[1235] = 100.0, -100.0, math.nan
    project.log(run, "loss", *values)
    project.log(other, "loss", 1.0, 2.0)
    one = metric_series(project.store.reader, run, "loss", points=100)
    assert list(one) == ["step", "wallclock", "value"]
    assert 50 <= len(one) <= 101
    assert {0, 1234, 1235, 2345, 4999} <= set(one["step"])
    assert list(one["step"]) == sorted(one["step"])
    many = many_series(project.store.reader, [run, other], ["loss", "none"], points=100)
    assert len(many) == len(one) + 2
    assert list(many[many["run_id"] == run]["step"]) == list(one["step"])


@pytest.mark.parametrize("at_once", [metrics.AT_ONCE, 1], ids=["one query", "a query per run"])
def test_every_series_is_thinned_as_m4_is_defined(
    project: Project, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(metrics, "AT_ONCE", at_once)
    chance = random.Random(3)
    wanted: dict[tuple[str, str], list[float]] = {}
    for length in (1, POINTS, POINTS + 1, 333, 1000):
        run = project.run(f"{length} steps")
        for key in ("loss", "accuracy"):
            # Few different values, so that extremes repeat; NaN in a row, so that whole buckets have nothing else.
            values = [chance.choice([0.0, 1.0, 2.0, math.inf, -math.inf]) for _ in range(length)]
            values[length // 2 : length // 2 + 150] = [math.nan] * len(values[length // 2 : length // 2 + 150])
            project.log(run, key, *values)
            wanted[run, key] = values
    frame = many_series(project.store.reader, [run for run, _ in wanted], ["loss", "accuracy"], points=POINTS)
    assert list(frame) == ["run_id", "key", "step", "wallclock", "value"]
    for (run, key), values in wanted.items():
        found = frame[(frame["run_id"] == run) & (frame["key"] == key)]
        assert set(found["step"]) == kept_by_definition(values)
        assert found["value"].tolist() == pytest.approx([values[step] for step in found["step"]], nan_ok=True)
    order = list(dict.fromkeys(run for run, _ in wanted))
    places = list(zip(map(order.index, frame["run_id"]), frame["key"], frame["step"], strict=True))
    assert places == sorted(places)


def test_no_series_is_an_empty_frame_with_its_columns(project: Project) -> None:
    run = project.run("r")
    project.log(run, "note", 1.0)
    for runs, keys in (([], ["note"]), ([run], []), (["none"], ["note"])):
        frame = many_series(project.store.reader, runs, keys)
        assert (list(frame), len(frame)) == (["run_id", "key", "step", "wallclock", "value"], 0)
        assert frame["run_id"].dtype == frame["key"].dtype == pd.Series(["a text"]).dtype


def test_a_training_that_diverged_is_thinned_like_any_other(project: Project) -> None:
    run = project.run("diverged")
    project.log(run, "loss", *([1.0] * 100), *([math.nan] * 9_900))
    frame = many_series(project.store.reader, [run], ["loss"], points=400)
    assert len(frame) <= 600
    assert set(frame["step"]) >= {0, 99, 100, 9_999}


def test_a_key_may_hold_any_character(project: Project) -> None:
    keys = ["a\0b", "a", "it's", 'a "quote"', "\U0001f600", "ß/\n"]
    run = project.run("odd")
    for number, key in enumerate(keys):
        project.log(run, key, float(number), number + 0.5)
    for _ in range(2):
        frame = many_series(project.store.reader, [run], keys)
        assert {key: rows["value"].tolist() for key, rows in frame.groupby("key")} == {
            key: [float(number), number + 0.5] for number, key in enumerate(keys)
        }
        assert len(many_series(project.store.reader, [run], ["a\0b"])) == 2
        project.store.fold()


def test_without_keys_and_points_every_number_of_every_metric_comes(project: Project) -> None:
    run, other = project.run("long"), project.run("short")
    project.log(run, "loss", *map(float, range(5000)))
    project.log(run, "accuracy", 0.5)
    project.log(other, "loss", -0.0, math.nan)
    frame = many_series(project.store.reader, [other, run], points=None)
    found = {series: rows["value"].tolist() for series, rows in frame.groupby(["run_id", "key"])}
    assert found.keys() == {(run, "loss"), (run, "accuracy"), (other, "loss")}
    assert found[run, "loss"] == list(map(float, range(5000)))
    assert found[run, "accuracy"] == [0.5]
    first, second = found[other, "loss"]
    assert math.copysign(1, first) == -1
    assert math.isnan(second)
    assert frame["run_id"].dtype == frame["key"].dtype == pd.Series(["a text"]).dtype
