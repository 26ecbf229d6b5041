"""Metrics of checkpoints, models, versions, experiments, runs that have ended, and of what these reach on a dataset."""

from __future__ import annotations

import math
import subprocess
import sys
from array import array
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from told import heard

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import now
from renex_jupyter.records.metrics import Point
from renex_jupyter.session import owners as session_owners
from renex_jupyter.session.current import current, reset

KINDS = ["run", "checkpoint", "model", "model_version", "experiment", "artifact", "namespace"]


@pytest.fixture
def owners(project: Path) -> dict[str, Any]:
    """One object of each kind, as the functions return them."""
    (project / "m.bin").write_bytes(b"weights")
    with rx.start_run("train") as run:
        checkpoint = rx.log_checkpoint(project / "m.bin", 3, {"loss": 0.5})
    version = rx.register_model("digits", checkpoint=checkpoint)
    artifact = rx.log_artifact(project / "m.bin", on=run)
    return {
        "run": run,
        "checkpoint": checkpoint,
        "model": rx.get_model("digits"),
        "model_version": version,
        "experiment": rx.get_experiment("default"),
        "artifact": artifact,
        "namespace": "namespace:default",
    }


def rows(**where: Any) -> list[dict[str, Any]]:
    named = " and ".join(f"{key} = ${key}" for key in where) or "true"
    found = current().store.reader.rows(f"select * from metrics where {named} order by step, wallclock", where)
    return [{key: row[key] for key in ("owner_kind", "run_id", "key", "step", "value")} for row in found]


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_are_logged_on_runs_checkpoints_models_model_versions_and_experiments(
    owners: dict[str, Any], kind: str
) -> None:
    for step, value in enumerate((3.0, 1.0, 2.0)):
        rx.log_metric("score", value, step=step, on=owners[kind])
    found = rows(key="score")
    assert [(row["owner_kind"], row["step"], row["value"]) for row in found] == [
        (kind, 0, 3.0),
        (kind, 1, 1.0),
        (kind, 2, 2.0),
    ]
    assert {row["run_id"] for row in found} == ({owners["run"].run_id} if kind == "run" else {None})
    history = rx.metric_history(on=owners[kind], keys="score")
    assert history["value"].tolist() == [3.0, 1.0, 2.0]
    assert set(history["owner_kind"]) == {kind}
    assert set(history["dataset"].isna()) == {True}
    [summary] = rx.metric_summaries(on=owners[kind], keys="score").to_dict("records")
    assert [summary[name] for name in ("last", "min", "max", "mean", "points")] == [2.0, 1.0, 3.0, 2.0, 3]


@pytest.mark.parametrize("kind", KINDS)
def test_what_something_reaches_on_a_dataset_is_an_evaluation_that_it_owns(owners: dict[str, Any], kind: str) -> None:
    for _ in range(2):
        rx.log_metric("accuracy", 0.9, on=owners[kind], dataset="test")
    rx.log_metrics({"accuracy": 0.8, "f1": 0.7}, on=owners[kind], dataset="it's /other@x:1")
    found = current().store.reader.rows("select * from evaluations where owner_kind = ?", [kind])
    assert sorted(row["dataset"] for row in found) == ["it's /other@x:1", "test"]
    test = rx.metric_history(on=owners[kind], dataset="test")
    assert test["value"].tolist() == [0.9, 0.9]
    assert test["step"].tolist() == [0, 1]
    assert set(test["dataset"]) == {"test"}
    everything = rx.metric_history(on=owners[kind], keys=["accuracy", "f1"])
    assert set(everything["dataset"].dropna()) == {"test", "it's /other@x:1"}
    assert rx.metric_summaries(on=owners[kind], dataset="test")["last"].tolist() == [0.9]
    assert [each.value for each in rx.metric_values("f1", owners[kind], dataset="it's /other@x:1")] == [0.7]


def test_a_version_is_named_by_a_word_and_its_metrics_are_those_of_the_model_lists(owners: dict[str, Any]) -> None:
    rx.log_metric("accuracy", 0.9, on="digits:1", dataset="test")
    rx.log_metric("latency_ms", 12, on=owners["model_version"])
    found = rx.sql("select dataset, key, value from model_metrics where key in ('accuracy', 'latency_ms') order by key")
    assert found["value"].tolist() == [0.9, 12.0]
    assert found["dataset"][0] == "test"
    rx.set_alias("digits", "champion", 1)
    rx.log_metric("accuracy", 0.95, on="digits@champion", dataset="test")
    assert rx.metric_history(on="digits:1", dataset="test")["value"].tolist() == [0.9, 0.95]


