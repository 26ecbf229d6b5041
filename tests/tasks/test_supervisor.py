import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from supervised import RUN, begun, is_running, points, python, ran, sh, wait_for

from renex_jupyter.errors import RenexError
from renex_jupyter.session.kept_output import output_in
from renex_jupyter.store.store import Store
from renex_jupyter.tasks import process
from renex_jupyter.tasks.process import read_outcome, stop
from renex_jupyter.tasks.watching import watch


def pids_in(folder: Path) -> list[int]:
    return [int(path.read_text()) for path in folder.glob("pid*") if path.read_text().strip()]


def test_the_folder_of_a_run_is_private_and_tells_who_runs_it(tmp_path: Path) -> None:
    before = time.time()
    supervised = begun(tmp_path, "sh", "-c", f"echo hi; until [ -e {tmp_path}/go ]; do sleep 0.05; done")
    state = supervised.wait_begun()
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    assert {key: state[key] for key in supervised.identity} == supervised.identity
    assert psutil.Process(state["child"]).ppid() == state["pid"]
    assert before - 0.1 <= state["started"] <= time.time() + 0.1  # of two clocks
    assert read_outcome(tmp_path / "run") is None
    (tmp_path / "go").touch()
    outcome = supervised.follow(lambda text: None)
    assert outcome == read_outcome(tmp_path / "run")
    assert (outcome.status, outcome.output_size) == ("finished", 3)
    assert (tmp_path / "run" / "supervisor.log").read_text() == ""


def test_no_file_of_a_run_holds_its_arguments_or_its_environment(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TOKEN", "hunter2hunter2")
    sh(tmp_path, "test $TOKEN = hunter2hunter2 # swordfish")
    for file in (tmp_path / "run").rglob("*"):
        assert not any(secret in file.read_bytes() for secret in (b"hunter2", b"swordfish"))


def test_a_short_action_costs_little(tmp_path: Path) -> None:
    def cost(action) -> tuple[float, float]:
        before, begin = os.times(), time.perf_counter()
        action()
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        return used, time.perf_counter() - begin

    alone, supervised = [], []
    for number in range(7):  # in turn, so that both meet the same neighbours
        alone.append(cost(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)))
        supervised.append(cost(lambda number=number: python(tmp_path / str(number), "pass")))
    (cpu, seconds), (cpu_alone, seconds_alone) = (
        map(min, zip(*supervised, strict=False)),
        map(min, zip(*alone, strict=False)),
    )
    print(f"{cpu:.3f} s of CPU in {seconds:.3f} s, a Python alone {cpu_alone:.3f} s in {seconds_alone:.3f} s")
    assert cpu - cpu_alone <= max(0.2, 12 * cpu_alone)  # on a slow machine both take longer
    assert seconds - seconds_alone <= max(0.5, 12 * seconds_alone)


def test_an_action_that_takes_too_long_is_stopped_and_failed(tmp_path: Path) -> None:
    outcome = sh(tmp_path, "trap 'echo saved; exit 3' INT; while :; do sleep 0.05; done", timeout=2.0)
    assert (outcome.status, outcome.exit_code) == ("failed", 3)
    assert outcome.error == "timeout: it took longer than 2 s."
    assert outcome.duration_s >= 2.0
    assert output_in(tmp_path / "run") == "saved\n"


def test_a_timeout_comes_also_while_nobody_reads_the_output(tmp_path: Path) -> None:
    supervised = begun(tmp_path, "yes", timeout=1.0, grace=0.5)
    wait_for(lambda: read_outcome(tmp_path / "run") is not None)  # the pipe to us is full all the time
    outcome = supervised.follow(lambda text: None)
    assert outcome.status == "failed"
    assert outcome.error == "timeout: it took longer than 1 s."


HUNGRY = (  # it is slow to be looked at on a slow machine: it does not grow for ever
    "import time\nblocks = []\nfor _ in range(20):\n    blocks.append(bytearray(b'x') * 20_000_000)\n    time.sleep(0.05)\n"
    "time.sleep(120)"
)


def test_an_action_that_takes_too_much_memory_is_killed_and_failed(tmp_path: Path) -> None:
    outcome = python(tmp_path, HUNGRY, memory=200 * 2**20, timeout=100)
    assert (outcome.status, outcome.exit_code) == ("failed", -9)
    assert outcome.error.startswith("memory limit of 200.0 MiB exceeded: ")
    assert 200 * 2**20 < outcome.peak_memory_bytes < 800 * 2**20


