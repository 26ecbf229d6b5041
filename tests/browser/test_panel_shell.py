"""The panel's shell: its kernel, what it shows while that is not alive, and what it lets that kernel do."""

import json
import os
import signal
import time
from collections.abc import Callable

import pytest
from lab import KERNEL_MS, Lab, Tab
from playwright.sync_api import expect


def send(command: dict[str, object]) -> str:
    """Code that a widget's callback would run in the panel's kernel."""
    return f"from comm import create_comm; create_comm(target_name='renex:command').send({command!r})"


def test_no_kernel_runs_before_the_panel_is_shown(tab: Tab) -> None:
    tab.open()
    assert tab.panel_sessions() == []
    tab.show_panel()
    assert [each["name"] for each in tab.panel_sessions()] == ["Renex panel"]
    tab.screenshot("panel-light")


def test_a_reload_attaches_to_the_same_kernel(tab: Tab) -> None:
    tab.open().show_panel()
    before = tab.panel_sessions()
    tab.open().show_panel()
    assert tab.panel_sessions() == before


def test_two_tabs_opened_at_once_share_one_kernel(new_tab: Callable[[], Tab]) -> None:
    first, second = new_tab().open(), new_tab().open()
    shut_down_panel(first)
    for tab in (first, second):
        tab.page.evaluate("() => { void window.jupyterapp.commands.execute('renex:show') }")
    first.wait_for_panel()
    second.wait_for_panel()
    first.page.wait_for_timeout(12_000)  # one round of the poll with which a tab learns of the other's kernel
    deadline = time.monotonic() + 60
    while len(first.panel_sessions()) > 1 and time.monotonic() < deadline:
        first.page.wait_for_timeout(500)
    first.wait_for_panel()
    second.wait_for_panel()
    assert len(first.panel_sessions()) == 1
    for tab in (
        first,
        second,
    ):  # the kernel that was one too many may go while its view is being made: ipywidgets logs that
        tab.errors[:] = [error for error in tab.errors if "widget model not found" not in error]


def test_the_panel_lives_on_when_the_notebooks_kernel_restarts(lab: Lab, tab: Tab) -> None:
    lab.write_notebook("restart.ipynb", "print(6 * 7)")
    tab.open("restart.ipynb").show_panel()
    panel_kernel = tab.panel_sessions()
    tab.page.evaluate("""async () => {
        await window.jupyterapp.shell.currentWidget.sessionContext.restartKernel() }""")
    tab.wait_for_idle()
    assert tab.run_cell(0).strip() == "42"
    tab.wait_for_panel()
    assert tab.panel_sessions() == panel_kernel


def test_a_killed_panel_kernel_comes_back_by_itself(tab: Tab) -> None:
    tab.open().show_panel()
    pid = int(tab.run_in_panel_kernel("import os; print(os.getpid())"))
    tab.record_states()
    os.kill(pid, signal.SIGKILL)
    tab.wait_for_state("Panel is restarting")
    tab.wait_for_panel()
    assert int(tab.run_in_panel_kernel("import os; print(os.getpid())")) != pid


def test_the_restart_command_gives_a_fresh_interpreter(tab: Tab) -> None:
    tab.open().show_panel()
    pid = tab.run_in_panel_kernel("import os; print(os.getpid())")
    tab.command("renex:restart-panel")
    tab.wait_for_panel()
    assert tab.run_in_panel_kernel("import os; print(os.getpid())") != pid


def test_a_stopped_panel_says_so_and_starts_again(tab: Tab) -> None:
    tab.open().show_panel()
    shut_down_panel(tab)
    state = tab.page.get_by_role("status").filter(has_text="Panel stopped")
    expect(state).to_be_visible(timeout=KERNEL_MS)
    tab.screenshot("panel-stopped")
    state.get_by_role("button", name="Restart").click()
    tab.wait_for_panel()
    assert len(tab.panel_sessions()) == 1


def test_insert_cell_writes_below_and_never_runs(lab: Lab, tab: Tab) -> None:
    lab.write_notebook("insert.ipynb", "1 + 1")
    tab.open("insert.ipynb").show_panel()
    touch_panel(tab)
    tab.run_in_panel_kernel(send({"name": "insert-cell", "code": "raise SystemExit"}))
    inserted = tab.page.locator(".jp-Notebook .jp-CodeCell").nth(1)
    expect(inserted).to_contain_text("raise SystemExit")
    expect(inserted.locator(".jp-InputPrompt").first).to_have_text("[ ]:")


def test_insert_cell_without_a_notebook_asks_for_one(tab: Tab) -> None:
    tab.open().show_panel()
    touch_panel(tab)
    tab.run_in_panel_kernel(send({"name": "insert-cell", "code": "1"}))
    expect(tab.page.get_by_text("Open a notebook first")).to_be_visible()