def test_without_on_a_dataset_is_what_the_open_run_was_evaluated_on(project: Path) -> None:
    with rx.start_run("train") as run:
        rx.log_metric("accuracy", 0.5)
        rx.log_metric("accuracy", 0.9, dataset="test")
        rx.log_metrics({"accuracy": 0.8}, dataset="test", step=5)
        assert rx.metric_history(dataset="test")["value"].tolist() == [0.9, 0.8]
        assert rx.metric_summaries(dataset="test")["points"].tolist() == [2]
    assert rx.metric_history(run)["value"].tolist() == [0.5]
    assert rx.get_run(run).metrics == {"accuracy": 0.5}
    assert rx.metric_history(on=run, dataset="test")["value"].tolist() == [0.9, 0.8]


def test_a_run_that_has_ended_and_the_open_one_can_be_meant_by_on(project: Path) -> None:
    with rx.start_run("first") as first:
        rx.log_metric("loss", 3.0)
    with rx.start_run("second") as second:
        rx.log_metric("loss", 2.0, on=first)
        rx.log_metric("loss", 1.0)
        rx.log_metric("loss", 0.5, on=second)
        rx.log_metric("loss", 0.25)
    history = rx.metric_history([first, second])
    assert history["value"].tolist() == [3.0, 2.0, 1.0, 0.5, 0.25]
    assert history["step"].tolist() == [0, 1, 0, 1, 2]


def test_duplicate_negative_and_out_of_order_steps_are_all_kept(owners: dict[str, Any]) -> None:
    steps = [5, -3, 5, 0, -(2**63), 2**63 - 1, 5]
    for step in steps:
        rx.log_metric("loss", 1.0, step=step, on=owners["model_version"])
    assert rx.metric_history(on=owners["model_version"], keys="loss")["step"].tolist() == sorted(steps)
    rx.log_metric("loss", 1.0, on=owners["model_version"])  # there is no higher one
    assert rx.metric_history(on=owners["model_version"], keys="loss")["step"].tolist()[-2:] == [2**63 - 1] * 2


def test_a_step_that_is_not_given_is_one_more_than_the_highest_that_any_process_recorded(
    owners: dict[str, Any], project: Path
) -> None:
    rx.log_metric("loss", 1.0, step=7, on="digits:1")
    program = "import renex_jupyter as rx; rx.log_metric('loss', 2.0, on='digits:1'); rx.log_metric('text', 'a', on='digits:1')"
    subprocess.run([sys.executable, "-c", program], cwd=project, check=True, timeout=120)
    rx.log_metrics({"loss": 3.0, "text": "b", "new": 1}, on="digits:1")
    assert rx.metric_history(on="digits:1", keys="loss")["step"].tolist() == [7, 8, 9]
    assert [(each.step, each.value) for each in rx.metric_values("text", "digits:1")] == [(0, "a"), (1, "b")]
    assert [each.step for each in rx.metric_values("new", "digits:1")] == [0]


def test_two_processes_that_log_on_one_version_lose_nothing(owners: dict[str, Any], project: Path) -> None:
    program = """
import sys, renex_jupyter as rx
print("ready", flush=True)
sys.stdin.readline()
for number in range(150):
    rx.log_metric("loss", float(number), step=number, on="digits:1")
    rx.log_metric("accuracy", float(number), on="digits:1", dataset=f"d{number % 3}")
"""
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen([sys.executable, "-c", program], cwd=project, stdin=pipe, stdout=pipe, text=True)
        for _ in range(2)
    ]
    for each in processes:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        each.communicate("go\n", timeout=300)
        assert each.returncode == 0
    loss = rx.metric_history(on="digits:1", keys="loss")
    assert sorted(loss["value"]) == sorted([*map(float, range(150))] * 2)
    accuracy = rx.metric_history(on="digits:1", keys="accuracy")
    assert sorted(accuracy["value"]) == sorted([*map(float, range(150))] * 2)
    assert accuracy["dataset"].nunique() == 3
    of_version = "select count(*) as n from evaluations where owner_kind = 'model_version'"
    assert rx.sql(of_version)["n"][0] == 3


