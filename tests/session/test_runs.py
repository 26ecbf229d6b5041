"""Runs, as the Python API makes them."""

import math
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from told import refused

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.session import family
from renex_jupyter.store import liveness


def test_a_block_is_a_run_with_the_state_before_and_after(project: Path) -> None:
    with rx.start_run("train", tags={"who": "ada"}) as run:
        rx.log_params({"lr": 0.1, "layers": [8, 8], "name": "relu", "flag": True, "none": None})
        for step in range(3):
            rx.log_metric("loss", 1 / (step + 1), step=step)
        (project / "model.py").write_text("def model():\n    return 2\n")
    found = rx.get_run(run.run_id)
    assert (found.status, found.name, found.error) == ("finished", "train", None)
    assert found.params == {"lr": 0.1, "layers": [8, 8], "name": "relu", "flag": True, "none": None}
    assert found.metrics == {"loss": pytest.approx(1 / 3)}
    assert found.tags == {"who": "ada"}
    assert found.duration_s is not None and found.ended_at is not None
    before, after = (rx.get_snapshot(str(each)) for each in (found.before_snapshot_id, found.after_snapshot_id))
    assert before.state_id != after.state_id
    assert after.metrics == {"loss": pytest.approx(1 / 3)}
    assert [change.path for change in rx.diff(before.snapshot_id, after.snapshot_id).files] == ["model.py"]


@pytest.mark.parametrize(
    ("raised", "status", "error"),
    [(ValueError("boom"), "failed", "ValueError: boom"), (KeyboardInterrupt(), "stopped", "KeyboardInterrupt")],
)
def test_a_block_that_raises_still_has_its_after_snapshot(
    project: Path, raised: BaseException, status: str, error: str
) -> None:
    with pytest.raises(type(raised)), rx.start_run("train") as run:
        raise raised
    found = rx.get_run(run.run_id)
    assert (found.status, found.error) == (status, error)
    assert found.after_snapshot_id is not None
    assert rx.active_run() is None


