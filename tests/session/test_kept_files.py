"""What a run in a checkout of its own made is never removed before it lies in the project.

The runs are those of containers, but for the container: their action runs on this machine, in the same folder.
"""

import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.records.runs import Run
from renex_jupyter.session import containers
from renex_jupyter.session.commands import run_order
from renex_jupyter.session.current import current
from renex_jupyter.store import run_folders
from renex_jupyter.tasks.bring_back import save_looks
from renex_jupyter.tasks.order import Order


def kept_of(run_id: str) -> Path:
    return current().store.layout.runs / run_id / run_folders.KEPT


def in_checkout(script: str, said: list[str]) -> Run:
    """Run a script of the shell in a checkout, as `prepare_in` and `finish_in` do around a container."""
    session = current()

    def prepare(order: Order, folder: Path, _environment: dict[str, str]) -> Order:
        containers.check_out(session, order.run_id, folder, said.append)
        save_looks(folder / containers.WORK, folder / containers.LOOKS)
        return replace(order, cwd=str(folder / containers.WORK))

    return run_order(
        session,
        name="task",
        kind="command",
        source=script,
        argv=["sh", "-c", script],
        cwd=session.project,
        prepare=prepare,
        finish=containers.finish_in(session, said.append),
        echo=said.append,
    )


def check_that_it_is_kept(run: Run, said: list[str]) -> None:
    kept = kept_of(run.run_id)
    assert (kept / "made.txt").read_text() == "made\n"
    assert run.tags == {"renex.not_brought_back": str(kept)}
    assert f"stay in {kept}" in "".join(said)
    assert [each.name for each in kept.parent.iterdir()] == [kept.name]
    assert run_folders.sweep(current().store, grace=0) == 0
    assert rx.purge(secret="it stands nowhere").title == "nothing to purge was found"
    assert (kept / "made.txt").read_text() == "made\n"
    rx.purge(run.run_id)
    assert not kept.parent.exists()


def test_what_came_back_leaves_nothing_behind(project: Path) -> None:
    said: list[str] = []
    run = in_checkout("echo made > made.txt", said)
    assert (run.status, run.tags, said) == ("finished", {}, [])
    assert (project / "made.txt").read_text() == "made\n"
    assert not (current().store.layout.runs / run.run_id).exists()


def test_a_file_that_cannot_come_back_is_kept_and_the_run_says_where(project: Path) -> None:
    said: list[str] = []
    taken = "echo mine > $P/made.txt; touch $P/outputs-$(printf %.8s $RENEX_RUN_ID)".replace("$P", str(project))
    run = in_checkout(f"echo made > made.txt; echo other > other.txt; {taken}", said)
    assert (project / "other.txt").read_text() == "other\n"
    assert (project / "made.txt").read_text() == "mine\n"
    assert "could not be brought back: made.txt (" in "".join(said)
    check_that_it_is_kept(run, said)


def test_a_fault_of_ours_while_files_come_back_loses_none(project: Path) -> None:
    said: list[str] = []
    run = in_checkout(f"echo made > made.txt; echo x > ../{containers.LOOKS}", said)
    assert run.status == "finished"
    check_that_it_is_kept(run, said)


def test_an_interrupt_while_files_come_back_loses_none(project: Path) -> None:
    said: list[str] = []
    ends: list[int] = []

    def interrupt() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and not ends:
            time.sleep(0.01)
            for pipe in project.glob(f".renex/runs/*/{containers.LOOKS}"):
                with suppress(OSError):  # nobody reads it yet
                    if pipe.is_fifo():
                        ends.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):  # it waits for the pipe just then, which stays open and says nothing
        in_checkout(f"echo made > made.txt; rm ../{containers.LOOKS}; mkfifo ../{containers.LOOKS}", said)
    thread.join()
    os.close(ends[0])
    run = rx.get_run("task")
    assert run.status == "finished"
    check_that_it_is_kept(run, said)
