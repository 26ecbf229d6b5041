"""A run across processes: children log on the run of the process that started them, and open runs below it."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from disk import full_disk

import renex_jupyter as rx
from renex_jupyter.session import current, family

METHODS = multiprocessing.get_all_start_methods()


@pytest.fixture(autouse=True)
def fresh_fork_server(project: Path) -> Iterator[None]:
    """No server of the test before, whose processes would stand in its folder."""
    yield
    from multiprocessing import forkserver

    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def started(method: str, action: Callable[..., Any], *given: Any) -> None:
    process = multiprocessing.get_context(method).Process(target=action, args=given)
    process.start()
    process.join(60)
    assert process.exitcode == 0


def log(value: float) -> None:
    rx.log_metric("loss", value)
    rx.log_param(f"p{value}", value)
    rx.set_tag("who", "child")


def log_in_a_run(name: str) -> None:
    with rx.start_run(name):
        rx.log_metric("inside", 1.0)
    rx.log_metric("outside", 2.0)


def leave_a_run_open(name: str) -> None:
    rx.start_run(name)
    rx.log_metric("inside", 1.0)


@pytest.mark.parametrize("method", METHODS)
def test_a_child_logs_on_the_run_and_never_ends_it(project: Path, method: str) -> None:
    with rx.start_run("train") as run:
        started(method, log, 1.0)
        assert rx.get_run(run.run_id).status == "running"
        started(method, log, 2.0)
    found = rx.get_run(run.run_id)
    assert (found.status, found.params, found.tags) == ("finished", {"p1.0": 1.0, "p2.0": 2.0}, {"who": "child"})
    assert sorted(rx.sql("select value from metrics")["value"]) == [1.0, 2.0]
    assert len(rx.search_runs()) == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("action", [log_in_a_run, leave_a_run_open])
def test_a_run_of_a_child_is_below_its_parents(project: Path, method: str, action: Callable[[str], None]) -> None:
    rx.set_experiment("sweep", namespace="vision")
    with rx.start_run("outer") as outer:
        started(method, action, "inner")
    inner = rx.get_run("inner")
    assert (inner.status, inner.metrics, inner.parent_run_id) == ("finished", {"inside": 1.0}, outer.run_id)
    assert (inner.namespace, inner.experiment) == ("vision", "sweep")
    assert rx.get_run("outer").metrics == ({"outside": 2.0} if action is log_in_a_run else {})


@pytest.mark.parametrize("method", METHODS)
def test_children_find_the_innermost_run_that_is_open_when_they_start(project: Path, method: str) -> None:
    with rx.start_run("one"):
        started(method, log, 1.0)  # a fork server that lives on has this one's environment
        with rx.start_run("two"):
            started(method, log, 2.0)
        started(method, log, 3.0)
    with rx.start_run("four"):
        started(method, log, 4.0)
    values = {row["name"]: row["params.p4.0"] for _, row in rx.search_runs().iterrows()}
    assert set(values) == {"one", "two", "four"}
    found = {name: set(rx.get_run(name).params) for name in values}
    assert found == {"one": {"p1.0", "p3.0"}, "two": {"p2.0"}, "four": {"p4.0"}}


def log_in_a_script(key: str) -> None:
    rx.log_param(f"child-{key}", 1)
    subprocess.run([sys.executable, "-c", f"import renex_jupyter as rx; rx.log_param('script-{key}', 1)"], check=True)


def test_a_script_of_a_child_finds_the_run_that_was_open_when_the_child_started(project: Path) -> None:
    with rx.start_run("one") as one:
        started("forkserver", log, 1.0)
    with rx.start_run("two") as two:
        started("forkserver", log_in_a_script, "two")
    assert set(rx.get_run(two.run_id).params) == {"child-two", "script-two"}
    assert set(rx.get_run(one.run_id).params) == {"p1.0"}


def test_after_the_run_nothing_is_told_and_what_was_told_before_is_back(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENEX_RUN_NAME", "kept")
    before = dict(os.environ)
    with rx.start_run("one") as one:
        assert os.environ["RENEX_RUN_ID"] == one.run_id
        with rx.start_run("two") as two:
            assert os.environ["RENEX_RUN_ID"] == two.run_id
        assert os.environ["RENEX_RUN_ID"] == one.run_id
    assert dict(os.environ) == before
    rx.start_run("left open")
    current.reset()
    assert dict(os.environ) == before


def test_a_child_that_is_started_after_the_run_has_a_run_of_its_own(project: Path) -> None:
    for method in set(METHODS) - {"fork"}:
        with rx.start_run("train"):
            started(method, log, 1.0)
        started(method, log, 2.0)
    assert set(rx.get_run("train").params) == {"p1.0"}
    assert list(rx.search_runs("params['p2.0'] = '2.0'")["status"]) == ["finished"] * (len(METHODS) - 1)


SCRIPT = """
import renex_jupyter as rx
rx.log_metric("loss", 1.0)
with rx.start_run("own"):
    rx.log_metric("loss", 2.0)