def test_starting_again_finishes_what_was_left_open_and_never_raises(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = rx.start_run("one")
    second = rx.start_run("two")
    assert "run 'one'" in capsys.readouterr().out
    assert rx.get_run(first.run_id).status == "finished"
    assert rx.active_run() is second
    rx.end_run("failed")
    assert rx.get_run(second.run_id).status == "failed"
    rx.end_run()


def test_a_run_inside_a_block_is_its_child(project: Path) -> None:
    with rx.start_run("outer") as outer:
        with rx.start_run("inner") as inner:
            rx.log_metric("x", 1)
        rx.log_metric("y", 2)
    assert rx.get_run(inner.run_id).parent_run_id == outer.run_id
    assert rx.get_run(inner.run_id).metrics == {"x": 1.0}
    assert rx.get_run(outer.run_id).metrics == {"y": 2.0}


def test_every_number_comes_back_as_it_was(project: Path) -> None:
    values = [0.1, math.nan, math.inf, -math.inf, 1e-320, np.float32(0.1), np.int64(7), True, 10**20]
    moment = datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    with rx.start_run():
        for value in values:
            rx.log_metric("v", value, step=-5, wallclock=moment)
        rx.log_metric("text", "hello")
    rows = rx.sql("select value, step, wallclock from metrics where key = 'v'")
    assert sorted(map(repr, rows["value"])) == sorted(repr(float(value)) for value in values)
    assert set(rows["step"]) == {-5}
    assert {each.to_pydatetime() for each in rows["wallclock"]} == {moment}
    assert list(rx.sql("select text_value from metrics where key = 'text'")["text_value"]) == ["hello"]


def test_steps_count_by_themselves_and_may_go_back(project: Path) -> None:
    with rx.start_run():
        for step in (None, None, 10, 3, None):
            rx.log_metric("loss", 0.0, step=step)
    assert list(rx.sql("select step from metrics order by wallclock")["step"]) == [0, 1, 10, 3, 11]


@pytest.mark.parametrize("step", ["a", 1.5, 2**70])
def test_a_step_is_a_whole_number(project: Path, step: object) -> None:
    with rx.start_run(), pytest.raises(RenexError, match="step"):
        rx.log_metric("loss", 1, step=step)  # type: ignore[arg-type]


def test_a_param_may_be_overwritten_and_the_change_is_an_event(project: Path) -> None:
    with rx.start_run() as run:
        rx.log_param("lr", 0.1)
        rx.log_param("lr", 0.2)
    assert rx.get_run(run.run_id).params == {"lr": 0.2}
    events = rx.sql("select after->>'value_text' as v from change_events where object_kind = 'params' order by seq")
    assert list(events["v"]) == ["0.1", "0.2"]


def test_secrets_by_name_are_not_kept(project: Path) -> None:
    with rx.start_run() as run:
        rx.log_params({"api_key": "hunter2-abcdef", "max_tokens": 5})
    assert rx.get_run(run.run_id).params["max_tokens"] == 5
    for path in (project / ".renex").rglob("*"):
        if path.is_file():
            assert b"hunter2" not in path.read_bytes(), path


def test_logging_without_a_run_opens_one_and_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rx.log_metric("loss", 0.5)
    assert "rx.end_run()" in capsys.readouterr().out
    run = rx.active_run()
    assert run is not None
    rx.end_run()
    assert rx.get_run(run.run_id).metrics == {"loss": 0.5}


def test_a_run_can_be_gone_on_with(project: Path) -> None:
    with rx.start_run("train") as run:
        rx.log_metric("loss", 1.0)
    with rx.start_run(run_id=run.run_id[:8]):
        rx.log_metric("loss", 0.5)
    found = rx.get_run(run.run_id)
    assert (found.status, found.metrics) == ("finished", {"loss": 0.5})
    assert list(rx.sql("select step from metrics order by step")["step"]) == [0, 1]
    assert len(rx.search_runs()) == 1


KILLED = """
import os, signal, renex_jupyter as rx
rx.start_run("doomed"); rx.log_metric("loss", 0.5); os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_whose_process_vanished_is_lost_and_keeps_its_points(project: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED], check=False, cwd=project)
    run = rx.get_run("doomed")
    assert (run.status, run.metrics) == ("lost", {"loss": 0.5})
    events = rx.sql("select after->>'status' as s from change_events where object_kind = 'runs' order by \"at\"")
    assert list(events["s"]) == ["running", "lost"]


ENDS_LATER = "import renex_jupyter as rx\nwith rx.start_run('train'): print('open', flush=True); input()"


def test_a_run_that_ends_while_its_process_is_looked_for_is_not_lost(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", ENDS_LATER]
    with subprocess.Popen(command, cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        real = liveness.is_gone

        def looked_for(*process: Any) -> bool:
            if other.poll() is None:  # its run was read as running; now it ends
                other.communicate("\n")
            return real(*process)

        monkeypatch.setattr(liveness, "is_gone", looked_for)
        found = rx.search_runs()
        assert other.returncode == 0
    assert list(found["status"]) == ["finished"]
    events = rx.sql("select after->>'status' as s from change_events where object_kind = 'runs' order by \"at\"")
    assert list(events["s"]) == ["running", "finished"]


NO_NAMES = [5, 0, 1.5, "", "  ", "\n", "bad\x00x", "bad\ud800", "x" * 501, b"x", ["x"], False]


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_is_none_is_refused_before_anything_is_recorded(project: Path, name: Any) -> None:
    with pytest.raises(RenexError) as error:
        rx.start_run(name)
    assert refused(error, name) and "start_run(" in error.value.hint
    assert rx.active_run() is None
    assert not (project / ".renex").exists()
    for given in ((name,), ("digits", name)):
        with pytest.raises(RenexError) as error:
            rx.set_experiment(*given)
        assert refused(error, name)
    with rx.start_run("x" * 500) as run:
        pass
    found = rx.get_run(run.run_id)
    assert (found.name, found.experiment, found.namespace) == ("x" * 500, "default", "default")


def test_an_experiment_needs_a_name(project: Path) -> None:
    with pytest.raises(RenexError) as error:
        rx.set_experiment(None)  # type: ignore[arg-type]
    assert refused(error, None)


@pytest.mark.parametrize(
    ("wrong", "value"),
    [
        ({"tags": ["a"]}, ["a"]),
        ({"tags": "abc"}, "abc"),
        ({"tags": 5}, 5),
        ({"tags": ""}, ""),
        ({"tags": {5: "a"}}, 5),
        ({"run_id": 5}, 5),
        ({"run_id": b"x"}, b"x"),
        ({"run_id": "\ud800"}, "\ud800"),
        ({"nested": "yes"}, "yes"),
    ],
)
def test_any_other_argument_that_is_none_leaves_an_open_run_alone(
    project: Path, wrong: dict[str, Any], value: object
) -> None:
    left = rx.start_run("left")
    with pytest.raises(RenexError) as error:
        rx.start_run(**wrong)
    assert refused(error, value)
    assert rx.active_run() is left
    rx.end_run()
    assert list(rx.search_runs()["status"]) == ["finished"]


def test_a_script_with_a_name_that_is_none_of_ours_has_a_run_all_the_same(project: Path) -> None:
    for name in ("   .py", "caf\udce9.py"):
        (project / name).write_text("import renex_jupyter as rx\nwith rx.start_run() as run: print(ascii(run.name))")
        done = subprocess.run([sys.executable, name], cwd=project, capture_output=True, text=True, check=False)
        assert done.stdout in ("'run'\n", "'caf?'\n"), done.stderr


class Interrupted:
    def __str__(self) -> str:
        raise KeyboardInterrupt


def test_a_run_that_is_interrupted_while_it_opens_does_not_stay_open(project: Path) -> None:
    with rx.start_run("outer") as outer:
        with pytest.raises(KeyboardInterrupt):
            rx.start_run("one", tags={"who": Interrupted()})  # type: ignore[dict-item]
        assert rx.active_run() is outer
        rx.log_metric("loss", 1.0)
    assert rx.get_run("one").status == "stopped"
    assert rx.get_run("one").metrics == {}


def test_a_run_that_cannot_be_told_to_children_does_not_stay_open(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise ValueError("no room in the environment")

    monkeypatch.setattr(family, "_say", failing)
    with pytest.warns(UserWarning, match="no room"), pytest.raises(ValueError, match="no room"):
        rx.start_run("one")
    monkeypatch.undo()
    assert rx.active_run() is None
    assert (rx.get_run("one").status, rx.get_run("one").error) == ("failed", "ValueError: no room in the environment")


def test_params_that_a_task_does_not_take_are_refused_before_anything_is_recorded(project: Path) -> None:
    with pytest.raises(RenexError, match="param key"):
        rx.run_task(lambda: None, name="one", params={5: 1})  # type: ignore[dict-item]
    assert rx.active_run() is None
    assert not (project / ".renex").exists()


LEFT_OPEN = "import renex_jupyter as rx; rx.start_run('script'); rx.log_metric('loss', 0.5)"


@pytest.mark.parametrize(("more", "status"), [("", "finished"), ("; 1/0", "failed")])
def test_a_script_that_ends_closes_its_run(project: Path, more: str, status: str) -> None:
    subprocess.run([sys.executable, "-c", LEFT_OPEN + more], check=False, cwd=project, stderr=subprocess.DEVNULL)
    assert rx.get_run("script").status == status


def test_a_folder_that_cannot_be_written_is_one_clear_error(project: Path) -> None:
    (project / ".renex").write_text("in the way")
    with pytest.raises(RenexError) as error:
        rx.start_run("train")
    assert str(project) in str(error.value)


def test_what_is_purged_is_given_as_anywhere_else(project: Path) -> None:
    for give in (
        lambda run: run,
        lambda run: uuid.UUID(run.run_id),
        lambda run: run.run_id.upper(),
        lambda run: run.name,
    ):
        with rx.start_run("train") as run:
            rx.log_metric("loss", 1.0)
        assert rx.purge(give(run)).points == 1
    assert len(rx.search_runs()) == 0