def test_what_a_process_logged_on_a_version_survives_its_kill(owners: dict[str, Any], project: Path) -> None:
    program = """
import os, signal, renex_jupyter as rx
for number in range(20):
    rx.log_metric("loss", float(number), on="digits:1", dataset="test")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], cwd=project, check=False, timeout=120)
    assert rx.metric_history(on="digits:1", dataset="test")["value"].tolist() == [*map(float, range(20))]


def test_thinned_reads_keep_extremes_and_nan_for_other_owners_too(owners: dict[str, Any]) -> None:
    values = np.sin(np.arange(3000) / 50)
    values[1234], values[777], values[2000], values[10] = 99.0, -99.0, math.nan, math.inf
    version_id = owners["model_version"].model_version_id
    current().store.write_points(
        Point("model_version", version_id, "wave", step, now(), float(value)) for step, value in enumerate(values)
    )
    thin = rx.metric_history(on="digits:1", keys="wave", points=100)
    assert 4 <= len(thin) <= 130
    kept = dict(zip(thin["step"], thin["value"], strict=True))
    assert (kept[1234], kept[777], kept[10]) == (99.0, -99.0, math.inf)
    assert math.isnan(kept[2000])
    assert {0, 2999} <= set(kept)
    assert len(rx.metric_history(on="digits:1", keys="wave")) == 3000


VALUES: list[Any] = [
    0.1, -0.0, math.inf, math.nan, 5e-324, True, 7, 2**53 + 1, 10**400, Decimal("0.1"), Fraction(1, 3), 1 + 2j,
    "it's \"fine\" ü\x00", "", b"\x00\xff", b"",
    np.float32(0.1), np.longdouble(1) / 3,
    np.arange(6, dtype=">f4").reshape(2, 3), np.array([[1, 2], [3, 4]], np.int16).T, np.array([True, False]),
    np.zeros((0, 3)), np.array([1 + 2j], np.complex64), np.array([0.1, math.nan], np.float16),
    np.array([2**64 - 1], np.uint64), [1, 2], (1.5, 2), [[True], [False]], array("f", [1, 2]),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["run", "model_version"])
def test_every_value_comes_back_as_it_was_logged(owners: dict[str, Any], kind: str) -> None:
    for number, value in enumerate(VALUES):
        rx.log_metric(f"value {number}", value, step=4, wallclock=1.5, on=owners[kind])
    for number, value in enumerate(VALUES):
        [found] = rx.metric_values(f"value {number}", owners[kind])
        assert (found.step, found.wallclock) == (4, datetime.fromtimestamp(1.5, UTC))
        check(found.value, value)


def check(found: Any, value: Any) -> None:
    if isinstance(value, (np.ndarray, list, tuple, array)):
        expected = np.asarray(value)
        assert isinstance(found, np.ndarray)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype.newbyteorder("="))
        np.testing.assert_array_equal(found, expected)
        found[...] = 0  # it is one's own
    elif isinstance(value, float) or (isinstance(value, int) and abs(value) <= 2**53):
        assert type(found) is float
        assert repr(found) == repr(float(value))
    else:
        assert found == value
        assert isinstance(found, (float, int, Decimal, Fraction, complex, str, bytes, np.longdouble))


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float32", "int64"])
def test_a_tensor_of_torch_keeps_its_shape_and_dtype(project: Path, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    with rx.start_run("train"):
        rx.log_metric("weights", tensor)
        [found] = rx.metric_values("weights")
    assert tuple(found.value.shape) == (2, 3)
    assert str(found.value.dtype).removeprefix("torch.") == dtype
    back = found.value.float() if hasattr(found.value, "detach") else found.value.astype("float32")
    np.testing.assert_array_equal(np.asarray(back), tensor.float().numpy())


def test_numbers_that_numpy_alone_does_not_know_come_back_or_say_what_is_missing(project: Path) -> None:
    from importlib.util import find_spec

    from renex_jupyter.records.decoding import decoded

    row = {"value": None, "text_value": None, "bytes_value": b"\x80\x3f\x00\x40", "dtype": "bfloat16", "shape": "[2]"}
    if find_spec("ml_dtypes") is None and find_spec("torch") is None:
        with pytest.raises(RenexError, match="bfloat16") as caught:
            decoded(row)
        assert "ml_dtypes" in caught.value.hint
    else:
        assert [float(each) for each in decoded(row)] == [1.0, 2.0]
        assert "bfloat16" in str(decoded(row).dtype)


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"on": "digits:99"}, "not_found"),
    ({"on": "nothing"}, "not_found"),
    ({"on": "experiment:none"}, "not_found"),
    ({"on": "run:none"}, "not_found"),
    ({"on": 42}, "invalid_argument"),
    ({"on": ""}, "invalid_argument"),
    ({"on": object()}, "invalid_argument"),
    ({"on": "digits:1", "dataset": ""}, "invalid_argument"),
    ({"on": "digits:1", "dataset": 3}, "invalid_argument"),
    ({"on": "digits:1", "dataset": "x" * 501}, "invalid_argument"),
    ({"on": "digits:1", "step": 1.5}, "invalid_argument"),
    ({"on": "digits:1", "step": 2**63}, "invalid_argument"),
    ({"on": "digits:1", "wallclock": "now"}, "invalid_argument"),
]


def test_a_mistake_of_the_caller_is_an_error_and_records_nothing(owners: dict[str, Any]) -> None:
    for words, code in MISTAKES:
        with pytest.raises(RenexError) as caught:
            rx.log_metric("wrong", 1, **words)
        assert caught.value.code == code, words
        assert caught.value.hint
        with pytest.raises(RenexError, match=code):
            rx.log_metrics({"wrong": 1}, **words)
    assert rows(key="wrong") == []
    assert rx.sql("select count(*) as n from evaluations")["n"][0] == 0
    assert rx.active_run() is None


def test_an_evaluation_is_not_evaluated_and_a_wrong_key_is_refused_before_anything_is_read(
    owners: dict[str, Any],
) -> None:
    rx.log_metric("accuracy", 1, on="digits:1", dataset="test")
    evaluation = current().store.reader.rows("select evaluation_id from evaluations")[0]["evaluation_id"]
    rx.log_metric("accuracy", 2, on=f"evaluation:{evaluation}")
    assert rx.metric_history(on="digits:1", dataset="test")["value"].tolist() == [1, 2]
    with pytest.raises(RenexError, match="already"):
        rx.log_metric("accuracy", 1, on=f"evaluation:{evaluation}", dataset="other")
    for key in ("", 3, "x" * 501):
        with pytest.raises(RenexError, match="invalid_argument"):
            rx.log_metric(key, 1, on="nothing")  # type: ignore[arg-type]


def test_a_value_that_cannot_be_kept_is_told_once_and_costs_the_others_nothing(owners: dict[str, Any]) -> None:
    with heard() as said:
        for _ in range(3):
            rx.log_metrics({"good": 1.0, "bad": object()}, on="digits:1")
    assert len(said) == 1
    assert "metric 'bad'" in said[0]
    assert "digits:1" in said[0]
    assert rx.metric_history(on="digits:1", keys="good")["value"].tolist() == [1.0] * 3


def test_an_object_is_looked_up_once_until_any_object_changes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = rx.create_model("digits")
    asked: list[object] = []
    look = session_owners.find_owner
    monkeypatch.setattr(session_owners, "find_owner", lambda *given: asked.append(given[1]) or look(*given))
    for step in range(20):
        rx.log_metric("acc", 0.5, step=step, on=model)
        rx.log_metric("acc", 0.5, step=20 + step, on="model:digits")
    first = len(asked)
    assert first <= 4  # each again where the first call wrote the session
    code = "import renex_jupyter as rx; rx.update_model('digits', name='numbers'); rx.create_model('digits')"
    subprocess.run([sys.executable, "-c", code], check=True)
    rx.log_metric("acc", 0.1, step=0, on=model)
    rx.log_metric("acc", 0.2, step=0, on="model:digits")
    assert len(asked) == first + 2
    points = {name: len(rx.metric_history(on=f"model:{name}")) for name in ("numbers", "digits")}
    assert points == {"numbers": 41, "digits": 1}
    subprocess.run([sys.executable, "-c", "import renex_jupyter as rx; rx.delete_model('numbers')"], check=True)
    with pytest.raises(RenexError, match="not_found"):
        rx.log_metric("acc", 0.1, step=0, on=model)


def test_points_that_the_store_does_not_take_wait_and_are_written_later(
    owners: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal's own write is refused, as by a disk that is full; everything else is real."""
    import errno
    import os

    from renex_jupyter.store import journal

    real: Callable[[int, bytes], int] = os.write

    def full(descriptor: int, data: bytes) -> int:
        if data.startswith(b'{"'):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    with heard() as said:
        monkeypatch.setattr(journal.os, "write", full)
        rx.log_metric("accuracy", 0.1, step=0, on="digits:1", dataset="test")
        rx.log_metric("accuracy", 0.2, step=1, on="digits:1", dataset="test")
        monkeypatch.setattr(journal.os, "write", real)
        assert rx.metric_history(on="digits:1", dataset="test").empty
        for points in current().points_of_others.values():
            points.write_what_waits()
        rx.log_metric("accuracy", 0.3, step=2, on="digits:1", dataset="test")
    assert any("wait" in each for each in said), said
    assert rx.metric_history(on="digits:1", dataset="test")["value"].tolist() == [0.1, 0.2, 0.3]
    assert rx.sql("select dataset from evaluations")["dataset"].tolist() == ["test"]


