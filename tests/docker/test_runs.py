"""Runs in containers: what goes in, what comes back, and that nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from daemons import IMAGE, Daemon

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.records.runs import Run
from renex_jupyter.session.work import WORK_SEEN


def in_container(script: str, echo: Callable[[str], None] | None = None, **more: Any) -> Run:
    """Run a script of the shell in a container of the base image."""
    given = {"executor": "container", "image": IMAGE, "name": "task", **more}
    return rx.run_task(["sh", "-c", script], echo=echo or (lambda _: None), **given)


def said_by(script: str, **more: Any) -> tuple[str, Run]:
    said: list[str] = []
    run = in_container(script, said.append, **more)
    return "".join(said), run


def wait_for(what: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_a_container_works_on_the_state_before_and_its_files_come_back(daemon: Daemon, project: Path) -> None:
    (project / "data.txt").write_text("1\n")
    (project / "kept.txt").write_text("kept\n")
    (project / "tool.sh").write_text("#!/bin/sh\necho tool\n")
    (project / "tool.sh").chmod(0o755)
    said, run = said_by(
        "pwd; cat data.txt; ./tool.sh; mkdir -p a/b; echo new > a/b/new; echo 2 >> data.txt; chmod 755 a/b/new"
    )
    assert (run.status, run.executor, run.exit_code) == ("finished", "container", 0)
    assert said.split() == [WORK_SEEN, "1", "tool"]
    assert (project / "data.txt").read_text() == "1\n2\n"
    assert (project / "a" / "b" / "new").read_text() == "new\n"
    assert (project / "a" / "b" / "new").stat().st_mode & 0o777 == 0o755
    assert (project / "a" / "b" / "new").stat().st_uid == os.getuid()
    assert (project / "kept.txt").read_text() == "kept\n"
    assert run.action is not None and run.action["image"] == IMAGE
    assert run.action["image_id"] == daemon.ask("image", "inspect", "--format", "{{.Id}}", IMAGE).strip()
    assert run.environment_id is None  # what is in the image nobody knows: not what is installed here
    after = rx.sql("select path from snapshot_files where snapshot_id = ?", [run.after_snapshot_id])
    assert set(after["path"]) == {"a/b/new", "data.txt", "kept.txt", "tool.sh"}
    assert [each.name for each in (project / ".renex" / "runs").iterdir()] == []


def test_a_file_that_somebody_changed_meanwhile_stays_and_the_place_of_the_other_is_told(
    daemon: Daemon, project: Path
) -> None:
    (project / "data.txt").write_text("before\n")
    (project / "folder").mkdir()
    said: list[str] = []

    def meanwhile(text: str) -> None:
        said.append(text)
        if "ready" in text:
            (project / "data.txt").write_text("mine\n")
            (project / "new.txt").write_text("mine too\n")
            (project / "linked").symlink_to("/tmp")

    run = in_container(
        "echo ready; sleep 1; echo theirs > data.txt; echo theirs > new.txt; mkdir linked; echo x > linked/x", meanwhile
    )
    assert run.status == "finished"
    assert (project / "data.txt").read_text() == "mine\n"
    assert (project / "new.txt").read_text() == "mine too\n"
    place = project / f"outputs-{run.run_id[:8]}"
    assert {each.relative_to(place).as_posix() for each in place.rglob("*") if each.is_file()} == {
        "data.txt",
        "new.txt",
        "linked/x",
    }
    assert (place / "data.txt").read_text() == "theirs\n"
    assert str(place) in "".join(said) and "changed meanwhile" in "".join(said)
    assert not Path("/tmp/x").exists()


def test_links_repositories_and_caches_do_not_come_back(daemon: Daemon, project: Path) -> None:
    said, run = said_by(
        "ln -s /etc/passwd link; ln -s / root; mkdir -p .git/hooks .renex __pycache__ sub/.git; mkfifo pipe;"
        "echo 1 > .git/hooks/pre-commit; echo 1 > .renex/x; echo 1 > __pycache__/x.pyc; echo 1 > sub/.git/x; echo 1 > ok"
    )
    assert run.status == "finished"
    assert {each.name for each in project.iterdir()} == {".renex", "ok"}
    assert not (project / ".renex" / "x").exists()
    assert "link (a link)" in said and "pipe (no file)" in said


def test_what_a_container_removes_stays_in_the_project_and_is_told(daemon: Daemon, project: Path) -> None:
    (project / "data.txt").write_text("1\n")
    said, _ = said_by("rm data.txt")
    assert "still in the project: data.txt" in said and (project / "data.txt").exists()


def test_a_large_file_that_no_snapshot_holds_can_be_read(
    daemon: Daemon, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "max_file_size", 1000)
    (project / "data").mkdir()
    (project / "data" / "large.bin").write_bytes(b"x" * 5000)
    said, run = said_by("wc -c < data/large.bin; echo 1 >> data/large.bin; echo code $?")
    assert "5000" in said.split() and "Read-only" in said
    assert run.status == "finished" and (project / "data" / "large.bin").stat().st_size == 5000


def test_metrics_params_and_tags_come_from_a_shell_without_any_package(daemon: Daemon, project: Path) -> None:
    run = in_container(
        """
        for step in 1 2 3; do echo "{\\"key\\": \\"loss\\", \\"value\\": 0.$step, \\"step\\": $step}" >> $RENEX_JOURNAL; done
        echo '{"param": "lr", "value": 0.1}' >> $RENEX_JOURNAL
        echo '{"tag": "who", "value": "ada"}' >> $RENEX_JOURNAL
        """
    )
    assert (run.metrics, run.params) == ({"loss": 0.3}, {"lr": 0.1})
    points = rx.sql("select step, value from metrics where run_id = ? and key = 'loss' order by step", [run.run_id])
    assert points.values.tolist() == [[1, 0.1], [2, 0.2], [3, 0.3]]


def test_printed_lines_are_metrics_when_asked_for(daemon: Daemon, project: Path) -> None:
    run = in_container("echo loss: 0.25", parse_stdout=True)
    assert run.metrics == {"loss": 0.25}


def test_a_command_works_in_a_folder_of_the_project_and_nowhere_else(
    daemon: Daemon, project: Path, tmp_path: Path
) -> None:
    (project / "sub").mkdir()
    (project / "sub" / "x").write_text("x")
    said, _ = said_by("pwd; ls", cwd=project / "sub")
    assert said.split() == [f"{WORK_SEEN}/sub", "x"]
    with pytest.raises(RenexError, match="does not lie in the project"):
        in_container("true", cwd=tmp_path)
    with pytest.raises(RenexError) as raised:
        in_container("true", cwd=project / "nowhere")
    assert raised.value.code == "not_found"


def test_no_variable_of_this_process_gets_into_a_container(
    daemon: Daemon, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cret")
    said, run = said_by("env")
    assert (run.status, run.error) == ("finished", None)
    assert "s3cret" not in said and f"RENEX_RUN_ID={run.run_id}" in said and "HOME=/tmp" in said
    assert str(project) not in said


def test_a_failure_is_told_with_exit_code_and_last_lines(daemon: Daemon, project: Path) -> None:
    run = in_container("echo before; echo 'it broke' >&2; exit 7")
    assert (run.status, run.exit_code) == ("failed", 7)
    assert run.error is not None and "it broke" in run.error


def test_the_limits_of_a_task_hold_in_a_container(daemon: Daemon, project: Path) -> None:
    run = in_container("python3 -c 'x = bytearray(300 * 2**20)'", memory="64m")
    assert run.status == "failed" and run.error is not None and run.error.startswith("memory limit of")
    begun = time.monotonic()
    run = in_container("trap '' INT TERM; while :; do sleep 0.1; done", timeout=1)
    assert run.status == "failed" and run.error is not None and run.error.startswith("timeout")
    assert time.monotonic() - begun < 90


def test_a_stopped_run_leaves_no_container(daemon: Daemon, project: Path) -> None:
    run = in_container("sleep 100", detach=True)
    assert (run.status, len(daemon.containers())) == ("running", 1)
    rx.stop(run.run_id)
    wait_for(lambda: rx.get_run(run.run_id).status == "stopped")
    wait_for(lambda: not daemon.containers())


def test_a_detached_run_brings_its_files_back_by_itself(daemon: Daemon, project: Path) -> None:
    run = in_container("sleep 1; echo 1 > late.txt", detach=True)
    ended = wait_for(lambda: (found := rx.get_run(run.run_id)).status != "running" and found)
    assert ended.status == "finished"
    wait_for((project / "late.txt").exists)


KERNEL = """
import sys
import renex_jupyter as rx
print("begun", flush=True)
rx.run_task(["sh", "-c", sys.argv[1]], name="task", executor="container", image=sys.argv[2])
print("over", flush=True)
"""


def begin(script: str) -> subprocess.Popen[bytes]:
    """Run a script in a container from another process."""
    return subprocess.Popen(
        [sys.executable, "-c", KERNEL, script, IMAGE],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(os.environ),
    )


def running_run() -> Run | None:
    try:
        rows = rx.sql("select run_id from runs where status = 'running'")
    except RenexError:  # nothing is recorded yet
        return None
    return rx.get_run(rows["run_id"][0]) if len(rows) else None


def test_an_interrupt_stops_the_container_and_a_second_one_kills_it(daemon: Daemon, project: Path) -> None:
    process = begin("trap '' INT TERM; echo ready; while :; do sleep 0.1; done")
    assert process.stdout is not None
    assert any(line == b"ready\n" for line in process.stdout)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert len(daemon.containers()) == 1  # it ignores the first one
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert daemon.containers() == []
    assert rx.search_runs()["status"].tolist() == ["stopped"]


def test_a_killed_kernel_leaves_the_run_to_its_end(daemon: Daemon, project: Path) -> None:
    process = begin('sleep 8; echo \'{"key": "loss", "value": 1}\' >> $RENEX_JOURNAL; echo made > made.txt')
    run = wait_for(running_run)
    wait_for(daemon.containers)
    process.kill()
    process.communicate(timeout=60)
    ended = wait_for(lambda: (found := rx.get_run(run.run_id)).status != "running" and found)
    assert (ended.status, ended.metrics) == ("finished", {"loss": 1.0})
    wait_for((project / "made.txt").exists)
    assert daemon.containers() == []


def test_the_container_of_a_killed_supervisor_is_removed_by_the_next_run(daemon: Daemon, project: Path) -> None:
    run = in_container("sleep 300", detach=True)
    left = daemon.containers()
    assert len(left) == 1 and run.pid is not None
    os.kill(run.pid, signal.SIGKILL)
    wait_for(lambda: rx.get_run(run.run_id).status == "lost")
    assert daemon.containers() == left
    assert in_container("true").status == "finished"
    assert daemon.containers() == []


def test_a_container_of_a_run_that_goes_on_is_not_swept(daemon: Daemon, project: Path) -> None:
    run = in_container("sleep 300", detach=True)
    assert in_container("true").status == "finished"
    assert len(daemon.containers()) == 1
    rx.stop(run.run_id)
    wait_for(lambda: not daemon.containers())
    wait_for(lambda: rx.get_run(run.run_id).status == "stopped")


def test_a_daemon_that_dies_fails_the_run_and_says_so(
    new_daemon: Callable[[], Daemon], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = new_daemon()
    monkeypatch.setenv("DOCKER_HOST", own.host)

    def crash() -> None:
        wait_for(lambda: own.ask("ps", "--quiet").split())
        time.sleep(2)
        own.kill()

    threading.Thread(target=crash).start()
    run = in_container("echo 1 > made.txt; sleep 300")
    assert run.status == "failed" and run.error is not None
    assert run.error.startswith("the Docker daemon went away while the container ran")
    with pytest.raises(RenexError) as raised:
        in_container("true")
    assert raised.value.code == "docker_unavailable"


def test_a_hundred_megabytes_of_output_are_shown_in_part_and_kept_in_part(daemon: Daemon, project: Path) -> None:
    shown = 0

    def count(text: str) -> None:
        nonlocal shown
        shown += len(text)

    run = in_container("yes 0123456789 | head -c 100000000", count)
    assert (run.status, run.output_size) == ("finished", 100_000_000)
    assert shown < 30 * 2**20


def test_where_there_is_no_docker_nothing_is_recorded(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    begun = time.monotonic()
    with pytest.raises(RenexError) as raised:
        in_container("true")
    assert raised.value.code == "docker_unavailable" and time.monotonic() - begun < 60
    assert not (project / ".renex" / "journal").exists()


def test_an_image_that_nobody_has_is_told_within_ten_seconds(daemon: Daemon, project: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(RenexError) as raised:
        in_container("true", image="renex-no-such-image:1")
    assert (raised.value.code, "docker pull" in raised.value.hint) == ("not_found", True)
    assert time.monotonic() - begun < 40
    assert not (project / ".renex" / "journal").exists()


CELL = """
import renex_jupyter as rx
from IPython.testing.globalipapp import start_ipython
shell = start_ipython()
shell.run_line_magic("load_ext", "renex_jupyter")
shell.user_ns.update(n=[1, 2, 3])
shell.run_cell_magic("task", "cell --docker {image} --inputs n --outputs total -o run", {body!r})
print("total", shell.user_ns.get("total"), shell.user_ns["run"].status, shell.user_ns["run"].executor)
"""


def test_a_cell_in_a_container_takes_variables_along_and_brings_some_back(daemon: Daemon, project: Path) -> None:
    """With the image's Python, which has the standard library alone."""
    body = "import os\ntotal = sum(n)\nprint('in', os.getcwd())\nopen('made.txt', 'w').write('1')\n"
    script = CELL.format(image=IMAGE, body=body)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False)
    assert "in /work" in done.stdout and "total 6 finished container" in done.stdout, done.stdout + done.stderr
    assert (project / "made.txt").read_text() == "1"
