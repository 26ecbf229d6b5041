"""A disk that is full, broken, read-only or somebody else's is told in one clear error, and costs nothing recorded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import children
import pytest
import refusals
import victims
from invariant import found_in, invariant, look
from ledger import Ledger

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.metrics import Point
from renex_jupyter.session import current, points
from renex_jupyter.store.fold import fold
from renex_jupyter.store.store import Store

Say = Callable[[object], None]


def told(action: Callable[[], object]) -> str:
    """Return the code that an action raises or warns of, or "done"; any other exception is a failure."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            action()
        except rx.RenexError as error:
            return error.code if "\n" not in error.message else f"several lines: {error}"
    codes = {code for each in warned for code in rx.errors.CODES if f"{code}: " in str(each.message)}
    return "warned of " + ", ".join(codes) if codes else "done"


def leave_free(project: Path, size: int) -> None:
    """Fill the disk until `size` bytes are left."""
    ballast = project.parent / "ballast"
    ballast.unlink(missing_ok=True)
    free = os.statvfs(project).f_bavail * os.statvfs(project).f_frsize
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free - size))


def fill_the_disk(_say: Say, project: Path, ledger: Path) -> dict[str, str]:
    """Log until nothing goes any more, try everything, and go on in the same session when there is space again."""
    os.chdir(project)
    settings().fold_in_background = False
    pen, run = Ledger(ledger), rx.start_run("train")
    store = current.current().store
    (project / "model.py").write_text("changed")
    leave_free(project, 100_000)
    said: dict[str, str] = {}
    for step in range(100_000):
        if (code := told(lambda: victims.log(store, pen, run.run_id, step))) != "done":  # noqa: B023
            said["log"] = code
            break
    held = [("point", f"{run.run_id}/held/{step}", "1.0") for step in range(1000)]
    pen.tries(*held)
    said["metric"] = told(lambda: [rx.log_metric("held", 1.0) for _ in held])  # kept in memory: training goes on
    said["snapshot"] = told(rx.snapshot)
    store.journal.seal()
    said["fold"] = told(store.fold)
    said["sql"] = told(lambda: rx.sql("select * from metrics"))
    (project.parent / "ballast").unlink()
    victims.log(store, pen, run.run_id, 10**6)
    taken = rx.snapshot("space again").snapshot_id
    pen.has(("snapshot", taken, victims.files_of(taken)))
    store.fold()
    rx.end_run()
    pen.has(*held)
    said["run"] = rx.get_run(run.run_id).status
    return said


def test_a_full_disk_loses_nothing_acknowledged_and_work_goes_on_when_there_is_space(
    small_disk: Path, tmp_path: Path
) -> None:
    said = children.ask(fill_the_disk, small_disk, tmp_path / "ledger")
    full = dict.fromkeys(("log", "snapshot", "fold"), "disk_full")
    assert said == {**full, "metric": "warned of disk_full", "sql": "done", "run": "finished"}
    invariant(small_disk / ".renex", tmp_path / "ledger", deep=True)


TRAINING = """
import os, sys, warnings
import renex_jupyter as rx
from renex_jupyter.config import settings
settings().fold_in_background = False
def fill():
    with open("../ballast", "wb") as file:
        free = os.statvfs(".").f_bavail * os.statvfs(".").f_frsize
        os.posix_fallocate(file.fileno(), 0, free)
if "full" in sys.argv:
    fill()
rx.start_run("train")
fill()
for step in range(3000):
    rx.log_metric("loss", 1.0)
rx.log_params({f"p{i}": "x" * 100 for i in range(100)})
rx.set_tag("who", "ada")
rx.end_run()
rx.log_metric("loss", 2.0)
rx.log_param("a", 1)
rx.set_tag("who", "bob")
if "again" in sys.argv:
    os.unlink("../ballast")
print("trained")
"""


def train(project: Path, *how: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TRAINING, *how]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=280)


def test_a_disk_that_fills_up_stops_no_training_and_the_end_says_what_is_lost(small_disk: Path) -> None:
    ended = train(small_disk)
    assert (ended.stdout, ended.returncode) == ("trained\n", 0), ended.stderr
    assert "points of run 'train' are lost: disk_full" in ended.stderr
    # As many are written as fit into what the journal has left of its last block.
    assert re.search(r"renex: \d+ records \(params, runs, tags\) are lost: disk_full", ended.stderr), ended.stderr
    (small_disk.parent / "ballast").unlink()
    assert Store(small_disk / ".renex").reader.rows("select status from runs") == [{"status": "running"}]


