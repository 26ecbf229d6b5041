"""How a run ends: as its action did, whatever happens to us meanwhile."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import sys
import time
import warnings
from datetime import timedelta
from pathlib import Path

import pytest
from disk import full_disk

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.session import active_run, points, snapshots


def test_a_disk_that_fills_up_hides_no_exception_of_the_user_and_the_end_is_written_later(project: Path) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(ValueError, match="mine"), rx.start_run("train") as run:  # noqa: PT012
            rx.log_metric("loss", 1.0)
            limit = full_disk()
            limit.__enter__()
            raise ValueError("mine")
        limit.__exit__(None, None, None)
    assert any("disk_full" in str(each.message) for each in said)
    rx.snapshot("space again")
    found = rx.get_run(run.run_id)
    assert (found.status, found.error, found.metrics) == ("failed", "ValueError: mine", {"loss": 1.0})


def test_an_interrupt_of_the_last_snapshot_still_ends_the_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    run = rx.start_run("train")
    monkeypatch.setattr(snapshots, "capture", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rx.end_run()
    monkeypatch.undo()
    assert rx.get_run(run.run_id).status == "finished"


@pytest.mark.parametrize(
    ("leave", "status", "exit_code"),
    [(0, "finished", 0), (None, "finished", 0), (3, "failed", 3), ("bad", "failed", 1)],
)
def test_leaving_with_an_exit_status_says_how_it_ended(
    project: Path, leave: object, status: str, exit_code: int
) -> None:
    with pytest.raises(SystemExit), rx.start_run("train") as run:
        raise SystemExit(leave)
    found = rx.get_run(run.run_id)
    assert (found.status, found.exit_code) == (status, exit_code)


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("sys.exit(1)", "failed"),
        ("sys.exit()", "finished"),
        ("raise KeyboardInterrupt", "stopped"),
        ("1/0", "failed"),
        ("pass", "finished"),
        ("try: sys.exit(3)\nexcept SystemExit: pass", "finished"),
        ("for _ in range(2):\n try: sys.exit(3)\n except SystemExit: continue", "finished"),
        ("try: sys.exit(3)\nfinally: print()", "failed"),
        ("try: sys.exit(3)\nexcept SystemExit: raise", "failed"),
        ("import threading; threading.Thread(target=sys.exit, args=(3,)).start()\n1/1", "finished"),
        ("try: 1/0\nexcept ZeroDivisionError: sys.excepthook(*sys.exc_info())", "finished"),
    ],
)
def test_a_script_that_ends_ends_its_open_run_alike(project: Path, ending: str, status: str) -> None:
    program = f"import sys, renex_jupyter as rx; rx.start_run('script')\n{ending}"
    subprocess.run([sys.executable, "-c", program], check=False, cwd=project, stderr=subprocess.DEVNULL)
    assert rx.get_run("script").status == status


def test_a_forked_child_never_ends_its_parents_run(project: Path) -> None:
    def child() -> None:
        with rx.start_run("own"):
            rx.log_metric("inside", 1.0)
        active_run.close_after(parent, ValueError("in the child"))

    with rx.start_run("parent") as parent:
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join(60)
        assert process.exitcode == 0
        rx.log_metric("after", 2.0)
    found, own = rx.get_run("parent"), rx.get_run("own")
    assert (found.status, found.metrics) == ("finished", {"after": 2.0})
    assert (own.status, own.metrics, own.parent_run_id) == ("finished", {"inside": 1.0}, parent.run_id)


def test_going_on_with_a_run_takes_its_end_back_until_it_ends_again(project: Path) -> None:
    with pytest.raises(ValueError, match="boom"), rx.start_run("train") as run:
        raise ValueError("boom")
    again = rx.start_run(run_id=run.run_id)
    found = rx.get_run(run.run_id)
    assert (found.status, found.error, found.ended_at) == ("running", None, None)
    assert rx.start_run(run_id=run.run_id[:8]) is again
    assert rx.get_run(run.run_id).status == "running"
    rx.end_run()
    assert rx.get_run(run.run_id).status == "finished"


JOINED = """
import renex_jupyter as rx
for _ in range(2):
    with rx.start_run(tags={"who": "child"}):
        rx.log_metric("loss", 1.0)
with rx.start_run("part", nested=True):
    rx.log_metric("x", 1.0)
"""


def test_a_command_writes_tags_and_steps_on_its_run_and_may_nest(project: Path) -> None:
    rx.set_experiment("e", namespace="vision")
    run = rx.run_task([sys.executable, "-c", JOINED], name="train")
    assert (run.tags, run.status) == ({"who": "child"}, "finished")
    steps = rx.sql("select step from metrics where run_id = ? order by step", [run.run_id])
    assert list(steps["step"]) == [0, 1]
    part = rx.get_run("part")
    assert (part.parent_run_id, part.namespace, part.status) == (run.run_id, "vision", "finished")
    assert set(rx.sql("select namespace from change_events where object_kind = 'tags'")["namespace"]) == {"vision"}


@pytest.fixture
def no_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else makes files in a store while a test deletes it."""
    monkeypatch.setattr(settings(), "fold_in_background", False)