def test_the_memory_of_children_counts_and_what_they_share_counts_once(tmp_path: Path) -> None:
    forks = "import os, time\nblock = bytearray(b'x') * 100_000_000\nfor _ in range(3):\n    if not os.fork(): break\n"
    outcome = python(tmp_path / "shared", forks + "time.sleep(1.5)", memory=250 * 2**20)
    assert outcome.status == "finished"
    assert 100_000_000 < outcome.peak_memory_bytes < 200_000_000
    forks = "import os, time\nfor _ in range(3):\n    if not os.fork(): break\nblock = bytearray(b'x') * 100_000_000\n"
    outcome = python(tmp_path / "each", forks + "time.sleep(100)", memory=250 * 2**20)
    assert (outcome.status, outcome.error and outcome.error[:12]) == ("failed", "memory limit")


def test_the_peak_of_an_action_shorter_than_a_look_is_known(tmp_path: Path) -> None:
    outcome = python(tmp_path, "block = bytearray(b'x') * 150_000_000")
    assert 150_000_000 < outcome.peak_memory_bytes < 400_000_000


DAEMON = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for each in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), each)
    open(sys.argv[1] + "/pid", "w").write(str(os.getpid()))
    time.sleep(60)
    os._exit(0)
os.wait()
time.sleep({sleep})
"""


def test_a_daemon_of_a_stopped_action_is_gone(tmp_path: Path) -> None:
    supervised = begun(tmp_path, sys.executable, "-c", DAEMON.replace("{sleep}", "60"), str(tmp_path), grace=0.5)
    wait_for(lambda: pids_in(tmp_path))
    (pid,) = pids_in(tmp_path)
    state = supervised.wait_begun()
    assert os.getsid(pid) != os.getsid(state["child"])
    assert stop(state)
    assert supervised.follow(lambda text: None).status == "stopped"
    assert not is_running(pid)


def test_a_daemon_of_an_action_that_ended_by_itself_lives_on(tmp_path: Path) -> None:
    outcome = ran(tmp_path, sys.executable, "-c", DAEMON.replace("{sleep}", "0"), str(tmp_path))
    assert outcome.status == "finished"
    wait_for(lambda: pids_in(tmp_path))
    (pid,) = pids_in(tmp_path)
    assert is_running(pid)
    os.kill(pid, signal.SIGKILL)


def test_anybody_can_stop_an_action_and_a_second_time_kills_it(tmp_path: Path) -> None:
    script = f"trap '' INT TERM; echo $$ > {tmp_path}/pid1; (trap '' INT TERM; sleep 60) & echo $! > {tmp_path}/pid2; sleep 60"
    supervised = begun(tmp_path, "sh", "-c", script, grace=60.0)
    wait_for(lambda: len(pids_in(tmp_path)) == 2)
    state = supervised.wait_begun()
    assert stop(state)
    time.sleep(0.5)
    assert all(map(is_running, pids_in(tmp_path)))
    assert stop(state)
    outcome = supervised.follow(lambda text: None)
    assert (outcome.status, outcome.exit_code) == ("stopped", -9)
    assert not any(map(is_running, pids_in(tmp_path)))
    assert not stop(state)  # nobody is there any more
    assert not stop({**state, "pid": os.getpid()})  # nor is it somebody else


def test_a_stop_that_comes_before_the_supervisor_listens_is_heard(tmp_path: Path) -> None:
    supervised = begun(tmp_path, "sleep", "30")
    assert stop(supervised.identity)  # it still loads Python
    assert supervised.follow(lambda text: None).status == "stopped"


def test_a_killed_supervisor_takes_its_action_along_and_the_run_is_lost(tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/pid1; sleep 61 & echo $! > {tmp_path}/pid2; sleep 60"
    supervised = begun(tmp_path, "sh", "-c", script)
    wait_for(lambda: len(pids_in(tmp_path)) == 2)
    supervised.wait_begun()
    main, other = (int((tmp_path / name).read_text()) for name in ("pid1", "pid2"))
    supervised.process.kill()
    wait_for(lambda: not is_running(main))  # nobody has looked yet
    outcome = supervised.follow(lambda text: None)
    assert (outcome.status, outcome.error) == ("lost", "its supervisor ended by signal 9")
    wait_for(lambda: not is_running(other), 30)


KERNEL = """
import os, sys
from pathlib import Path
from renex_jupyter.tasks.order import Order
from renex_jupyter.tasks.process import start
folder = Path(sys.argv[1])
script = f"echo begun; until [ -e {folder}/go ]; do sleep 0.05; done; "
script += f"i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; touch {folder}/ended"
closer = ("sh", "-c", f'cp {folder}/run/outcome.json {folder}/closed; echo "[$RENEX_RUN_ID]" >> {folder}/closed')
order = Order("ab" * 16, str(folder / "store"), ("sh", "-c", script), "/", closer=closer, detached=len(sys.argv) > 2)
supervised = start(order, dict(os.environ), folder / "run")
if order.detached:
    supervised.wait_begun()
    supervised.let_go()
