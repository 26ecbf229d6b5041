"""start_run(resume=True): a training that did not come to its end goes on in the same run."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import renex_jupyter as rx
from renex_jupyter.session import current as sessions

TRAINING = """
import os, signal, sys
import renex_jupyter as rx
with rx.start_run("train", resume=True) as run:
    last = rx.last_checkpoint()
    start = last.step + 1 if last else 0
    state = int(last.path.read_text()) if last else 0
    for epoch in range(start, 6):
        state += epoch
        rx.log_metric("state", state, step=epoch)
        with open("state.txt", "w") as file:
            file.write(str(state))
        rx.log_checkpoint("state.txt", epoch, {"state": state})
        if epoch == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
print(run.run_id, start, state)
"""


def train(until: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", TRAINING, str(until)], capture_output=True, text=True, check=False)


def failed(name: str = "train", **kwargs: Any) -> str:
    """Open a run that fails, and return its id."""
    with pytest.raises(ZeroDivisionError), rx.start_run(name, **kwargs) as run:
        raise ZeroDivisionError
    return run.run_id


def test_checkpoints_are_a_means_to_get_fault_tolerant_training_killed_twice_it_goes_on_where_it_was(
    project: Path,
) -> None:
    assert train(1).returncode == -signal.SIGKILL
    assert train(3).returncode == -signal.SIGKILL
    done = train(99)
    assert done.returncode == 0, done.stderr
    assert "which is lost, goes on" in done.stdout
    run_id, start, state = done.stdout.split()[-3:]
    assert (int(start), int(state)) == (4, sum(range(6)))
    runs = rx.search_runs()
    assert list(runs["run_id"]) == [run_id] and list(runs["status"]) == ["finished"]
    points = rx.sql("select step, value from metrics where owner_kind = 'run' and key = 'state' order by step")
    assert list(points["step"]) == list(range(6)) and list(points["value"]) == [0, 1, 3, 6, 10, 15]
    assert list(rx.list_checkpoints("train")["step"]) == [5, 4, 3, 2, 1, 0]
    again = train(99)
    assert again.stdout.split()[-3] != run_id and again.stdout.split()[-2] == "0"  # it had come to its end: a new one
    assert rx.fsck()


def test_a_failed_and_a_stopped_run_go_on_a_finished_one_does_not(project: Path) -> None:
    first = failed()
    with pytest.raises(KeyboardInterrupt), rx.start_run("train", resume=True) as run:
        raise KeyboardInterrupt
    assert run.run_id == first and rx.get_run(first).status == "stopped"
    with rx.start_run("train", resume=True) as run:
        assert run.run_id == first and rx.get_run(first).status == "running"
    assert (rx.get_run(first).status, rx.get_run(first).error) == ("finished", None)
    with rx.start_run("train", resume=True) as run:
        assert run.run_id != first


def test_a_finished_run_that_is_newer_ends_the_matter(project: Path) -> None:
    old = failed()
    with rx.start_run("train") as newer:
        pass
    with rx.start_run("train", resume=True) as run:
        assert run.run_id not in (old, newer.run_id)


def test_without_any_run_a_new_one_is_opened(project: Path) -> None:
    with rx.start_run("train", resume=True) as run:
        assert run.name == "train"
    assert len(rx.search_runs()) == 1


def test_another_name_or_another_experiment_is_not_gone_on_with(project: Path) -> None:
    first = failed()
    with rx.start_run("other", resume=True) as run:
        assert run.run_id != first
    rx.set_experiment("elsewhere")
    with rx.start_run("train", resume=True) as run:
        assert run.run_id != first
    rx.set_experiment("default")
    with rx.start_run("train", resume=True) as run:
        assert run.run_id == first


def test_a_run_that_an_earlier_cell_left_open_is_still_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = rx.start_run("train")
    assert rx.start_run("train", resume=True) is left
    assert "finished now" not in capsys.readouterr().out
    assert rx.start_run("other", resume=True).run_id != left.run_id
    assert rx.get_run(left).status == "finished"
    rx.end_run()


def test_tags_are_put_on_the_run_that_goes_on(project: Path) -> None:
    first = failed(tags={"who": "ada"})
    with rx.start_run("train", resume=True, tags={"again": "yes"}):
        pass
    assert rx.get_run(first).tags == {"who": "ada", "again": "yes"}


def test_a_part_goes_on_below_the_run_that_it_is_part_of(project: Path) -> None:
    sweep = rx.start_run("sweep")
    with pytest.raises(ZeroDivisionError), rx.start_run("fold 1", nested=True) as fold:
        raise ZeroDivisionError
    part = fold.run_id
    rx.end_run("failed")
    with rx.start_run("sweep", resume=True) as again:
        assert again.run_id == sweep.run_id
        with rx.start_run("fold 1", resume=True) as fold:
            assert fold.run_id == part
    with rx.start_run("another"), rx.start_run("fold 1", resume=True) as fold:
        assert fold.run_id != part


def test_a_run_that_lives_in_another_process_is_left_alone(project: Path) -> None:
    code = "import sys, renex_jupyter as rx\nr = rx.start_run('train')\nprint(r.run_id, flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        theirs = other.stdout.readline().strip()
        with rx.start_run("train", resume=True) as run:
            assert run.run_id != theirs
        assert rx.get_run(theirs).status == "running"
        other.communicate("")


def resume_once(folder: str, ready: Any, told: Any, go_on: Any) -> None:
    os.chdir(folder)
    sessions.reset()
    ready.wait()
    with rx.start_run("train", resume=True) as run:
        told.put(run.run_id)
        go_on.wait()


def test_of_two_processes_only_one_goes_on_with_a_run(project: Path) -> None:
    lost = failed()
    context = multiprocessing.get_context("spawn")
    ready, go_on, told = context.Barrier(2), context.Event(), context.Queue()
    both = [context.Process(target=resume_once, args=(str(project), ready, told, go_on)) for _ in range(2)]
    for each in both:
        each.start()
    ids = {told.get(timeout=60) for _ in both}
    go_on.set()
    for each in both:
        each.join()
    assert len(ids) == 2 and lost in ids


@pytest.mark.parametrize("given", [{"resume": 1}, {"resume": "yes"}, {"resume": True, "run_id": "train"}])
def test_what_cannot_be_is_refused(project: Path, given: dict[str, Any]) -> None:
    with pytest.raises(rx.RenexError) as caught:
        rx.start_run("train", **given)
    assert caught.value.code == "invalid_argument" and caught.value.hint
    assert rx.active_run() is None


def test_a_task_cell_is_no_parent_so_that_what_it_opens_goes_on(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(project / "ipython"))
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    shell = InteractiveShell.instance(config=config)
    try:
        shell.run_line_magic("load_ext", "renex_jupyter")
        with pytest.raises(ZeroDivisionError):
            shell.run_cell_magic("task", "cell", "import renex_jupyter as rx\nwith rx.start_run('part'): 1 / 0")
        first = rx.get_run("part")
        assert first.status == "failed"
        again = "import renex_jupyter as rx\nwith rx.start_run('part', resume=True) as r:\n    pass"
        shell.run_cell_magic("task", "cell", again)
    finally:
        shell.run_line_magic("unload_ext", "renex_jupyter")
        InteractiveShell.clear_instance()
    assert list(rx.search_runs("name = 'part'")["status"]) == ["finished"]
    assert rx.get_run("part").run_id == first.run_id