def test_what_waited_is_written_when_the_process_ends_if_there_is_space_again(small_disk: Path) -> None:
    ended = train(small_disk, "again")
    assert (ended.stdout, ended.returncode) == ("trained\n", 0), ended.stderr
    assert "records" not in ended.stderr
    read = Store(small_disk / ".renex").reader
    assert read.rows("select status from runs") == [{"status": "finished"}]
    assert read.rows("select count(*) as n from params") == [{"n": 100}]


def test_a_run_that_cannot_be_recorded_is_told_before_the_training(small_disk: Path) -> None:
    ended = train(small_disk, "full")
    assert ended.returncode == 1
    assert "RenexError: disk_full" in ended.stderr.splitlines()[-2]
    assert ended.stdout == ""


def fold_with(_say: Say, project: Path, space: int) -> str:
    leave_free(project, space)
    said = told(Store(project / ".renex").fold)
    found_in(Store(project / ".renex"))  # reading needs no space
    (project.parent / "ballast").unlink()
    return said


@pytest.mark.slow
def test_a_fold_that_runs_out_of_space_anywhere_says_so_and_the_next_one_succeeds(
    small_disk: Path, tmp_path: Path
) -> None:
    root, ledger = small_disk / ".renex", tmp_path / "ledger"
    children.ask(victims.fill, root, ledger, 7)
    shutil.copytree(root, tmp_path / "kept")
    said = []
    for space in range(0, 4_000_000, 160_000):
        said.append(children.ask(fold_with, small_disk, space))
        invariant(root, ledger)
        shutil.rmtree(root)
        shutil.copytree(tmp_path / "kept", root)
        if said[-1] == "done":
            break
    assert set(said[:-1]) == {"disk_full"} and said[-1] == "done" and len(said) > 2, said


def try_all(_say: Say, project: Path, refused: tuple[str, ...]) -> dict[str, str]:
    """Do everything with a disk that refuses; the process that reads files is not asked, its pipe is no disk."""
    os.chdir(project)
    settings().fold_in_background = False
    store = Store(project / ".renex")
    (run,) = rx.sql("select run_id from runs")["run_id"]
    refusals.refuse(*refused)
    return {
        "log": told(lambda: store.write_points([Point("run", run, "loss", 0, now(), 1.0)])),
        "params": told(lambda: store.write(Change("params", f"{run}/a", "update", {"run_id": run, "key": "a"}))),
        "blobs": told(lambda: store.blobs.put(b"new")),
        "seal": told(store.journal.seal),
        "fold": told(lambda: fold(store.layout)),
        "sql": told(lambda: rx.sql("select * from metrics")),
    }


@pytest.mark.skipif(not refusals.possible(), reason="this kernel filters no system calls")
@pytest.mark.parametrize(
    ("refused", "done"),
    [
        (("fsync", "fdatasync"), {"seal", "sql"}),
        (("write", "pwrite64"), {"seal", "sql"}),
        (("pwrite64",), {"log", "params", "blobs", "seal", "sql"}),  # DuckDB writes with it, and nobody else
    ],
)
def test_an_input_output_error_is_told_and_what_was_recorded_is_still_there(
    project: Path, tmp_path: Path, refused: tuple[str, ...], done: set[str]
) -> None:
    root, ledger = project / ".renex", tmp_path / "ledger"
    children.ask(victims.fill, root, ledger, 2)
    (run,) = {key.split("/")[0] for kind, key in look(root) if kind == "point"}
    Ledger(ledger).tries(("point", f"{run}/loss/0", "1.0"))
    Ledger(ledger).tries(("param", f"{run}/a", None))
    said = children.ask(try_all, project, refused)
    assert {name for name, code in said.items() if code == "done"} == done, said
    invariant(root, ledger, deep=True)


def log_while_nothing_becomes_durable(_say: Say, project: Path) -> tuple[int, list[str], str]:
    """Log on a disk that takes writes and refuses to make them durable; return how much, and what is said of it."""
    os.chdir(project)
    settings().fold_in_background = False
    settings().sync_interval = 0.02
    points.RETRY_AFTER = 1e6  # what is refused once waits for the end: it is told once, however slow the machine is
    run = rx.start_run("train")
    refusals.refuse(
        "fdatasync"
    )  # also in the threads that are started from now on, such as the background of a new journal
    store = Store(project / ".renex")
    taken = points.Points(store, run.run_id, run.name)
    logged, until = 0, time.monotonic() + 120
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        while (not warned or logged < 40) and time.monotonic() < until:
            taken.log([("loss", 1.0)], logged, logged)
            logged += 1
            time.sleep(0.01)
        taken.finish()
    return logged, [str(each.message) for each in warned], told(store.journal.sync)


