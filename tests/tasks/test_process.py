import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from supervised import is_running, wait_for

from renex_jupyter.config import JOURNAL_VARIABLE
from renex_jupyter.errors import RenexError
from renex_jupyter.tasks.order import Order, Outcome
from renex_jupyter.tasks.output import ERROR_CHARS, ERROR_LINES
from renex_jupyter.tasks.process import split_command, start

ENV = dict(os.environ)


def run(
    *argv: str,
    echo: Callable[[str], None] = lambda text: None,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    **options,
) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        order = Order("0" * 32, f"{folder}/store", argv, str(cwd or "/"), **options)
        return start(order, ENV if env is None else env, Path(folder, "run")).follow(echo)


def python(script: str, **options) -> Outcome:
    return run(sys.executable, "-c", script, **options)


def sh(script: str, **options) -> Outcome:
    return run("sh", "-c", script, **options)


def output(script: str) -> str:
    pieces: list[str] = []
    sh(script, echo=pieces.append)
    return "".join(pieces)


def interrupt_once(*told: Callable[[], object]) -> threading.Thread:
    """Interrupt this process as soon as something is so, and once more as soon as the next thing is so."""

    def interrupt() -> None:
        for each in told:
            wait_for(each, 60)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    return thread


def test_a_command_that_succeeds_is_finished_without_an_error() -> None:
    outcome = sh("sleep 0.2; echo hi")
    assert (outcome.exit_code, outcome.status, outcome.error) == (0, "finished", None)
    assert 0.2 <= outcome.duration_s < 60


def test_a_command_that_fails_says_its_last_lines_and_its_exit_code() -> None:
    outcome = python("print('before'); raise ValueError('boom')")
    assert (outcome.exit_code, outcome.status) == (1, "failed")
    assert outcome.error is not None
    assert outcome.error.startswith("before\nTraceback")
    assert outcome.error.endswith("ValueError: boom")


def test_a_command_that_fails_silently_has_an_error_too() -> None:
    assert sh("exit 3").error == "exit code 3, without output"


def test_a_command_ended_by_a_signal_says_which() -> None:
    outcome = sh("echo almost; kill -9 $$")
    assert (outcome.exit_code, outcome.status) == (-9, "failed")
    assert outcome.error == "almost\nended by signal 9 (SIGKILL; out of memory?)"


def test_the_error_is_short_and_as_a_screen_shows_it() -> None:
    many = sh("i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; exit 1").error or ""
    assert many.splitlines()[-1] == "line 499"
    assert len(many.splitlines()) == ERROR_LINES
    assert len(python("print('x' * 100_000); raise SystemExit(1)").error or "") == ERROR_CHARS
    assert sh(r"printf '\r 1%%\r 50%%\r99%%\n\033[31mred\033[0m\r\nend\n'; exit 1").error == "99%\nred\nend"


def test_stdout_and_stderr_come_in_their_order_and_progress_bars_pass() -> None:
    assert output(r"echo a; echo b >&2; printf '1%%\r2%%\r'; echo c") == "a\nb\n1%\r2%\rc\n"


def test_output_is_shown_while_the_command_runs(tmp_path: Path) -> None:
    seen: list[str] = []

    def see(text: str) -> None:
        seen.append(text)
        (tmp_path / f"seen{''.join(seen).count('.')}").touch()

    script = f"for i in 1 2 3; do printf .; n=0; while [ ! -e {tmp_path}/seen$i ]; do sleep 0.02; "
    script += "n=$((n+1)); [ $n -lt 3000 ] || exit 9; done; done"  # each goes on only when it was seen
    assert sh(script, echo=see).exit_code == 0
    assert seen == [".", ".", "."]


def test_a_character_cut_in_two_is_whole_and_a_broken_one_is_marked() -> None:
    assert output(r"printf '\303'; sleep 0.2; printf '\251'") == "é"
    assert output(r"printf 'a\377b\303'") == "a\ufffdb\ufffd"


def test_much_output_on_a_slow_screen_loses_nothing() -> None:
    size = 0

    def slow(text: str) -> None:
        nonlocal size
        size += len(text)
        time.sleep(0.08)  # longer than a supervisor waits at a time

    assert sh("head -c 6000000 /dev/zero | tr '\\0' x", echo=slow).status == "finished"
    assert size == 6_000_000


