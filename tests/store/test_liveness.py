"""A run is lost when its process has surely ended, and only then."""

import os
import platform
import subprocess
import sys
import time
from typing import Any

import psutil
import pytest

from renex_jupyter.store.liveness import began, identity, is_gone


def as_told_by(pid: int, /, **other: Any) -> bool:
    """Ask about a process as it was when it noted its identity, but for what is given."""
    noted = {"started": began(pid), "boot": identity()["boot_id"], "host": platform.node()}
    return is_gone(**{"pid": pid, **noted, **other})


def test_a_process_finds_itself_alive() -> None:
    me = identity()
    assert not is_gone(me["pid"], me["pid_started"], me["boot_id"], platform.node())
    assert not as_told_by(os.getpid())


def test_a_living_child_is_not_gone_and_an_ended_one_is() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = began(child.pid)
    boot = identity()["boot_id"]
    assert not is_gone(child.pid, started, boot, platform.node())
    child.communicate(b"\n")
    assert is_gone(child.pid, started, boot, platform.node())


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="no zombies on this system")
def test_a_zombie_is_gone_although_its_pid_is_still_taken() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has taken note of it
    try:
        assert psutil.pid_exists(child.pid)
        assert as_told_by(child.pid)
    finally:
        child.wait()


def test_a_pid_that_a_younger_process_bears_now_is_gone() -> None:
    assert as_told_by(os.getpid(), started=began(os.getpid()) - 60)


def test_a_start_time_that_was_rounded_is_the_same_process() -> None:
    assert not as_told_by(os.getpid(), started=round(began(os.getpid())))


@pytest.mark.skipif(sys.platform != "linux", reason="what is noted elsewhere does not move with the clock")
@pytest.mark.parametrize("set_by", [-3600, -5, 5, 3600])
def test_a_process_is_the_same_whatever_the_clock_was_set_to(set_by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil._pslinux as linux

    me, real, told = identity(), linux.boot_time, psutil.Process().create_time()
    monkeypatch.setattr(linux, "boot_time", lambda: real() + set_by)
    assert psutil.Process().create_time() - told == pytest.approx(set_by, abs=2)  # the patch is where psutil looks
    assert not is_gone(me["pid"], me["pid_started"], me["boot_id"], platform.node())
    assert as_told_by(os.getpid(), started=me["pid_started"] - set_by)


@pytest.mark.skipif(sys.platform != "linux", reason="a time of day is what is noted elsewhere, and is exact")
@pytest.mark.parametrize(("off", "gone"), [(0, False), (-30, False), (30, False), (-3600, True), (3600, True)])
def test_a_time_of_day_as_older_programs_noted_it_is_understood_though_the_clock_was_set_a_little(
    off: int, gone: bool
) -> None:
    assert as_told_by(os.getpid(), started=psutil.Process().create_time() + off) is gone


def test_what_ran_before_the_machine_was_started_anew_is_gone() -> None:
    assert as_told_by(os.getpid(), boot="another boot")


@pytest.mark.parametrize("other", [{}, {"boot": "another boot"}, {"started": time.time() - 10**6}])
def test_what_runs_on_another_machine_cannot_be_told(other: dict[str, Any]) -> None:
    assert not as_told_by(os.getpid(), host=f"not-{platform.node()}", **other)


@pytest.mark.parametrize("missing", ["pid", "started"])
def test_a_run_that_noted_no_process_cannot_be_told(missing: str) -> None:
    assert not as_told_by(os.getpid(), boot="another boot", **{missing: None})
