"""The end of a run whose kernel is gone, or whose supervisor left its word and nobody read it."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from disk import full_disk

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.records.changes import Change
from renex_jupyter.records.runs import Run
from renex_jupyter.session import attaching, closing, found_runs, kept_output
from renex_jupyter.session.current import current
from renex_jupyter.store import liveness, run_folders
from renex_jupyter.store.blobs import Blobs

SCRIPT = """
import os, signal, threading
import renex_jupyter as rx
def die(_text):
    os.kill(os.getpid(), signal.SIGKILL)
wait = "n=0; until [ -e 'SIGN' ] || [ $n = 600 ]; do n=$((n+1)); sleep 0.1; done"
rx.run_task(["sh", "-c", f"echo begun; {wait}; echo done; echo x > made.txt; exit CODE"], name="orphan", echo=die)
"""


def ended(name: str, seconds: float = 90.0) -> Run:
    """Return a run as soon as its end is recorded."""
    until = time.monotonic() + seconds
    while (run := rx.get_run(name)).status == "running":
        assert time.monotonic() < until, "its end is not recorded"
        time.sleep(0.1)
    return run


def orphaned(project: Path, code: int) -> Path:
    """Have a process start a run, and kill that process as soon as the action prints something.

    Returns
    -------
    The file that its action waits for.
    """
    sign = project.parent / f"{project.name}-goes-on"
    script = SCRIPT.replace("CODE", str(code)).replace("SIGN", str(sign))
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    return sign


def test_a_run_goes_on_when_its_kernel_is_killed_and_its_end_is_recorded(project: Path) -> None:
    sign = orphaned(project, 0)
    assert rx.get_run("orphan").status == "running"
    sign.touch()
    run = ended("orphan")
    assert (run.status, run.exit_code) == ("finished", 0)
    assert rx.run_output(run) == "begun\ndone\n"
    assert [each.path for each in run.files] == ["made.txt"]
    assert run.peak_memory_bytes
    assert rx.get_snapshot(str(run.after_snapshot_id)).parent_id == run.before_snapshot_id
    assert not (current().store.layout.runs / run.run_id).exists()
    assert rx.fsck().ok


def test_the_failure_of_a_run_whose_kernel_was_killed_is_recorded_as_such(project: Path) -> None:
    orphaned(project, 7).touch()
    run = ended("orphan")
    assert (run.status, run.exit_code, run.error) == ("failed", 7, "begun\ndone")


def test_a_run_is_closed_once(project: Path) -> None:
    run = rx.run_task(["true"], name="closed", echo=str)
    store = str(current().store.layout.root)
    subprocess.run([sys.executable, "-m", "renex_jupyter.session.closing", store, run.run_id], check=True)
    assert rx.get_run(run) == run


def test_what_the_supervisor_left_ends_a_run_that_nobody_closed(project: Path) -> None:
    run = rx.run_task(["sleep", "60"], name="left", detach=True)
    folder = current().store.layout.runs / run.run_id
    os.kill(int(run.pid or 0), signal.SIGKILL)
    (folder / closing.OUTCOME).write_text(
        json.dumps({"status": "failed", "duration_s": 2.0, "exit_code": 5, "error": "boom", "output_size": 4})
    )
    (folder / "output.log").write_text("boom")
    found = ended("left")
    assert (found.status, found.exit_code, found.error, found.duration_s) == ("failed", 5, "boom", 2.0)
    assert rx.run_output(found) == "boom"
    assert folder.exists()
    assert run_folders.sweep(current().store) == 0
    assert run_folders.sweep(current().store, grace=0) == 1
    assert not folder.exists()


def test_the_folder_of_a_running_run_is_not_swept_and_one_of_nobody_is(project: Path) -> None:
    run = rx.run_task(["sleep", "60"], name="runs", detach=True)
    runs = current().store.layout.runs
    (runs / "stranger" / "closed").mkdir(parents=True)
    (runs / "stranger" / "closed").chmod(0o500)
    assert run_folders.sweep(current().store, grace=0) == 1
    assert [each.name for each in runs.iterdir()] == [run.run_id]
    rx.stop(run)


def test_a_store_elsewhere_and_changed_settings_reach_the_closer(project: Path) -> None:
    elsewhere = project.parent / f"{project.name}-store" / ".renex"
    settings().store = str(elsewhere)
    try:
        (project / "big.bin").write_bytes(b"x" * 2000)
        settings().max_file_size = 1000
        run = rx.run_task(["sh", "-c", "echo x > made.txt"], name="far", detach=True)
        found = ended("far")
        assert [each.path for each in found.files] == ["made.txt"]
        kept = rx.sql(
            f"select sha256 from snapshot_files where snapshot_id = '{found.after_snapshot_id}' and path = 'big.bin'"
        )
        assert kept["sha256"].isna().all()
        assert run.before_snapshot_id != found.after_snapshot_id
    finally:
        settings().store, settings().max_file_size = "", 256 * 2**20
        shutil.rmtree(elsewhere.parent, ignore_errors=True)


def test_an_end_that_a_full_disk_does_not_take_leaves_the_folder_that_tells_it(project: Path) -> None:
    limit = full_disk()

    def fill(_text: str) -> None:
        limit.__enter__()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = rx.run_task(["sh", "-c", "echo begun; sleep 0.5"], name="full", echo=fill)
    folders = list(current().store.layout.runs.iterdir())
    limit.__exit__(None, None, None)
    assert [(each / closing.OUTCOME).exists() for each in folders] == [True]
    assert run.status == "running"
    rx.snapshot("space again")
    assert rx.get_run(run.run_id).status == "finished"


def test_an_end_that_is_recorded_while_somebody_takes_the_run_for_vanished_stands(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = rx.run_task(["sleep", "60"], name="slow", detach=True)
    os.kill(int(run.pid or 0), signal.SIGKILL)
    until = time.monotonic() + 60
    while not liveness.is_gone(run.pid, run.pid_started, run.boot_id, run.host) and time.monotonic() < until:
        time.sleep(0.01)

    def slow(store: Any, run_id: str) -> dict[str, Any]:
        after = closing.end_of_vanished(store, run_id)
        store.write(Change("runs", run_id, "update", {"status": "finished"}, namespace=run.namespace))
        return after

    monkeypatch.setattr(found_runs, "end_of_vanished", slow)
    assert ended("slow").status == "finished"


TOKEN = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"


def no_room(*_: Any) -> None:
    raise RenexError("disk_full", "no room.", "Make some.")


def no_bytes(path: Path, _data: bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@pytest.mark.parametrize("room", ["for the text", "for no byte"])
def test_output_that_the_disk_does_not_take_stays_in_the_folder_of_its_run(
    project: Path, monkeypatch: pytest.MonkeyPatch, room: str
) -> None:
    actions = (["sh", "-c", f"echo begun {TOKEN}"], lambda: print("begun"))
    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(Blobs, "put", no_room)
        if room == "for no byte":
            patch.setattr(kept_output, "replace", no_bytes)
        runs = [rx.run_task(each, name="full", echo=str) for each in actions]
    for run in runs:
        assert (run.status, run.output_sha256) == ("finished", None)
        assert rx.run_output(run).startswith("begun") and TOKEN not in rx.run_output(run)
    assert run_folders.sweep(current().store, grace=0) == 0
    folder = current().store.layout.runs / runs[0].run_id
    assert rx.run_output(runs[0]).startswith("begun")
    assert [each.name for each in folder.iterdir()] == [run_folders.PRINTED[0]]
    assert (TOKEN in (folder / run_folders.PRINTED[0]).read_text()) == (room == "for no byte")
    assert rx.purge(secret="unrelated").removed == ()
    assert len(rx.purge(secret="begun").removed) == 2
    assert not folder.exists()


def test_output_that_the_disk_does_not_take_spares_the_files_of_a_container(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = rx.run_task(["true"], name="contained", echo=str)
    folder = current().store.layout.runs / run.run_id
    kept = folder / run_folders.KEPT / "output.log"
    kept.parent.mkdir(parents=True)
    kept.write_text("made by the container")
    assert rx.run_output(run) == ""
    (folder / "output.log").write_text("said ")
    (folder / "output.tail").write_text("at last")
    monkeypatch.setattr(Blobs, "put", no_room)
    monkeypatch.setattr(kept_output, "replace", no_bytes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept_output.keep_output(current().store, folder, remove=True)
    assert kept.read_text() == "made by the container"
    assert rx.run_output(run) == "said at last"
    rx.purge(run.run_id)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["output.log", *run_folders.PRINTED])
@pytest.mark.parametrize("made", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd"), Path.mkdir])
def test_only_files_are_read_as_output(project: Path, name: str, made: Callable[[Path], object]) -> None:
    run = rx.run_task(["true"], name="silent", echo=str)
    folder = current().store.layout.runs / run.run_id
    folder.mkdir(parents=True)
    made(folder / name)
    assert rx.run_output(run) == ""


def test_a_run_whose_action_has_ended_gets_no_signal_while_its_end_is_recorded(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attaching, "CLOSING", 0.5)
    monkeypatch.setattr(settings(), "interrupt_grace", 0.0)
    run = rx.run_task(["sleep", "60"], name="ends", detach=True)
    outcome = current().store.layout.runs / run.run_id / run_folders.OUTCOME
    outcome.write_text('{"status": "finished", "duration_s": 1.0}')
    with pytest.raises(RenexError, match="has not ended"):
        rx.stop(run)
    assert rx.get_run(run).status == "running"
    outcome.unlink()
    monkeypatch.undo()
    assert rx.stop(run).status == "stopped"