def test_a_command_that_nobody_clicked_for_does_nothing(lab: Lab, tab: Tab) -> None:
    lab.write_notebook("untouched.ipynb", "1 + 1")
    tab.open("untouched.ipynb").show_panel()
    tab.run_in_panel_kernel(send({"name": "insert-cell", "code": "2"}))
    tab.run_in_panel_kernel(send({"name": "notify", "level": "info", "message": "after the cell"}))
    expect(tab.page.get_by_text("after the cell")).to_be_visible()
    expect(tab.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(1)


def test_open_file_opens_below_the_root(lab: Lab, tab: Tab) -> None:
    (lab.root / "notes.txt").write_text("what I learnt")
    tab.open().show_panel()
    touch_panel(tab)
    tab.run_in_panel_kernel(send({"name": "open-file", "path": "notes.txt"}))
    expect(tab.page.locator(".jp-FileEditor")).to_contain_text("what I learnt")


@pytest.mark.parametrize(
    "command",
    [
        {"name": "open-file", "path": "/etc/passwd"},
        {"name": "open-file", "path": "a/../../b"},
        {"name": "open-file", "path": "..\\b"},
        {"name": "run-cell", "code": "1"},
        {"name": "docmanager:open", "path": "notes.txt"},
        {"name": "notify", "level": "dialog", "message": "x"},
        {},
    ],
    ids=json.dumps,
)
def test_anything_else_is_refused(tab: Tab, command: dict[str, object]) -> None:
    tab.open().show_panel()
    touch_panel(tab)
    tab.run_in_panel_kernel(send(command))
    tab.run_in_panel_kernel(send({"name": "notify", "level": "info", "message": "after the refusal"}))
    expect(tab.page.get_by_text("after the refusal")).to_be_visible()
    assert any("refused" in warning for warning in tab.warnings)


def test_a_kernel_other_than_the_panels_commands_nothing(lab: Lab, tab: Tab) -> None:
    lab.write_notebook("other.ipynb", send({"name": "insert-cell", "code": "stolen"}))
    tab.open("other.ipynb").show_panel()
    touch_panel(tab)
    tab.run_cell(0)
    expect(tab.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(1)
    tab.errors.clear()  # JupyterLab reports that nobody listens to this comm


def test_a_running_cell_reads_its_unsaved_notebook(lab: Lab, tab: Tab) -> None:
    ask = """\
import threading, json
from comm import create_comm
box, come = {}, threading.Event()
def on_open(comm, message):
    box.update(message["content"]["data"]); come.set()
get_ipython().kernel.comm_manager.register_target("renex:reply", on_open)
def request(req):
    come.clear(); create_comm(target_name="renex:notebook", data={"req": req}); return come.wait(60)
print(json.dumps([request("r1"), request("r2"), box["req"], box["path"], box["dirty"],
    [cell["source"] for cell in box["notebook"]["cells"]][1:], [cell["outputs"] for cell in box["notebook"]["cells"]]]))
"""
    lab.write_notebook("unsaved.ipynb", ask, "saved")
    tab.open("unsaved.ipynb")
    tab.page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".cm-content").fill("not saved yet")
    answer = json.loads(tab.run_cell(0))
    assert answer == [True, True, "r2", "unsaved.ipynb", True, ["not saved yet"], [[], []]]


def test_magics_are_declared_and_nothing_is_imported(lab: Lab, tab: Tab) -> None:
    code = "import sys; m = get_ipython().magics_manager.magics; "
    code += "print('snapshot' in m['line'], 'task' in m['cell'], 'renex_jupyter' in sys.modules, '_name' in globals())"
    lab.write_notebook("magics.ipynb", code)
    assert tab.open("magics.ipynb").run_cell(0).strip() == "True True False False"


def test_health_answers_only_with_the_token(lab: Lab, tab: Tab) -> None:
    answer = tab.page.request.get(lab.address("renex-jupyter/health"))
    assert set(answer.json()) == {"version", "python"}
    stranger = tab.page.context.browser.new_context()
    assert stranger.request.get(f"{lab.url}renex-jupyter/health", max_redirects=0).status in {302, 403}
    stranger.close()


def shut_down_panel(tab: Tab) -> None:
    """As a user does in the list of running kernels."""
    for each in tab.panel_sessions():
        tab.page.evaluate(
            "async id => { await window.jupyterapp.serviceManager.sessions.shutdown(id) }", each["session"]
        )


def touch_panel(tab: Tab) -> None:
    tab.page.locator("#renex-panel").click(position={"x": 5, "y": 5})