"""


def test_a_script_that_a_run_starts_in_another_folder_logs_on_it_and_has_its_own_below(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with rx.start_run("train") as run:
        subprocess.run([sys.executable, "-c", SCRIPT], check=True, cwd=elsewhere)
    assert rx.get_run("train").metrics == {"loss": 1.0}
    own = rx.get_run("own")
    assert (own.metrics, own.parent_run_id, own.status) == ({"loss": 2.0}, run.run_id, "finished")
    assert list(elsewhere.iterdir()) == []


def test_a_kernel_that_a_run_starts_has_runs_of_its_own(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in family.NAMES:
        monkeypatch.setenv(name, "a" * 32)
    monkeypatch.setattr(current.Session, "shell", property(lambda _: project))  # any shell
    session = current.Session()
    assert not any(session.family.given.values())
    assert not any(name in os.environ for name in family.NAMES)


def go_on_with(run_id: str) -> None:
    with rx.start_run(run_id=run_id):
        rx.log_metric("loss", 1.0)


def test_a_run_that_another_process_has_open_is_joined_by_its_id_and_stays_open(project: Path) -> None:
    run = rx.start_run("train")
    rx.log_metric("loss", 0.5)
    current.current().family.tell(None)  # as in a worker that was started before
    started("spawn", go_on_with, run.run_id[:8])
    assert rx.get_run("train").status == "running"
    rx.end_run()
    assert rx.get_run("train").status == "finished"
    assert list(rx.sql("select step from metrics where key = 'loss' order by step")["step"]) == [0, 1]


def test_the_workers_of_joblib_log_on_the_run(project: Path) -> None:
    joblib = pytest.importorskip("joblib")
    with rx.start_run("train"):
        with joblib.parallel_config("loky", n_jobs=2):
            joblib.Parallel()(joblib.delayed(log)(float(each)) for each in range(4))
        joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
    assert set(rx.get_run("train").params) == {f"p{each:.1f}" for each in range(4)}
    assert len(rx.search_runs()) == 1


def test_a_forked_child_does_not_write_what_its_parent_could_not(project: Path) -> None:
    def child() -> None:
        may_write.wait(30)
        rx.log_param("own", 1)

    fork = multiprocessing.get_context("fork")
    may_write = fork.Event()
    with rx.start_run("train") as run:
        with full_disk(), pytest.warns(UserWarning, match="they wait in memory"):
            rx.log_param("lr", 1)
        process = fork.Process(target=child)
        process.start()
        rx.log_param("lr", 2)
        may_write.set()
        process.join(60)
        assert rx.get_run(run.run_id).params == {"lr": 2, "own": 1}


def raise_in_a_run(method: str) -> None:
    rx.start_run(f"inner-{method}")
    raise ValueError("boom")


@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_a_child_left_open_ends_as_the_child_did(project: Path, method: str) -> None:
    process = multiprocessing.get_context(method).Process(target=raise_in_a_run, args=(method,))
    with rx.start_run("outer"):
        process.start()
        process.join(60)
    inner = rx.get_run(f"inner-{method}")
    assert (process.exitcode, inner.status, inner.error) == (1, "failed", "ValueError: boom")


@pytest.mark.parametrize("space", ["again", "never"])
def test_what_a_forked_child_has_waiting_is_written_or_told_when_it_ends(project: Path, space: str) -> None:
    told, tell = os.pipe()  # a file takes nothing, either
    full = full_disk()

    def child() -> None:
        sys.stdout = sys.stderr = os.fdopen(tell, "w", buffering=1)
        warnings.simplefilter("error")  # a notice is printed then, and pytest keeps none back
        full.__enter__()
        rx.log_metric("loss", 1.0)
        rx.log_param("lr", 0.1)
        if space == "again":
            full.__exit__(None, None, None)

    with rx.start_run("train") as run:
        started("fork", child)
    os.close(tell)
    with os.fdopen(told) as pipe:
        said = pipe.read()
    found = rx.get_run(run.run_id)
    if space == "again":
        assert (found.metrics, found.params) == ({"loss": 1.0}, {"lr": 0.1})
        assert "all points of run 'train' that had to wait are written" in said
    else:
        assert (found.metrics, found.params) == ({}, {})
        assert "1 points of run 'train' are lost" in said and "1 records (params) are lost" in said


def test_a_forked_child_neither_ends_nor_claims_to_end_what_its_parent_left_open(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outer = rx.start_run("outer")
    started("fork", leave_a_run_open, "inner")
    assert "still open" not in capfd.readouterr().out
    assert rx.get_run("inner").parent_run_id == outer.run_id
    assert rx.get_run("outer").status == "running"
