from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.manager import start_new_kernel
from traitlets.config import Config

from renex_jupyter.capture.recorder import Recorder
from renex_jupyter.records.snapshots import CellExecution


@pytest.fixture
def shell() -> Iterator[Any]:
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    yield InteractiveShell.instance(config=config)
    InteractiveShell.clear_instance()


@pytest.fixture
def recorder(shell: Any) -> Recorder:
    recorder = Recorder(shell, "session")
    recorder.start()
    return recorder


def run(shell: Any, source: str, cell_id: str | None = None) -> None:
    shell.run_cell(source, store_history=True, cell_id=cell_id)


def test_cells_are_kept_in_order_with_count_time_and_how_they_ended(shell: Any, recorder: Recorder) -> None:
    run(shell, "import time; time.sleep(0.05)", "a")
    run(shell, "raise ValueError('no')", "b")
    run(shell, "x = = 1", "c")
    first, second, third = recorder.executions()
    assert [each.seq for each in recorder.executions()] == [1, 2, 3]
    assert (first.session_id, first.cell_id, first.execution_count, first.status, first.error) == (
        "session",
        "a",
        1,
        "ok",
        None,
    )
    assert first.duration_s is not None
    assert 0.05 <= first.duration_s < 60
    assert first.started_at is not None
    assert (second.status, second.error, second.source) == ("error", "ValueError: no", "raise ValueError('no')")
    assert third.status == "error"
    assert third.error is not None
    assert third.error.startswith("SyntaxError: ")


def test_the_source_is_kept_as_typed(shell: Any, recorder: Recorder) -> None:
    run(shell, "%pwd\n!true")
    assert recorder.executions()[0].source == "%pwd\n!true"


def test_an_interrupted_cell_says_so(shell: Any, recorder: Recorder) -> None:
    run(shell, "raise KeyboardInterrupt")
    assert recorder.executions()[0].status == "interrupted"


def test_the_running_cell_is_included(shell: Any, recorder: Recorder) -> None:
    shell.user_ns["seen"] = []
    shell.user_ns["recorder"] = recorder
    run(shell, "seen.extend(recorder.executions())", "now")
    seen: list[CellExecution] = shell.user_ns["seen"]
    assert [(each.cell_id, each.status, each.execution_count) for each in seen] == [("now", "running", 1)]
    assert recorder.executions()[0].status == "ok"


def test_the_body_of_a_cell_magic_is_no_cell_of_its_own(shell: Any, recorder: Recorder) -> None:
    def body(_: str, cell: str) -> None:
        shell.run_cell(cell)
        shell.run_cell("kept = 1", store_history=True)
        shell.run_cell("")  # nothing begins here, but IPython reports an end
        shell.run_cell("get_ipython().run_cell('deeper = 1')")

    shell.register_magic_function(body, "cell", "body")
    run(shell, "%%body\n1 / 0", "outer")
    run(shell, "after = 1", "next")
    assert [(each.cell_id, each.status) for each in recorder.executions()] == [("outer", "ok"), ("next", "ok")]
    assert recorder.executions()[0].source == "%%body\n1 / 0"


def test_empty_cells_and_questions_of_the_front_end_are_not_recorded(shell: Any, recorder: Recorder) -> None:
    run(shell, "   ")
    shell.run_cell("inspected = 1")
    shell.run_cell("silent = 1", silent=True)
    run(shell, "mine = 1")
    assert [each.source for each in recorder.executions()] == ["mine = 1"]


def test_what_ran_before_the_start_comes_from_the_history(shell: Any) -> None:
    run(shell, "early = 1")
    run(shell, "raise ValueError")
    told: list[CellExecution] = []
    recorder = Recorder(shell, "s", told.append)
    recorder.start()
    run(shell, "late = 1")
    assert [(each.seq, each.execution_count, each.status) for each in recorder.executions()] == [
        (1, 1, None),
        (2, 2, None),
        (3, 3, "ok"),
    ]
    assert told == list(recorder.executions())