def test_the_command_reads_no_input_and_cannot_hang_on_it() -> None:
    read, write = os.pipe()
    before = os.dup(0)
    os.dup2(read, 0)
    try:
        assert run("timeout", "30", "cat").exit_code == 0
    finally:
        os.dup2(before, 0)
        for each in (read, write, before):
            os.close(each)


def test_the_environment_is_the_given_one(tmp_path: Path) -> None:
    pieces: list[str] = []
    run("/usr/bin/env", env={"A": "1"}, echo=pieces.append)
    told = dict(line.split("=", 1) for line in "".join(pieces).split())
    assert told.pop(JOURNAL_VARIABLE).endswith("/run/journal.jsonl")
    assert told == {"A": "1", "PYTHONUNBUFFERED": "1"}


def test_the_program_is_found_on_the_path_of_the_given_environment(tmp_path: Path) -> None:
    tool = tmp_path / "mytool"
    tool.write_text("#!/bin/sh\nexit 7\n")
    tool.chmod(0o755)
    assert run("mytool", env={"PATH": str(tmp_path)}).exit_code == 7


def test_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    pieces: list[str] = []
    run("printf", "%s|", "a b", "$HOME", "*", "; rm x", echo=pieces.append, cwd=tmp_path)
    assert "".join(pieces) == "a b|$HOME|*|; rm x|"


@pytest.mark.parametrize("number", ["INT", "TERM"])
def test_an_interrupt_ends_the_command_and_its_children_gently(tmp_path: Path, number: str) -> None:
    deaf = "trap '' INT; " if number == "TERM" else ""
    script = (
        f"{deaf}trap 'echo saved; exit 5' {number}; sleep 60 & echo $! > {tmp_path}/pid; while :; do sleep 0.05; done"
    )
    pieces: list[str] = []
    interrupt = interrupt_once((tmp_path / "pid").exists)
    outcome = sh(script, echo=pieces.append, grace=1.0)  # a shell's background jobs are deaf to INT
    interrupt.join()
    assert (outcome.status, outcome.exit_code, outcome.error) == ("stopped", 5, None)
    assert "saved\n" in "".join(pieces)
    assert outcome.duration_s < 50
    assert not is_running(int((tmp_path / "pid").read_text()))


STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: open(sys.argv[1] + f"/heard/{os.getpid()}", "w").close())
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
open(sys.argv[1] + f"/begun/{os.getpid()}", "w").close()
while True:
    time.sleep(60)
