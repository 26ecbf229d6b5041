"""Why a run that was done again gave something else: found, and told as the reason of the verification."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from again import notebook, task

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.query.environments import get_environment
from renex_jupyter.records.changes import Change, fields
from renex_jupyter.session.current import current


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setattr(settings(), "system_metrics_interval", 0.0)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))


def test_randomness_without_a_seed_is_proven_by_another_rerun(project: Path) -> None:
    run = task(project, "import random\nrx.log_metric('loss', random.random())\n")
    found = rx.verify(run)
    assert found.verdict == "different"
    assert found.reason.startswith("randomness without a seed: two reruns differ from each other")
    assert found.line.startswith(f"run 'train' {run.run_id[:8]} different · metric loss at step 0: ")
    assert len(rx.search_runs("rerun_of is not null")) == 2
    assert "perhaps" in rx.verify(run, confirm=False).reason
    assert len(rx.search_runs("rerun_of is not null")) == 3


def test_what_is_read_from_elsewhere_is_told_apart_from_randomness(project: Path) -> None:
    elsewhere = project.parent / f"{project.name}-elsewhere"
    elsewhere.write_text("1")
    run = task(project, f"rx.log_metric('loss', float(open({str(elsewhere)!r}).read()))\n")
    elsewhere.write_text("2")
    found = rx.verify(run)
    assert (found.verdict, found.reason[:38]) == ("different", "two reruns agree with each other: what")


def test_a_file_that_was_not_kept_is_named_before_and_as_the_reason(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / ".env").write_text("TOKEN=x\n")
    run = task(project, "rx.log_metric('size', len(open('.env').read()))\n")
    found = rx.verify(run)
    assert "the rerun does without: .env (secret)" in capsys.readouterr().out
    assert found.verdict == "failed"
    assert found.reason.startswith("a file that was not kept is missing: .env")


def test_a_package_that_was_another_one_is_named(project: Path) -> None:
    """The record is made to say that another version of it was installed, since none is installed for a test."""
    run = task(project, "rx.log_metric('loss', 1.0)\n")
    again = task(project, "rx.log_metric('loss', 2.0)\n")
    store, other = current().store, "e" * 64
    made = get_environment(store.reader, str(run.environment_id))
    older = tuple(replace(each, version="0.9") if each.name == "numpy" else each for each in made.packages)
    store.write(Change("environments", other, "create", fields(replace(made, environment_id=other, packages=older))))
    store.write(Change("runs", run.run_id, "update", {"environment_id": other}))
    store.write(Change("runs", again.run_id, "update", {"rerun_of": run.run_id}))
    found = rx.verify(run, rerun=again)
    assert found.verdict == "different"
    assert found.reason.startswith("packages differ: numpy 0.9 -> ")


def test_a_difference_of_cells_in_disorder_says_so(project: Path) -> None:
    elsewhere = project.parent / f"{project.name}-elsewhere"
    elsewhere.write_text("1")
    cells = ["%%task sum\nrx.log_metric('total', x)", f"x = float(open({str(elsewhere)!r}).read())"]
    notebook(project, cells, order=[2, 1])
    elsewhere.write_text("2")
    found = rx.verify("sum")
    assert found.verdict == "different"
    assert "out of order" in found.reason


def test_cells_that_look_at_the_history_are_passed_over_and_those_that_need_it_are_the_reason(project: Path) -> None:
    rx.run_task(["true"], name="earlier", echo=str)
    look, ask = ["%renex show earlier", "%rxsql select * from runs"], "rx.get_run('earlier')"
    notebook(project, [*look, "%%task one\nrx.log_metric('x', 1)", ask, "%%task two\nrx.log_metric('x', 1)"])
    assert rx.verify("one", echo=str).verdict == "reproduced"
    found = rx.verify("two", echo=str)
    assert found.verdict == "failed" and found.reason.startswith("a cell asks the history")


def test_files_of_a_run_that_was_open_beside_are_the_reason(project: Path) -> None:
    signs = project.parent / f"{project.name}-signs"
    signs.mkdir()

    def script(begun: str, awaited: str, made: str, after: str) -> str:
        return f"""
import time; from pathlib import Path
signs = Path({str(signs)!r})
def wait_for(sign):
    until = time.monotonic() + 60
    while not (signs / sign).exists() and time.monotonic() < until: time.sleep(0.02)
(signs / {begun!r}).touch(); wait_for({awaited!r}); Path({made!r}).touch(); (signs / {made!r}).touch(); {after}
"""

    lasting = script("b began", "a began", "b.txt", "wait_for('a ended')")
    other = rx.run_task([sys.executable, "-c", lasting], name="b", detach=True)
    run = rx.run_task([sys.executable, "-c", script("a began", "b.txt", "a.txt", "")], name="a", echo=str)
    (signs / "a ended").touch()
    rx.attach(other, str)
    found = rx.verify(run, echo=str, confirm=False)
    assert (found.verdict, [each.what for each in found.differences]) == ("different", ["b.txt"])
    assert found.reason.endswith(f"a run that was open beside it: 'b' {other.run_id[:8]}")


THREADS = """
import os, threading
import renex_jupyter as rx
opened = [threading.Event() for _ in range(3)]
together = threading.Barrier(2, timeout=60)
def fold(n):
    opened[n].wait(60)
    with rx.start_run("fold"):
        opened[n + 1 if not again else n - 1].set()
        together.wait()
        LOG
again = "RENEX_REPLAY" in os.environ  # what chance does otherwise: the other one is opened first
threads = [threading.Thread(target=fold, args=(n,)) for n in range(2)]
opened[1 if again else 0].set()
for each in threads: each.start()
for each in threads: each.join()
"""


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("rx.log_param('n', n)", "the rerun has the params of another run of that name ("),
        ("rx.log_metric('n', n)", "the rerun may be another run of that session, some of which were open side by side"),
    ],
)
def test_runs_that_threads_open_in_another_order_are_no_randomness(project: Path, log: str, reason: str) -> None:
    (project / "script.py").write_text(THREADS.replace("LOG", log))
    subprocess.run([sys.executable, "script.py"], cwd=project, check=True)
    found = rx.verify(rx.search_runs().sort_values("started_at")["run_id"].iloc[0])
    assert found.verdict == "different"
    assert found.reason.startswith(reason)
    assert "randomness" not in found.reason


def test_another_image_is_the_reason_of_a_difference(project: Path) -> None:
    """The records are made to say which images they were in, since no container is started for a test."""
    run = task(project, "rx.log_metric('loss', 1.0)\n")
    again = task(project, "rx.log_metric('loss', 2.0)\n")
    for each, digit in ((run, "a"), (again, "b")):
        told = {**(each.action or {}), "image": "python:3.12", "image_id": f"sha256:{digit * 64}"}
        after = {"action": told, "environment_id": None, "rerun_of": run.run_id if each is again else None}
        current().store.write(Change("runs", each.run_id, "update", after))
    found = rx.verify(run, rerun=again)
    assert found.verdict == "different"
    assert found.reason == f"the image is another one: python:3.12 {'a' * 12} -> python:3.12 {'b' * 12}"
