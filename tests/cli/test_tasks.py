"""`renex task`, `stop`, `attach` and `logs` in a real terminal's process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import renex_jupyter as rx

RENEX = (sys.executable, "-m", "renex_jupyter.cli.main")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def renex(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RENEX, *words], capture_output=True, text=True, check=False)


def test_a_task_runs_its_command_with_the_options_that_are_the_commands_own(here: Path) -> None:
    script = "import sys; print(sys.argv[1:])"
    done = renex("task", "train", "lr=0.1", "--timeout", "60", "--json", "--", sys.executable, "-c", script, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "['--json']\n"
    run = json.loads(done.stdout)
    assert (run["name"], run["status"], run["params"]) == ("train", "finished", {"lr": 0.1})
    assert run["action"]["timeout"] == 60


def test_a_failed_command_is_the_exit_status(here: Path) -> None:
    done = renex("task", "bad", "--", "sh", "-c", "echo no; exit 4")
    assert done.returncode == 1
    assert done.stdout.startswith("no\nrun 'bad' failed")


@pytest.mark.parametrize("words", [("task",), ("task", "a"), ("task", "a", "b", "--", "true"), ("task", "a", "--")])
def test_what_is_no_task_is_told_with_its_usage(here: Path, words: tuple[str, ...]) -> None:
    done = renex(*words)
    assert done.returncode == 2
    assert "renex task NAME" in done.stderr


def test_a_detached_run_is_followed_and_stopped_from_other_processes(here: Path) -> None:
    started = renex("task", "long", "--detach", "--", "sh", "-c", "echo here; sleep 600")
    assert "running" in started.stdout, started.stderr
    until = time.monotonic() + 60
    while renex("logs", "long").stdout != "here\n":
        assert time.monotonic() < until
    with subprocess.Popen(
        [*RENEX, "attach", "long"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline() == "here\n"
        os.kill(watch.pid, signal.SIGINT)
        _, said = watch.communicate(timeout=60)
    assert watch.returncode == 130
    assert "goes on" in said
    stopped = renex("stop", "long", "--json")
    assert json.loads(stopped.stdout)["status"] == "stopped"
    assert renex("logs", "-f", "long").stdout == "here\n"
    assert "is over: stopped" in renex("stop", "long").stderr


def test_a_run_goes_on_when_whoever_reads_its_output_goes(here: Path) -> None:
    script = (
        "import time\nfor n in range(40):\n    print('x' * 200, flush=True)\n    time.sleep(0.02)\nopen('end', 'w')"
    )
    (here / "slow.py").write_text(script)
    with subprocess.Popen([*RENEX, "task", "slow", "--", sys.executable, "slow.py"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 0
    assert (here / "end").exists()
    assert rx.get_run("slow").status == "finished"