"""


@pytest.mark.parametrize("interrupts", [1, 2])
def test_a_command_that_ignores_the_interrupt_is_killed_with_its_children(tmp_path: Path, interrupts: int) -> None:
    begun, heard = tmp_path / "begun", tmp_path / "heard"
    for each in (begun, heard):
        each.mkdir()
    when = (lambda: len(list(begun.iterdir())) == 2, lambda: len(list(heard.iterdir())) == 2)
    interrupt = interrupt_once(*when[:interrupts])
    grace = 1.0 if interrupts == 1 else 60.0
    outcome = run(sys.executable, "-c", STUBBORN, str(tmp_path), grace=grace)
    interrupt.join()
    assert (outcome.status, outcome.exit_code) == ("stopped", -9)
    assert outcome.duration_s < 50
    pids = [int(path.name) for path in begun.iterdir()]
    assert len(pids) == 2
    wait_for(lambda: not any(is_running(pid) for pid in pids), 10)


def test_a_child_that_outlives_the_gentle_end_is_killed_after_the_grace(tmp_path: Path) -> None:
    deaf = f"trap '' INT TERM; echo $$ > {tmp_path}/pid; exec sleep 60"
    interrupt = interrupt_once((tmp_path / "pid").exists)
    outcome = sh(f'sh -c "{deaf.replace("$", chr(92) + "$")}" > /dev/null 2>&1 & wait', grace=0.9)
    interrupt.join()
    assert outcome.status == "stopped"
    assert 1.7 < outcome.duration_s < 50  # twice the grace
    wait_for(lambda: not is_running(int((tmp_path / "pid").read_text())), 10)


def test_a_grandchild_that_keeps_the_output_open_does_not_hold_us_up(tmp_path: Path) -> None:
    pieces: list[str] = []
    outcome = sh(f"sleep 200 & echo $! > {tmp_path}/pid; echo done", echo=pieces.append)
    assert outcome.status == "finished"
    assert "".join(pieces) == "done\n"
    pid = int((tmp_path / "pid").read_text())
    assert is_running(pid)
    os.kill(pid, 9)


def test_a_grandchild_that_prints_for_ever_neither_holds_us_up_nor_blocks(tmp_path: Path) -> None:
    script = f"(while :; do echo noise; echo x >> {tmp_path}/alive; done) & echo $! > {tmp_path}/pid"
    outcome = sh(script, echo=lambda text: time.sleep(0.02))
    pid = int((tmp_path / "pid").read_text())
    try:
        assert outcome.duration_s < 60
        time.sleep(0.5)  # more than a pipe takes
        first = (tmp_path / "alive").stat().st_size
        wait_for(lambda: (tmp_path / "alive").stat().st_size > first, 60)
    finally:
        os.kill(pid, 9)


def test_a_command_that_closes_its_output_is_still_waited_for_and_can_be_stopped(tmp_path: Path) -> None:
    assert sh("exec >&- 2>&-; sleep 0.5; exit 4").exit_code == 4
    interrupt = interrupt_once((tmp_path / "deaf").exists)
    outcome = sh(f"exec >&- 2>&-; trap '' INT TERM; : > {tmp_path}/deaf; sleep 60", grace=0.3)
    interrupt.join()
    assert outcome.status == "stopped"
    assert outcome.duration_s < 50


def test_a_screen_that_fails_leaves_no_process_behind(tmp_path: Path) -> None:
    def broken(text: str) -> None:
        raise RuntimeError("no screen")

    with pytest.raises(RuntimeError, match="no screen"):
        sh(f"echo $$ > {tmp_path}/pid; echo hi; sleep 60", echo=broken)
    wait_for(lambda: not is_running(int((tmp_path / "pid").read_text())), 10)


def error(*argv: str, cwd: Path | None = None) -> RenexError:
    with pytest.raises(RenexError) as caught:
        run(*argv, cwd=cwd)
    assert caught.value.hint
    return caught.value


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    told = error("no-such-tool", "--x")
    assert told.code == "not_found"
    assert "'no-such-tool'" in told.message
    assert error("true", cwd=tmp_path / "nowhere").message.startswith(f"no folder {tmp_path}/nowhere")


def test_a_command_that_cannot_be_run_says_why(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("print(1)")
    assert error(str(script)).code == "permission"
    script.chmod(0o755)
    assert "no program" in error(str(script)).message
    script.write_text("#!/no/such/interpreter\n")
    assert error(str(script)).code == "not_found"
    assert error("a\0b").code == "invalid_argument"
    assert error().code == "invalid_argument"
    assert error(3).code == "invalid_argument"  # type: ignore[arg-type]


def test_a_command_line_is_split_as_a_shell_does() -> None:
    assert split_command("python train.py --name 'a b' --x=\"c d\" e\\ f") == [
        *("python", "train.py", "--name", "a b", "--x=c d", "e f"),
    ]


@pytest.mark.parametrize("text", ["echo 'open", 'echo "open', "echo \\", "", "   "])
def test_a_command_line_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RenexError) as caught:
        split_command(text)
    assert caught.value.code == "invalid_argument"
    assert caught.value.hint


def test_no_descriptor_and_no_thread_is_left(tmp_path: Path) -> None:
    def held() -> tuple[int, int]:
        gc.collect()  # what a test before left
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    sh("true")
    descriptors, threads = held()
    for _ in range(5):
        sh("echo x; exit 1")
    assert held()[0] <= descriptors
    wait_for(lambda: held()[1] <= threads, 10)


def test_the_module_can_be_imported_without_fcntl() -> None:
    script = "import sys; sys.modules['fcntl'] = None; import renex_jupyter.tasks.process, renex_jupyter.capture.files"
    script += ", renex_jupyter.tasks.checkout, renex_jupyter.store.blobs"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_more_than_a_thousand_open_files_do_no_harm(tmp_path: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    taken = [os.open(tmp_path, os.O_RDONLY) for _ in range(1100)]
    try:
        pieces: list[str] = []
        assert sh("echo hi", echo=pieces.append).status == "finished"
        assert pieces == ["hi\n"]
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