@pytest.mark.skipif(not refusals.possible(), reason="this kernel filters no system calls")
def test_what_the_background_cannot_make_durable_is_told_by_the_next_write_and_nothing_is_dropped(
    project: Path,
) -> None:
    logged, warned, end = children.ask(log_while_nothing_becomes_durable, project)
    assert len(warned) == 1
    assert "the journal cannot be made durable: Input/output error" in warned[0]
    assert end == "corrupt"
    steps = Store(project / ".renex").reader.rows("select step from metrics order by step")
    assert [row["step"] for row in steps] == list(range(logged))


def look_and_try(_say: Say, project: Path) -> dict[str, object]:
    """Read and write where nothing may be written."""
    refusals.obey_modes()
    os.chdir(project)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        said: dict[str, object] = {
            "sql": told(lambda: rx.sql("select * from runs")),
            "snapshots": len(rx.list_snapshots()),
            "runs": len(rx.search_runs()),
            "points": len(rx.sql("select * from metrics")),
        }
    said["warned"] = [str(each.message) for each in warned]
    snapshot = rx.list_snapshots()["snapshot_id"][0]
    writing = {
        "snapshot": rx.snapshot,
        "start": rx.start_run,
        "metric": lambda: rx.log_metric("loss", 1.0),
        "param": lambda: rx.log_param("a", 1),
        "update": lambda: rx.update_snapshot(snapshot, message="new"),
        "fold": Store(project / ".renex").fold,
        "checkout": lambda: rx.checkout(snapshot, to=Path(tempfile.mkdtemp()) / "out"),
    }
    said["writing"] = {name: told(action) for name, action in writing.items()}
    return said


def writes(code: str) -> dict[str, object]:
    refused = dict.fromkeys(("snapshot", "start", "update", "fold"), code)
    return {"writing": refused | dict.fromkeys(("metric", "param", "checkout"), f"warned of {code}")}


def test_a_read_only_disk_can_be_read_and_writing_says_so(small_disk: Path, tmp_path: Path) -> None:
    children.ask(victims.fill, small_disk / ".renex", tmp_path / "ledger", 3)
    before = look(small_disk / ".renex")
    subprocess.run(["mount", "-o", "remount,ro", small_disk.parent], check=True)
    said = children.ask(look_and_try, small_disk)
    assert said == {"sql": "done", "snapshots": 1, "runs": 1, "points": 15, "warned": []} | writes("read_only")
    assert look(small_disk / ".renex") == before
    subprocess.run(["mount", "-o", "remount,rw", small_disk.parent], check=True)
    invariant(small_disk / ".renex", tmp_path / "ledger")


def test_a_store_that_may_not_be_written_can_be_read_and_writing_says_so(project: Path, tmp_path: Path) -> None:
    root = project / ".renex"
    children.ask(victims.fill, root, tmp_path / "ledger", 3)
    before = look(root)
    folders = [path for path in (root, *root.rglob("*")) if path.is_dir()]
    for path in (root / "fold.lock", *folders):
        path.chmod(0o500)
    said = children.ask(look_and_try, project)
    assert said == {"sql": "done", "snapshots": 1, "runs": 1, "points": 15, "warned": []} | writes("permission")
    assert look(root) == before
    for path in (root / "fold.lock", *folders):
        path.chmod(0o700)
    invariant(root, tmp_path / "ledger")


def no_space_for_a_name(_say: Say, root: Path) -> list[str]:
    """Let the kernel refuse the first name of a journal, and go on."""
    store, rename = Store(root), os.rename

    def full(source: object, target: object) -> None:
        os.rename = rename
        raise OSError(28, "No space left on device", str(target))

    run = victims.begin_run(store)
    os.rename = full  # type: ignore[assignment]
    pen = Ledger(root.parent / "ledger")
    return [told(lambda: victims.log(store, pen, run, step)) for step in range(2)]  # noqa: B023


def test_a_journal_that_could_not_be_begun_is_begun_when_there_is_space_again(project: Path) -> None:
    assert children.ask(no_space_for_a_name, project / ".renex") == ["disk_full", "done"]
    invariant(project / ".renex", project / "ledger")
