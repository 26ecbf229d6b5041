"""The button that stops a run."""

import platform
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from recorded import Project

from renex_jupyter.records.runs import Run
from renex_jupyter.store.liveness import identity
from renex_jupyter.views import stop as stops
from renex_jupyter.views.run import RunDetail
from renex_jupyter.views.stop import Stopper

GOES_ON = """
import signal
signal.signal(signal.SIGINT, lambda *_: print("asked", flush=True))
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def stubborn() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", GOES_ON], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def running(project: Project, process: subprocess.Popen[str], **other: Any) -> Run:
    columns = {"status": "running", "host": platform.node(), **identity(process.pid), **other}
    return project.made("r", **columns)


def test_stop_asks_first_then_says_that_it_is_stopping_then_offers_more(
    project: Project, stubborn: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, stopper = running(project, stubborn, executor="process"), Stopper()
    button = stopper.button(run)
    assert button is not None
    assert (button["label"], button["confirm"], button["of"]) == ("Stop", "Stop this run?", run.run_id)
    stopper.press(run, project.store.layout.runs / run.run_id)
    assert stubborn.stdout is not None
    assert stubborn.stdout.readline() == "asked\n"
    button = stopper.button(run)
    assert button is not None
    assert (button["label"], button["disabled"]) == ("Stopping…", True)
    monkeypatch.setattr(stops, "PATIENCE", 0.0)
    button = stopper.button(run)
    assert button is not None
    assert (button["label"], button["note"]) == ("Stop again", "It still runs.")


def test_a_kernel_is_interrupted_with_a_word_about_it(project: Project, stubborn: subprocess.Popen[str]) -> None:
    button = Stopper().button(running(project, stubborn))
    assert button is not None
    assert "kernel or script" in button["confirm"]


def test_a_run_elsewhere_cannot_be_stopped_and_says_why(project: Project, stubborn: subprocess.Popen[str]) -> None:
    run, stopper = running(project, stubborn, host="elsewhere"), Stopper()
    button = stopper.button(run)
    assert button is not None
    assert button["disabled"]
    assert "runs on elsewhere" in button["note"]
    stopper.press(run, project.store.layout.runs / run.run_id)
    assert stopper.button(run) == button


def test_a_run_that_is_over_has_no_stop(project: Project) -> None:
    assert Stopper().button(project.made("r")) is None


def test_what_was_confirmed_for_another_run_stops_nothing(project: Project, stubborn: subprocess.Popen[str]) -> None:
    acts: list[tuple[str, str]] = []
    detail = RunDetail(lambda: None, lambda name, run: acts.append((name, run.run_id)), hosted=True)
    run = running(project, stubborn)
    detail.draw(detail.ask(project.store.reader, run.run_id))
    detail.head._handle_custom_msg({"action": "stop", "of": "0" * 32}, [])
    assert acts == []
    detail.head._handle_custom_msg({"action": "stop", "of": run.run_id}, [])
    assert acts == [("stop", run.run_id)]
