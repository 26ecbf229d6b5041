"""What must hold in real kernels: nothing lost when one is killed, nothing in the way when two record at once."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from kernels import Kernel, Start

import renex_jupyter as rx

LOOP = """
import os
acknowledged = os.open("{ack}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
%load_ext renex_jupyter
import renex_jupyter as rx
"""
TASK = """%%task train
step = 0
while True:
    rx.log_metric("loss", step / 7, step=step)
    os.write(acknowledged, b"%d\\n" % step)
    step += 1
"""


def kernel_pid(kernel: Kernel) -> int:
    pid = kernel.manager.provisioner.pid  # type: ignore[union-attr]
    assert isinstance(pid, int)
    return pid


def wait_for(path: Path, size: int) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() or path.stat().st_size < size:
        assert time.monotonic() < deadline, path
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a machine that is busy with other things
def test_twenty_killed_kernels_lose_no_metric_whose_call_had_returned(project: Path, start: Start) -> None:
    expected: list[list[int]] = []
    for number in range(20):
        ack = project / f"ack{number}"
        kernel = start()
        assert kernel.run(LOOP.format(ack=ack))["status"] == "ok"
        kernel.client.execute(TASK)
        wait_for(ack, 200 + 331 * number)
        os.kill(kernel_pid(kernel), signal.SIGKILL)
        kernel.stop()
        lines = ack.read_bytes().split(b"\n")
        expected.append([int(line) for line in lines[:-1]])
        ack.unlink()
    runs = rx.search_runs(order_by="started_at")
    assert list(runs["status"]) == ["lost"] * 20
    for run_id, steps in zip(runs["run_id"], expected, strict=True):
        rows = rx.sql("select step, value from metrics where run_id = ? order by step", [run_id])
        kept = list(rows["step"])
        assert kept[: len(steps)] == steps
        assert len(kept) - len(steps) <= 1  # one more may have been written but not acknowledged
        assert list(rows["value"]) == [step / 7 for step in kept]


def test_two_kernels_record_at_once_while_a_third_process_reads(project: Path, start: Start) -> None:
    body = "for i in range(3000):\n    rx.log_metric('loss', i, step=i)\n    if i % 500 == 0: rx.log_param('at', i)"
    kernels = [start(), start()]
    for name, kernel in zip("ab", kernels, strict=True):
        assert kernel.run("%load_ext renex_jupyter\nimport renex_jupyter as rx")["status"] == "ok"
        kernel.client.execute(f"%%task {name}\n{body}")
    seen, statuses = 0, []
    deadline = time.monotonic() + 240
    while seen < 6000 or statuses != ["finished"] * 2:
        assert time.monotonic() < deadline, f"{seen} of 6000 points, runs {statuses}"
        if (project / ".renex" / "store.json").exists():
            count = int(rx.sql("select count(*) as n from metrics")["n"][0])
            assert count >= seen
            seen, statuses = count, list(rx.sql("select status from runs")["status"])
    for kernel in kernels:
        assert kernel.run("1")["status"] == "ok"
    rows = rx.sql("select name, count(*) n, count(distinct step) s from metrics join runs using (run_id) group by name")
    assert sorted(map(tuple, rows.itertuples(index=False))) == [("a", 3000, 3000), ("b", 3000, 3000)]
    assert rx.get_run("a").params == {"at": 2500}


def test_an_interrupted_task_is_stopped_and_the_kernel_lives(project: Path, start: Start) -> None:
    kernel = start()
    kernel.run("%load_ext renex_jupyter\nimport renex_jupyter as rx, time")
    kernel.client.execute("%%task long\nfor i in range(10_000):\n    rx.log_metric('loss', i)\n    time.sleep(0.01)")
    while not (project / ".renex" / "store.json").exists() or not len(rx.sql("select 1 from metrics limit 1")):
        time.sleep(0.1)
    kernel.manager.interrupt_kernel()
    while (status := kernel.run("x = 1")["status"]) == "aborted":
        time.sleep(0.05)
    assert status == "ok"
    run = rx.get_run("long")
    assert (run.status, run.error) == ("stopped", "KeyboardInterrupt")
    assert run.after_snapshot_id is not None
    assert kernel.run("%%task long\n1")["status"] == "ok"


def test_a_kernel_whose_questions_are_interrupted_answers_the_next(project: Path, start: Start) -> None:
    kernel = start()
    kernel.run("import renex_jupyter as rx\nwith rx.start_run(): pass")
    for wait in (1.0, 0.2, 0.0):
        (project / "begun").unlink(missing_ok=True)
        question = "select count(*) from range(10_000_000_000_000) where hash(range) = 5"  # takes minutes
        asked = kernel.client.execute(f"print('.', file=open('begun', 'w'), flush=True)\nrx.sql('{question}')")
        wait_for(project / "begun", 1)
        time.sleep(wait)
        kernel.manager.interrupt_kernel()
        reply = kernel.client.get_shell_msg(timeout=120)
        assert reply["parent_header"]["msg_id"] == asked
        assert reply["content"].get("ename") == "KeyboardInterrupt"
        while kernel.run("assert len(rx.sql('select * from runs')) == 1")["status"] == "aborted":
            pass
    assert kernel.run("assert len(rx.sql('select * from runs')) == 1")["status"] == "ok"


def test_a_killed_kernel_leaves_no_process_of_ours_behind(project: Path, start: Start) -> None:
    kernel = start()
    kernel.run("%load_ext renex_jupyter\n%snapshot one")
    children = psutil.Process(kernel_pid(kernel)).children(recursive=True)
    ours = [child for child in children if "renex_jupyter" in " ".join(child.cmdline())]  # as long as they live
    os.kill(kernel_pid(kernel), signal.SIGKILL)
    _, alive = psutil.wait_procs(ours, timeout=60)
    assert ours and alive == []


def test_the_magics_are_there_without_loading_anything(project: Path, start: Start) -> None:
    kernel = start()
    reply = kernel.run("%renex status")
    if "UsageError" in str(reply):
        pytest.fail(f"the start-up file is not installed: {reply}")
    assert reply["status"] == "ok"
    assert not (project / ".renex").exists()