def test_the_cell_that_starts_the_recorder_is_recorded_once(shell: Any) -> None:
    recorder = shell.user_ns["recorder"] = Recorder(shell)
    run(shell, "early = 1")
    run(shell, "recorder.start()", "loads")
    run(shell, "late = 1")
    assert [(each.source, each.status) for each in recorder.executions()] == [
        ("early = 1", None),
        ("recorder.start()", "ok"),
        ("late = 1", "ok"),
    ]


def test_starting_and_stopping_twice_changes_nothing(shell: Any, recorder: Recorder) -> None:
    recorder.start()
    run(shell, "x = 1")
    recorder.stop()
    recorder.stop()
    run(shell, "y = 1")
    assert [each.source for each in recorder.executions()] == ["x = 1"]
    recorder.start()
    assert [each.source for each in recorder.executions()] == ["x = 1", "y = 1"]


def test_a_second_recorder_takes_over_from_one_that_was_left_behind(shell: Any, recorder: Recorder) -> None:
    second = Recorder(shell)
    second.start()
    run(shell, "x = 1")
    assert recorder.executions() == ()
    assert len(second.executions()) == 1


def test_a_callback_that_fails_is_told_once_and_never_reaches_the_cell(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: CellExecution) -> None:
        raise OSError("disk full")

    recorder = Recorder(shell, "s", refuse)
    recorder.start()
    for _ in range(3):
        run(shell, "x = 1")
    printed = capsys.readouterr()
    assert printed.err.count("renex:") == 1
    assert "OSError: disk full" in printed.err
    assert "Traceback" not in printed.out + printed.err
    assert [each.status for each in recorder.executions()] == ["ok"] * 3


def test_an_error_that_cannot_be_printed_is_recorded_all_the_same(shell: Any, recorder: Recorder) -> None:
    run(shell, "class Odd(Exception):\n    def __str__(self): raise RuntimeError\n")
    run(shell, "raise Odd")  # IPython stumbles over it too, and reports what it met
    assert recorder.executions()[-1].error == "RuntimeError"
    assert recorder.executions()[-1].status == "error"


def test_what_an_interrupt_left_open_does_not_swallow_later_cells(shell: Any, recorder: Recorder) -> None:
    shell.events.trigger(
        "pre_run_cell", type("Call", (), {"cell_id": "lost", "store_history": True, "silent": False, "raw_cell": "x"})
    )
    run(shell, "y = 1", "next")
    assert [each.cell_id for each in recorder.executions()] == ["lost", "next"]


KERNEL = (
    "from renex_jupyter.capture.recorder import Recorder\nrecorder = Recorder(get_ipython(), 's')\nrecorder.start()"
)
SHOW = "import json; print(json.dumps([(e.cell_id, e.status, e.error) for e in recorder.executions()]))"


def execute(client: Any, source: str, cell_id: str, begun: Callable[[], object] | None = None) -> str:
    """Execute as JupyterLab does: with the id of the cell in the metadata; `begun` is called once it prints."""
    content = {"code": source, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    message = client.session.msg("execute_request", content, metadata={"cellId": cell_id})
    client.shell_channel.send(message)
    printed = ""
    while True:
        got = client.get_iopub_msg(timeout=120)
        if got["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        if got["msg_type"] == "stream":
            printed += got["content"]["text"]
            if begun:
                begun()
                begun = None  # one text may come in two messages
        if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
            return printed


def test_in_a_real_kernel_interrupts_awaits_and_magics_are_recorded_as_the_cells_they_are() -> None:
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        execute(client, KERNEL, "load")
        execute(client, "import asyncio; await asyncio.sleep(0.01)", "async")
        execute(client, "%%time\ntotal = sum(range(10))", "magic")
        for source, cell_id in (
            ("import time; print('begun', flush=True); time.sleep(600)", "sync"),
            ("print('begun', flush=True)\nwhile True: await asyncio.sleep(0.1)", "awaiting"),
        ):
            execute(client, source, cell_id, begun=lambda: os.kill(manager.provisioner.pid, signal.SIGINT))
        found = {cell_id: status for cell_id, status, _ in json.loads(execute(client, SHOW, "show"))}
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert found == {
        "load": "ok", "async": "ok", "magic": "ok", "sync": "interrupted", "awaiting": "interrupted", "show": "running",
    }  # fmt: skip