else:
    supervised.follow(lambda text: print(text, flush=True))
"""


def test_an_action_outlives_a_killed_kernel_and_its_end_is_recorded(tmp_path: Path) -> None:
    env = {**os.environ, "RENEX_RUN_ID": RUN}
    kernel = subprocess.Popen([sys.executable, "-c", KERNEL, str(tmp_path)], stdout=subprocess.PIPE, env=env)
    assert kernel.stdout.readline() == b"begun\n"
    kernel.kill()
    kernel.wait()
    (tmp_path / "go").touch()
    wait_for(lambda: (tmp_path / "closed").exists() and b"]" in (tmp_path / "closed").read_bytes())
    assert (tmp_path / "ended").exists()
    outcome = read_outcome(tmp_path / "run")
    assert (outcome.status, outcome.exit_code) == ("finished", 0)
    told, run_id = (tmp_path / "closed").read_text().split("[")
    assert json.loads(told)["status"] == "finished"
    assert run_id == "]\n"  # who records the end is not within the run
    assert output_in(tmp_path / "run").endswith("line 19999\n")
    kernel.stdout.close()


def test_a_detached_action_is_recorded_by_its_closer_while_the_kernel_lives(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KERNEL, str(tmp_path), "detached"], check=True, timeout=60)
    assert not (tmp_path / "ended").exists()
    (tmp_path / "go").touch()
    wait_for((tmp_path / "closed").exists)


def test_a_watched_action_is_not_recorded_by_its_closer(tmp_path: Path) -> None:
    sh(tmp_path, "true", closer=("touch", f"{tmp_path}/closed"))
    time.sleep(0.3)
    assert not (tmp_path / "closed").exists()


def test_a_command_that_cannot_be_started_is_told_to_who_detaches(tmp_path: Path) -> None:
    supervised = begun(tmp_path, "no-such-tool", detached=True, closer=("touch", f"{tmp_path}/closed"))
    with pytest.raises(RenexError, match="no-such-tool"):
        supervised.wait_begun()
    assert read_outcome(tmp_path / "run").fault["code"] == "not_found"
    supervised.process.wait()
    assert not (tmp_path / "closed").exists()


def test_somebody_else_watches_from_the_beginning_to_the_end(tmp_path: Path) -> None:
    script = r"echo begin; for i in 1 2 3; do printf '\r%s0%%' $i; until [ -e seen$i ]; do sleep 0.02; done; done; "
    begun(tmp_path, "sh", "-c", script + "echo; echo end; exit 4", detached=True)
    wait_for(lambda: "10%" in output_in(tmp_path / "run"))
    pieces: list[str] = []

    def see(text: str) -> None:
        pieces.append(text)
        (tmp_path / f"seen{''.join(pieces).count('%')}").touch()

    outcome = watch(tmp_path / "run", see, interval=0.1)
    assert (outcome.status, outcome.exit_code) == ("failed", 4)
    assert "".join(pieces) == "begin\n10%\r20%\r30%\nend\n"
    assert watch(tmp_path / "nowhere", pieces.append) is None


def test_watching_does_not_end_with_a_killed_supervisor(tmp_path: Path) -> None:
    supervised = begun(tmp_path, "sleep", "60")
    supervised.wait_begun()
    found: list[object] = [1]
    thread = threading.Thread(target=lambda: found.append(watch(tmp_path / "run", print)))
    thread.start()
    time.sleep(0.3)
    supervised.process.kill()
    thread.join(60)
    assert found[1:] == [None]
    supervised.follow(lambda text: None)


def test_metrics_come_from_lines_on_stdout_when_asked(tmp_path: Path) -> None:
    script = r"printf 'loss: 1\rloss: 0.5\nepoch 2\nloss: 0.25\nacc : 1e-1\nsee http://x: 80\nlast: nan'"
    sh(tmp_path / "asked", script, parse_stdout=True)
    found = points(tmp_path / "asked")
    assert [each[:2] for each in found] == [("acc", 0), ("last", 0), ("loss", 0), ("loss", 1)]
    assert [each[2] for each in found if each[0] == "loss"] == [0.5, 0.25]
    sh(tmp_path / "not", script)
    assert points(tmp_path / "not") == []
    assert not (tmp_path / "not" / "store").exists()


def test_the_system_is_measured_from_one_interval_on(tmp_path: Path) -> None:
    busy = "import os\nwhile not os.path.exists('enough'): pass"
    supervised = begun(tmp_path, sys.executable, "-c", busy, sample_every=1.0)
    wait_for(lambda: len(points(tmp_path, "key = 'system/cpu_percent'")) >= 2)
    (tmp_path / "enough").touch()
    state = supervised.wait_begun()
    assert supervised.follow(lambda text: None).status == "finished"
    found = points(tmp_path, "true")
    assert {each[0] for each in found} >= {
        *(f"system/{name}" for name in ("cpu_percent", "memory_bytes", "disk_read_bytes", "disk_write_bytes")),
        *("system/network_received_bytes", "system/network_sent_bytes"),
    }
    cpu = [(step, value) for key, step, value, _ in found if key == "system/cpu_percent"]
    query = "select epoch(wallclock) as at from metrics where key = 'system/cpu_percent' order by step"
    first, second, *_ = (row["at"] for row in Store(tmp_path / "store").reader.rows(query))
    assert cpu[0][0] == 0 and first - state["started"] >= 0.99  # of two clocks
    assert cpu[1][0] >= 1 and second - state["started"] >= 1.99
    assert all(1 < value < 150 for _, value in cpu)


def test_an_action_begins_though_somebody_holds_the_pipe_of_its_order_open(tmp_path: Path, monkeypatch) -> None:
    held: list[int] = []
    popen = subprocess.Popen

    class Held(popen):  # as a process does that another thread forks at this moment
        def __init__(self, *args, **options) -> None:
            super().__init__(*args, **options)
            if self.stdin is not None:
                held.append(os.dup(self.stdin.fileno()))

    monkeypatch.setattr(subprocess, "Popen", Held)
    supervised = begun(tmp_path, "echo", "hi")
    monkeypatch.undo()
    try:
        wait_for(lambda: read_outcome(tmp_path / "run") is not None)
    finally:
        for each in held:
            os.close(each)
    assert supervised.follow(lambda text: None).status == "finished"


def test_a_supervisor_that_does_nothing_is_killed_with_its_action(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(process, "STUCK", 0.5)
    supervised = begun(tmp_path, "sleep", "60")
    child = supervised.wait_begun()["child"]
    os.kill(supervised.process.pid, signal.SIGSTOP)
    thread = threading.Thread(target=supervised.stop, daemon=True)
    thread.start()
    thread.join(60)
    if thread.is_alive():
        supervised.process.kill()
    assert not thread.is_alive() or pytest.fail("it waits for ever")
    wait_for(lambda: not is_running(child), 30)


def test_a_third_interrupt_kills_a_supervisor_that_does_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(process, "PROMPT", 60)
    supervised = begun(tmp_path, "sleep", "60")
    child = supervised.wait_begun()["child"]
    os.kill(supervised.process.pid, signal.SIGSTOP)
    for times in (1, 2, 3):
        supervised.ask(times)
    assert supervised.process.poll() is None  # it may still do it by itself
    monkeypatch.setattr(process, "PROMPT", 0)
    time.sleep(0.01)
    supervised.ask(4)
    try:
        wait_for(lambda: supervised.process.poll() is not None, 30)
    finally:
        supervised.process.kill()
    wait_for(lambda: not is_running(child), 30)
    assert supervised.follow(lambda text: None).status == "lost"


def test_what_left_the_group_of_an_action_does_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    script = f"setsid sh -c 'echo $$ > {tmp_path}/pid1; exec sleep 61' & exec sleep 60"
    supervised = begun(tmp_path, "sh", "-c", script)
    wait_for(lambda: len(pids_in(tmp_path)) == 1)
    supervised.wait_begun()
    supervised.process.kill()
    assert supervised.follow(lambda text: None).status == "lost"
    wait_for(lambda: not is_running(pids_in(tmp_path)[0]), 30)


def test_a_number_that_is_none_on_stdout_does_no_harm(tmp_path: Path) -> None:
    outcome = sh(tmp_path, "echo 'loss: \u0131nf'; echo 'loss: 2'; echo 'löss: inf'", parse_stdout=True)
    assert outcome.status == "finished"
    assert [each[::2] for each in points(tmp_path)] == [("loss", 2.0), ("löss", float("inf"))]