@pytest.mark.usefixtures("no_folds")
def test_recording_goes_on_when_somebody_deleted_the_store(project: Path) -> None:
    rx.snapshot("one")
    shutil.rmtree(project / ".renex")
    with rx.start_run("train"):
        rx.log_metric("loss", 1.0)
    assert rx.get_run("train").metrics == {"loss": 1.0}


@pytest.mark.usefixtures("no_folds")
@pytest.mark.parametrize("deleted", [".renex", ".renex/journal"])
def test_a_store_that_is_deleted_while_a_run_logs_is_told_and_the_run_goes_on_in_a_new_one(
    project: Path, monkeypatch: pytest.MonkeyPatch, deleted: str
) -> None:
    monkeypatch.setattr(settings(), "sync_interval", 0.01)
    monkeypatch.setattr(points, "RETRY_AFTER", 0.0)
    rx.set_experiment("e", namespace="vision")
    with warnings.catch_warnings(record=True) as said, rx.start_run("train") as run:
        warnings.simplefilter("always")
        rx.log_metric("loss", 0.0)
        shutil.rmtree(project / deleted)
        until = time.monotonic() + 60
        step = 0
        while sum("was deleted" in str(each.message) for each in said) < 2 and time.monotonic() < until:
            rx.log_metric("loss", 1.0, step=(step := step + 1))
            time.sleep(0.01)
        for last in range(step + 1, step + 4):
            rx.log_metric("loss", 2.0, step=last)
        rx.log_param("lr", 0.1)
    assert (
        len([each for each in said if "was deleted" in str(each.message)]) == 2
    )  # that points wait, and that all is lost
    found = rx.get_run(run.run_id)
    assert (found.name, found.status, found.namespace, found.experiment) == ("train", "finished", "vision", "e")
    assert (found.params, found.metrics) == ({"lr": 0.1}, {"loss": 2.0})
    steps = list(rx.sql("select step from metrics order by step")["step"])
    assert steps[-4:] == [step, step + 1, step + 2, step + 3]
    assert rx.fsck().ok


@pytest.mark.usefixtures("no_folds")
def test_a_store_that_is_deleted_just_before_the_end_of_a_run_is_told(project: Path) -> None:
    with pytest.warns(UserWarning, match=r"\.renex was deleted while 'train' logged"), rx.start_run("train"):
        shutil.rmtree(project / ".renex")
    assert rx.get_run("train").status == "finished"
    assert rx.fsck().ok


def test_the_last_value_is_that_of_the_highest_step_everywhere(project: Path) -> None:
    with rx.start_run() as run:
        for step, value in ((0, 5.0), (2, 2.0), (1, 101.0)):
            rx.log_metric("loss", value, step=step)
    found = rx.get_run(run.run_id)
    assert found.metrics == rx.get_snapshot(str(found.after_snapshot_id)).metrics == {"loss": 2.0}


def test_numbers_beyond_a_double_are_kept_or_refused_by_name(project: Path) -> None:
    with rx.start_run() as run:
        rx.log_param("n", 10**400)
        with pytest.raises(rx.RenexError, match="step"):
            rx.log_metric("loss", 1, step=float("inf"))  # type: ignore[arg-type]
    assert rx.get_run(run.run_id).params == {"n": 10**400}


def test_a_run_that_cannot_begin_ends_no_other_one_whose_points_wait(project: Path) -> None:
    long = rx.start_run("long")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with full_disk():
            for step in range(100):
                rx.log_metric("loss", step, step=step)
            with pytest.raises(rx.RenexError, match=r"disk_full|too large"):
                rx.start_run("short")
        rx.log_metric("loss", 100, step=100)
    rx.end_run()
    assert rx.get_run(long.run_id).status == "finished"
    assert list(rx.sql("select step from metrics where run_id = ? order by step", [long.run_id])["step"]) == [
        *range(101)
    ]


class Mute(Exception):
    """An exception of a user that cannot say itself."""

    def __str__(self) -> str:
        raise RuntimeError("inner")


def test_an_exception_that_cannot_say_itself_ends_its_run_and_stays_the_one_that_is_raised(project: Path) -> None:
    def fails() -> None:
        raise Mute

    with pytest.raises(Mute):
        rx.run_task(fails, name="function")
    with pytest.raises(Mute), rx.start_run("block"):
        raise Mute
    with pytest.raises(SystemExit), rx.start_run("exit"):
        raise SystemExit(Mute())
    for name, error in (("function", "Mute"), ("block", "Mute"), ("exit", "SystemExit")):
        run = rx.get_run(name)
        assert (run.status, run.error, run.parent_run_id) == ("failed", error, None)


def test_a_clock_that_is_set_back_takes_nothing_of_a_duration(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = rx.start_run("train")
    time.sleep(0.2)
    earlier = active_run.now() - timedelta(hours=1)
    monkeypatch.setattr(active_run, "now", lambda: earlier)
    rx.end_run()
    found = rx.get_run(run.run_id)
    assert found.ended_at == earlier
    assert found.duration_s is not None and 0.2 <= found.duration_s < 1800
    task = rx.run_task(["sleep", "0.3"], echo=str)
    assert task.duration_s is not None and 0.3 <= task.duration_s < 1800