def test_without_a_store_on_finds_nothing_and_creates_nothing(project: Path) -> None:
    with pytest.raises(RenexError) as caught:
        rx.log_metric("loss", 1, on="digits:1")
    assert caught.value.code == "not_found"
    assert not (project / ".renex").exists()
    with pytest.raises(RenexError, match=r"no run is open|not_found"):
        rx.metric_values("loss")


def test_questions_about_several_objects_and_wrong_ones(owners: dict[str, Any]) -> None:
    rx.log_metric("score", 1, on="digits:1")
    rx.log_metric("score", 2, on=owners["model"])
    both = rx.metric_history(on=[owners["model"], "digits:1"], keys="score")
    assert both["value"].tolist() == [2.0, 1.0]
    assert both["owner_kind"].tolist() == ["model", "model_version"]
    assert list(both) == ["owner_kind", "owner_id", "name", "dataset", "key", "step", "wallclock", "value"]
    empty = rx.metric_history(on="digits:1", keys="none")
    assert (list(empty), len(empty)) == (list(both), 0)
    none = rx.metric_summaries(on="digits:1", keys="none")
    assert len(none) == 0
    assert list(none)[:5] == ["owner_kind", "owner_id", "name", "dataset", "key"]
    for wrong in ({"runs": "train", "on": "digits:1"}, {"on": "digits:1", "points": 2}, {"on": "digits:1", "keys": 3}):
        with pytest.raises(RenexError, match="invalid_argument"):
            rx.metric_history(**wrong)  # type: ignore[arg-type]
    with pytest.raises(RenexError, match="not_found"):
        rx.metric_values("score", "digits:7")


