"""Tasks outside of the kernel, with real processes: statuses, limits, what is kept, and that nothing is left."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import renex_jupyter as rx
from renex_jupyter.config import RUN_VARIABLE, settings
from renex_jupyter.errors import RenexError
from renex_jupyter.records.runs import Run
from renex_jupyter.session.current import current
from renex_jupyter.tasks import process
from renex_jupyter.tasks.process_tree import descendants, memory_of

PYTHON = sys.executable


def quiet(_text: str) -> None:
    """Take output and show nothing."""


def folders() -> list[str]:
    return [each.name for each in current().store.layout.runs.iterdir()]


def of_run(run: Run) -> list[psutil.Process]:
    """Return the processes that the run's environment tells of, wherever they are; a fold is the store's own."""
    found = []
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            of_it = each.environ().get(RUN_VARIABLE) == run.run_id and "renex_jupyter.store.fold" not in each.cmdline()
            if of_it and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
    return found


others: set[int] = set()  # processes that a test before has left


@pytest.fixture(autouse=True)
def neighbours() -> None:
    """What a test before has left is not taken for ours."""
    others.clear()
    others.update(each.pid for each in (*supervisors(), *zombies()))


def supervisors() -> list[psutil.Process]:
    """Return the supervisors that this test has started and that live."""
    found = []
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            if each.pid not in others and "renex_jupyter.tasks.supervisor" in each.cmdline():
                found.append(each)
    return found


def zombies() -> list[psutil.Process]:
    """Return the children that have ended and that nobody has asked how."""
    found = []
    for each in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if each.pid not in others and each.status() == psutil.STATUS_ZOMBIE:
                found.append(each)
    return found


def interrupting(*words: str) -> Callable[[str], None]:
    """Return what takes output and interrupts this process, as the Stop button does, when one of some words comes."""

    def echo(text: str) -> None:
        if any(word in text for word in words):
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()

    return echo


def wait_for(what: object, seconds: float = 60.0) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)


def test_a_run_of_a_command_has_its_action_output_memory_and_files(project: Path) -> None:
    (project / "old.txt").write_text("1")
    run = rx.run_task(["sh", "-c", "echo hello; echo 2 > old.txt; echo 3 > new.txt"], name="write", echo=quiet)
    assert (run.status, run.exit_code, run.executor, run.kind) == ("finished", 0, "process", "command")
    assert run.action is not None
    assert run.action["cwd"] == "."
    assert run.action["argv"][:2] == ["sh", "-c"]
    assert run.peak_memory_bytes is not None
    assert run.peak_memory_bytes > 2**16
    assert rx.run_output(run) == "hello\n"
    assert run.output_size == 6
    assert [(each.path, each.change) for each in run.files] == [("new.txt", "created"), ("old.txt", "changed")]
    assert "1 created, 1 changed: new.txt, old.txt" in str(run)
    assert rx.run_files(run)["size"].tolist() == [2, 2]
    assert folders() == []


@pytest.mark.parametrize(
    ("argv", "status", "code", "error"),
    [
        (["sh", "-c", "echo no >&2; exit 3"], "failed", 3, "no"),
        (["sh", "-c", "kill -SEGV $$"], "failed", -11, "ended by signal 11 (SIGSEGV)"),
        (["true"], "finished", 0, None),
        (["head", "-c", "300000", "/dev/urandom"], "finished", 0, None),
    ],
)
def test_an_end_has_its_status_and_exit_code(
    project: Path, argv: list[str], status: str, code: int, error: str | None
) -> None:
    run = rx.run_task(argv, echo=quiet)
    assert (run.status, run.exit_code, run.error) == (status, code, error)
    assert run.after_snapshot_id is not None


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize(
    ("argv", "options", "code"),
    [
        (["no-such-program"], {}, "not_found"),
        (["true"], {"cwd": "/no/such/folder"}, "not_found"),
        (["./plain.txt"], {}, "permission"),
    ],
)
def test_what_cannot_be_started_raises_and_its_run_has_failed(
    project: Path, argv: list[str], options: dict[str, str], code: str, detach: bool
) -> None:
    (project / "plain.txt").write_text("no program")
    with pytest.raises(RenexError) as caught:
        rx.run_task(argv, name="wrong", echo=quiet, detach=detach, **options)  # type: ignore[arg-type]
    assert caught.value.code == code
    run = rx.get_run("wrong")
    assert run.status == "failed"
    assert run.error == f"{code}: {caught.value.message}"
    assert run.after_snapshot_id is not None
    assert folders() == []
    assert current().runs == []


def test_a_timeout_and_a_memory_limit_fail_the_run_and_are_recorded(project: Path) -> None:
    slow = rx.run_task(["sleep", "60"], timeout=0.5, echo=quiet)
    assert (slow.status, slow.error) == ("failed", "timeout: it took longer than 0.5 s.")
    big = rx.run_task(
        [PYTHON, "-c", "x = bytearray(500 * 2**20); import time; time.sleep(60)"], memory="200m", echo=quiet
    )
    assert big.status == "failed"
    assert big.error is not None
    assert big.error.startswith("memory limit of 200.0 MiB exceeded")
    assert big.action is not None
    assert big.action["memory"] == 200 * 2**20
    assert slow.after_snapshot_id is not None


def test_an_interrupt_stops_the_command_records_the_run_and_is_raised_again(project: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        rx.run_task(["sh", "-c", "echo up; exec sleep 60"], name="long", echo=interrupting("up"))
    run = rx.get_run("long")
    assert run.status == "stopped"
    assert run.after_snapshot_id is not None
    assert supervisors() == of_run(run) == []


def test_two_interrupts_kill_what_ignores_the_first_and_leave_nobody(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "interrupt_grace", 300.0)  # so that only the second one can kill it
    script = (
        "import signal, time\nsignal.signal(2, lambda *_: print('asked', flush=True))\n"
        "signal.signal(15, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)"
    )
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        rx.run_task([PYTHON, "-c", script], name="stubborn", echo=interrupting("up", "asked"))
    assert time.monotonic() - began < 200
    run = rx.get_run("stubborn")
    assert run.status == "stopped"
    assert supervisors() == of_run(run) == []


def test_a_killed_supervisor_leaves_a_lost_run_and_nothing_running(project: Path) -> None:
    run = rx.run_task(["sleep", "61"], name="victim", detach=True)
    supervisor = psutil.Process(run.pid)
    wait_for(lambda: len(of_run(run)) >= 1)
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_for(lambda: rx.get_run(run).status == "lost")
    wait_for(lambda: not of_run(run))


def test_a_detached_run_goes_on_is_watched_and_its_end_is_recorded_with_the_state_after(project: Path) -> None:
    sign = project.parent / f"{project.name}-goes-on"
    wait = f"n=0; until [ -e '{sign}' ] || [ $n = 600 ]; do n=$((n+1)); sleep 0.1; done"
    run = rx.run_task(["sh", "-c", f"echo one; {wait}; echo two; echo x > made.txt"], name="later", detach=True)
    assert run.status == "running"
    assert current().runs == []
    assert rx.active_run() is None
    pieces: list[str] = []

    def take(text: str) -> None:
        pieces.append(text)
        sign.touch()

    ended = rx.attach(run, take)
    assert ended.status == "finished"
    assert "".join(pieces) == "one\ntwo\n" == rx.run_output(run)
    assert [each.path for each in ended.files] == ["made.txt"]
    assert folders() == []
    again: list[str] = []
    assert rx.attach(run, again.append) == ended
    assert "".join(again) == "one\ntwo\n"


def test_the_last_line_of_short_runs_is_seen_by_who_watches_them(project: Path) -> None:
    for _ in range(4):
        said: list[str] = []
        rx.attach(rx.run_task(["sh", "-c", "echo begin; sleep 0.3; echo end"], detach=True), said.append)
        assert "".join(said) == "begin\nend\n"


def test_an_interrupt_while_a_detached_run_begins_leaves_it_to_its_supervisor(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(process.Supervised, "wait_begun", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rx.run_task(["sh", "-c", "sleep 1; exit 3"], name="later", detach=True)
    assert rx.active_run() is None
    wait_for(lambda: rx.get_run("later").status != "running")
    assert (rx.get_run("later").status, rx.get_run("later").exit_code) == ("failed", 3)


def test_a_run_here_does_not_count_the_memory_of_a_detached_one(project: Path) -> None:
    code = "import time; x = b'1' * 900_000_000; print('up', flush=True); time.sleep(600)"
    alone = memory_of([os.getpid(), *descendants(os.getpid())])  # with what tests before have left, and folds
    large = rx.run_task([PYTHON, "-c", code], name="large", detach=True)
    try:
        wait_for(lambda: rx.run_output(large))
        with rx.start_run("here") as run:
            watch = run.watch
            assert watch is not None
            wait_for(lambda: watch._next_memory)  # it has looked at all below this process
        peak = rx.get_run(run.run_id).peak_memory_bytes
        assert peak is not None and peak < alone + 600_000_000
    finally:
        rx.stop(large)


def test_an_interrupt_of_attach_leaves_the_run_running_and_says_so(project: Path) -> None:
    run = rx.run_task(["sh", "-c", "echo up; exec sleep 600"], name="on", detach=True)
    with pytest.raises(KeyboardInterrupt, match=r"run 'on' .* goes on"):
        rx.attach(run, interrupting("up"))
    assert rx.get_run(run).status == "running"
    assert rx.stop(run).status == "stopped"
    wait_for(lambda: not zombies())


def test_the_output_so_far_of_a_running_run_is_there_without_secrets(project: Path) -> None:
    token = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    run = rx.run_task(["sh", "-c", f"echo token {token[:10]}''{token[10:]}; sleep 60"], detach=True)
    wait_for(lambda: rx.run_output(run))
    assert token not in rx.run_output(run)
    rx.stop(run)
    assert "redacted" in rx.run_output(run)
    assert token not in rx.run_output(run)


def test_a_run_that_is_over_cannot_be_stopped_and_one_left_open_here_is_ended(project: Path) -> None:
    done = rx.run_task(["true"], echo=quiet)
    with pytest.raises(RenexError, match="is over: finished"):
        rx.stop(done)
    opened = rx.start_run("open")
    assert rx.stop(opened).status == "stopped"
    assert rx.active_run() is None


def test_metrics_of_lines_and_of_the_journal_are_on_the_run_and_those_of_the_system_are_not_shown(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "system_metrics_interval", 0.3)
    sampled = "grep -qs system/memory_bytes .renex/journal/*.points.jsonl"
    wait = f"n=0; until {sampled} || [ $n = 600 ]; do n=$((n+1)); sleep 0.1; done"
    script = f"""echo 'loss: 0.5'; echo '{{"key":"acc","value":0.9,"step":3}}' >> "$RENEX_JOURNAL"; {wait}"""
    run = rx.run_task(["sh", "-c", script], parse_stdout=True, echo=quiet)
    assert dict(run.metrics) == {"loss": 0.5, "acc": 0.9}
    assert "system" not in run.line
    assert len(rx.metric_history(run.run_id, "system/memory_bytes")) >= 1
    assert not [name for name in rx.search_runs() if "system/" in name]
    after = rx.get_snapshot(run.after_snapshot_id)
    assert dict(after.metrics) == {"loss": 0.5, "acc": 0.9}


def test_the_gpus_that_a_command_sees_are_those_it_was_given(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    seen = {
        gpus: rx.run_output(rx.run_task(["printenv", "CUDA_VISIBLE_DEVICES"], gpus=gpus, echo=quiet)).strip()
        for gpus in (0, 2, "0,2", "3,", "all")
    }
    assert seen == {0: "-1", 2: "4,5", "0,2": "0,2", "3,": "3", "all": "4,5,6"}


@pytest.mark.parametrize(
    "wrong", [{"timeout": 0}, {"timeout": "soon"}, {"memory": "much"}, {"memory": 5}, {"gpus": -1}]
)
def test_a_limit_that_is_none_is_refused_before_anything_is_recorded(project: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(RenexError) as caught:
        rx.run_task(["true"], **wrong)  # type: ignore[arg-type]
    assert caught.value.code == "invalid_argument"
    assert not current().store.exists


def test_a_function_takes_no_limits(project: Path) -> None:
    with pytest.raises(RenexError, match="neither limited nor detached"):
        rx.run_task(lambda: None, timeout=3)


def test_secret_arguments_are_neither_in_the_action_nor_in_the_task(project: Path) -> None:
    run = rx.run_task(["echo", "--api-key", "hunter2hunter2"], echo=quiet)
    stored = b"".join(path.read_bytes() for path in (project / ".renex" / "journal").rglob("*") if path.is_file())
    assert b"--api-key" in stored
    assert b"hunter2hunter2" not in stored
    assert run.action is not None
    assert "hunter2hunter2" not in str(run.action)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_tasks_in_a_row_leave_no_process_descriptor_or_thread(project: Path) -> None:
    rx.run_task(["true"], echo=quiet)
    before = (psutil.Process().num_fds(), threading.active_count())
    for _ in range(int(os.environ.get("RENEX_TASKS", "100"))):
        assert rx.run_task(["true"], echo=quiet).status == "finished"
    wait_for(lambda: not supervisors() and not zombies())  # a fold may just be starting or ending
    wait_for(lambda: psutil.Process().num_fds() <= before[0] + 3)
    wait_for(lambda: threading.active_count() <= before[1] + 1)
    assert folders() == []


def test_numbers_paths_and_bytes_are_words_of_a_command(project: Path) -> None:
    said: list[str] = []
    rx.run_task(["echo", 3, 0.5, Path("a/b"), b"bytes"], name="words", echo=said.append)
    assert "".join(said) == "3 0.5 a/b bytes\n"


@pytest.mark.parametrize("wrong", [["true", None], ["true", ["x"]], ["true", "\ud800"], b"true", None, 3])
def test_what_is_no_command_is_refused_before_anything_is_recorded(project: Path, wrong: object) -> None:
    with pytest.raises(RenexError) as caught:
        rx.run_task(wrong, name="wrong")  # type: ignore[arg-type]
    assert caught.value.code == "invalid_argument"
    assert not (project / ".renex").exists()


def test_more_than_a_command_line_takes_is_told_with_what_to_do_instead(project: Path) -> None:
    with pytest.raises(RenexError, match="longer, arguments than this system takes") as caught:
        rx.run_task(["true", "x" * 200_000], name="long")
    assert (caught.value.code, "into a file" in caught.value.hint) == ("invalid_argument", True)


def test_a_folder_that_gets_its_first_file_is_none_that_was_deleted(project: Path) -> None:
    (project / "out").mkdir()
    run = rx.run_task(["sh", "-c", "echo 1 > out/x; mkdir empty"], name="first", echo=quiet)
    assert [(each.path, each.change) for each in run.files] == [("out/x", "created")]


def test_a_program_or_folder_that_is_not_there_is_told_also_where_its_name_is_no_utf_8(project: Path) -> None:
    with pytest.raises(RenexError, match=r"no command '%:\./p%FF'"):
        rx.run_task([b"./p\xff"], echo=quiet)
    with pytest.raises(RenexError, match=r"no folder %:.*/d%FF to run 'true'"):
        rx.run_task(["true"], name="nowhere", cwd=os.fsdecode(b"d\xff"), echo=quiet)
    (project / "l\udcff").symlink_to("l\udcff")
    with pytest.raises(RenexError, match=r"'%:\./l%FF' cannot be started"):
        rx.run_task(["./l\udcff"], echo=quiet)
    assert rx.search_runs()["status"].tolist() == ["failed"] * 3