def test_a_new_session_goes_on_where_the_last_one_ended(owners: dict[str, Any]) -> None:
    rx.log_metric("loss", 1.0, on="digits:1")
    reset()
    rx.log_metric("loss", 2.0, on="digits:1")
    assert rx.metric_history(on="digits:1", keys="loss")["step"].tolist() == [0, 1]


def test_what_is_logged_is_in_the_published_history_too(owners: dict[str, Any]) -> None:
    rx.log_metric("accuracy", 0.9, on="digits:1", dataset="test")
    current().store.fold()
    assert rx.metric_history(on="digits:1", dataset="test")["value"].tolist() == [0.9]
    rx.log_metric("accuracy", 0.8, on="digits:1", dataset="test")
    assert rx.metric_history(on="digits:1", dataset="test")["step"].tolist() == [0, 1]


def test_metrics_can_be_logged_for_experiments_and_models(owners: dict[str, Any]) -> None:
    for kind in ("experiment", "model"):
        rx.log_metric("users", 7, on=owners[kind])
        assert rx.metric_history(on=owners[kind])["value"].tolist() == [7.0]


def test_metrics_are_key_value_pairs_the_value_being_a_series_of_float_tensor_or_bytes_over_time(
    owners: dict[str, Any],
) -> None:
    series: dict[str, list[Any]] = {
        "float": [0.5, 0.25],
        "tensor": [np.eye(2), np.zeros((3, 1))],
        "bytes": [b"a", b"\x00"],
    }
    for key, values in series.items():
        for value in values:
            rx.log_metric(key, value, on=owners["model_version"])
        found = rx.metric_values(key, owners["model_version"])
        assert [each.step for each in found] == [0, 1]
        for each, value in zip(found, values, strict=True):
            check(each.value, value)


def test_every_metric_log_can_have_a_step_and_wallclock_attribute(owners: dict[str, Any]) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
    rx.log_metric("accuracy", 0.5, step=3, wallclock=at, on=owners["model"])
    rx.log_metric("accuracy", 0.6, step=4, wallclock=at.timestamp(), on=owners["model"])
    history = rx.metric_history(on=owners["model"])
    assert history["step"].tolist() == [3, 4]
    assert [abs(each - at).total_seconds() < 1e-5 for each in history["wallclock"]] == [True, True]


def test_model_metrics_can_be_expressed_as_simple_key_value_pairs(owners: dict[str, Any]) -> None:
    rx.log_metrics({"accuracy": 0.9, "f1": 0.8}, on=owners["model"])
    summaries = rx.metric_summaries(on=owners["model"])
    assert dict(zip(summaries["key"], summaries["summary"], strict=True)) == {"accuracy": 0.9, "f1": 0.8}
