"""The panel follows the store by itself."""

import gc
import json
import platform
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded import Project

from renex_jupyter.config import settings
from renex_jupyter.store.liveness import identity
from renex_jupyter.store.run_folders import OUTCOME
from renex_jupyter.store.store import Store
from renex_jupyter.views import live
from renex_jupyter.views import panel as panels
from renex_jupyter.views.panel import Panel
from renex_jupyter.views.table import Table

LOG_ONE_POINT = """
import sys
from pathlib import Path
from renex_jupyter.records.changes import now
from renex_jupyter.records.metrics import Point
from renex_jupyter.store.store import Store
store = Store(Path(sys.argv[1]))
sys.stdin.readline()
store.write_points([Point("run", sys.argv[2], "loss", 1, now(), 0.125)])
print("logged", flush=True)
sys.stdin.readline()
"""


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a fact."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


class Pauses(threading.Event):
    """What a panel waits with; it remembers for how long, which is the same on every machine."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []  # seconds
        self.under_way = False

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout or 0.0)
        self.under_way = True
        told = super().wait(timeout)
        self.under_way = False
        return told

    def begins(self, seconds: float) -> None:
        """Wait until the panel waits for so long, and nobody has woken it."""
        until(lambda: self.asked[-1:] == [seconds] and self.under_way and not self.is_set())


@pytest.fixture
def only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look that comes anyway now and then: what is shown was noticed."""
    monkeypatch.setattr(live, "IDLE", 3600.0)


def with_pauses(panel: Panel) -> Pauses:
    panel._watcher._wanted = Pauses()
    panel._wake()
    return panel._watcher._wanted


def names(panel: Panel) -> list[str]:
    return [row["name"] for row in panel.runs.table.rows]


@pytest.mark.usefixtures("only_when_told")
def test_a_point_of_another_process_is_shown_within_a_second_of_waiting(
    project: Project, new_panel: Callable[[Path], Panel]
) -> None:
    run = project.run("r")
    project.log(run, "loss", 0.5)
    panel = new_panel(project.root)
    until(lambda: names(panel) == ["r"])
    command = [sys.executable, "-c", LOG_ONE_POINT, str(project.store.layout.root), run]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        pauses = with_pauses(panel)
        pauses.begins(settings().panel_poll)
        shown: list[int] = []
        panel.runs.table.observe(lambda _: shown.append(len(pauses.asked)), "rows")
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "logged\n"
        logged = len(pauses.asked)
        until(lambda: panel.runs.table.rows[0]["metric"] == "0.125")
        other.communicate("\n")
    assert sum(pauses.asked[logged - 1 : shown[0]]) < 1.0


def test_before_the_first_record_the_panel_says_how_to_begin_and_then_picks_the_store_up(
    tmp_path: Path, new_panel: Callable[[Path], Panel]
) -> None:
    panel = new_panel(tmp_path)
    until(lambda: panel.notice.title == "No runs yet")
    assert panel.notice.action == "Insert example cell"
    assert panel.runs.table.layout.display == "none"
    Project(tmp_path, Store(tmp_path / ".renex")).run("first")
    until(lambda: names(panel) == ["first"])
    assert panel.notice.title == ""
    assert panel.runs.table.layout.display == ""


def test_the_store_follows_the_active_notebook(
    new_project: Callable[[str], Project], new_panel: Callable[[Path], Panel]
) -> None:
    one, two = new_project("one"), new_project("two")
    run = one.run("of-one")
    two.run("of-two")
    panel = new_panel(one.root.parent)
    panel.follow({"notebook": "one/deep.ipynb", "theme": "light", "tab": "t"})
    until(lambda: names(panel) == ["of-one"])
    panel.runs.table.selected = [run]
    until(lambda: bool(panel.run.head.content))
    panel.follow({"notebook": "two/a.ipynb"})
    until(lambda: names(panel) == ["of-two"])
    until(lambda: not panel.run.head.content)
    assert panel.runs.table.selected == []
    assert panel.head.project == "two"


def test_a_store_that_cannot_be_read_says_why_and_comes_back(
    project: Project, new_panel: Callable[[Path], Panel]
) -> None:
    project.run("r")
    about = project.store.layout.about
    good = about.read_text()
    about.write_text(json.dumps({"format": 99}))
    panel = new_panel(project.root)
    until(lambda: panel.notice.level == "error" and panel.notice.action == "Retry")
    assert "newer_store" in panel.notice.text
    about.write_text(good)
    panel.notice._handle_custom_msg({"action": "go"}, [])
    until(lambda: names(panel) == ["r"])
    assert panel.notice.title == ""


def test_a_store_that_was_removed_and_made_again_is_read_anew(
    project: Project, new_panel: Callable[[Path], Panel]
) -> None:
    import shutil

    project.run("before")
    panel = new_panel(project.root)
    until(lambda: names(panel) == ["before"])
    shutil.rmtree(project.store.layout.root)
    until(lambda: panel.notice.title == "No runs yet")
    Project(project.root, Store(project.root / ".renex")).run("after")
    until(lambda: names(panel) == ["after"])


def test_selecting_shows_the_run_and_closing_hides_it(project: Project, new_panel: Callable[[Path], Panel]) -> None:
    run = project.run("r")
    project.log(run, "loss", 1.0)
    panel = new_panel(project.root)
    until(lambda: names(panel) == ["r"])
    panel.runs.table.selected = [run]
    until(lambda: panel.run.head.content.get("title", {}).get("text") == "r")
    assert panel.run.plot.figure["data"][0]["y"] == [1.0]
    panel.run.head._handle_custom_msg({"action": "close"}, [])
    until(lambda: not panel.run.head.content and not panel.run.plot.figure)


def test_a_notebook_outside_the_contents_root_cannot_be_opened(project: Project) -> None:
    panel = Panel(project.root, hosted=True)
    assert panel.place.in_contents("a/b.ipynb") == "a/b.ipynb"
    assert panel.place.in_contents("../other/b.ipynb") is None
    assert panel.place.in_contents("/etc/passwd") is None


def test_the_panel_loads_no_plotting_or_learning_library() -> None:
    code = "import sys, renex_jupyter.views.panel; print({'plotly', 'sklearn', 'docker'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


@pytest.mark.usefixtures("only_when_told")
def test_a_panel_that_nobody_sees_rests_and_one_that_is_shown_again_is_up_to_date_at_once(
    project: Project, new_panel: Callable[[Path], Panel]
) -> None:
    project.run("seen")
    panel = new_panel(project.root)
    until(lambda: names(panel) == ["seen"])
    pauses = with_pauses(panel)
    panel.head._handle_custom_msg({"view": "v", "visible": True}, [])
    panel.head._handle_custom_msg({"view": "v", "visible": False}, [])
    pauses.begins(live.IDLE)  # after the look that was under way
    project.run("unseen")
    time.sleep(1.5)
    assert names(panel) == ["seen"]
    panel.head._handle_custom_msg({"view": "v", "visible": True}, [])
    until(lambda: names(panel) == ["unseen", "seen"])


def watchers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "renex-panel"}


def test_the_panel_in_a_cell_is_one_however_often_it_is_asked_for(
    new_project: Callable[[str], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = new_project("one"), new_project("two")
    one.run("of-one")
    two.run("of-two")
    before = watchers()
    monkeypatch.chdir(one.root)
    root = panels.show()
    assert [panels.show() for _ in range(4)] == [root] * 4
    assert len(watchers() - before) == 1  # one of an earlier test may end meanwhile
    table = next(part for part in root.children if isinstance(part, Table))
    until(lambda: [row["name"] for row in table.rows] == ["of-one"])
    monkeypatch.chdir(two.root)
    assert panels.show() is root
    until(lambda: [row["name"] for row in table.rows] == ["of-two"])
    root.close()
    until(lambda: not watchers() - before)
    again = panels.show()
    assert again is not root
    again.close()


def test_a_panel_that_is_closed_ends_its_thread_and_lets_go_of_its_store(project: Project) -> None:
    project.run("r")
    before = watchers()
    panel = Panel(project.root, hosted=False)
    panel.start()
    until(lambda: names(panel) == ["r"])
    store, parts = weakref.ref(panel.place.store()), panel.root.children
    panel.root.close()
    until(lambda: not watchers() - before)
    assert [part.comm for part in parts] == [None] * len(parts)
    gc.collect()
    assert store() is None


@pytest.mark.usefixtures("only_when_told")
def test_new_output_is_shown_within_a_second_of_waiting_without_asking_the_store(
    project: Project, new_panel: Callable[[Path], Panel], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = project.run("r", status="running")
    project.printed(run, "one\n")
    panel = new_panel(project.root)
    until(lambda: names(panel) == ["r"])
    panel.runs.table.selected = [run]
    until(lambda: panel.run.printed.box.text == "one\n")
    pauses = with_pauses(panel)
    pauses.begins(settings().panel_poll)
    refreshed: list[int] = []
    refresh = panel._watcher._refresh
    monkeypatch.setattr(panel._watcher, "_refresh", lambda: (refreshed.append(len(pauses.asked)), refresh()))
    shown: list[int] = []
    panel.run.printed.box.observe(lambda _: shown.append(len(pauses.asked)), "text")
    project.printed(run, "two\n")
    printed = len(pauses.asked)
    until(lambda: panel.run.printed.box.text == "one\ntwo\n")
    assert sum(pauses.asked[printed - 1 : shown[0]]) < 1.0
    assert refreshed == []


def test_stop_reaches_the_process_of_the_run(project: Project, new_panel: Callable[[Path], Panel]) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        time.sleep(0.5)  # it can be interrupted as soon as Python is up
        run = project.run("r", status="running", host=platform.node(), **identity(child.pid))
        panel = new_panel(project.root)
        panel.runs.table.selected = [run]
        until(lambda: bool(panel.run.head.actions) and panel.run.head.actions[0]["label"] == "Stop")
        panel.run.head._handle_custom_msg({"action": "stop", "of": run}, [])
        child.wait(60)
        until(lambda: panel.run.head.content["title"]["status"] == "lost")
        assert "stop" not in {each["name"] for each in panel.run.head.actions}


def test_stop_leaves_the_process_alone_that_records_the_end_of_the_run(
    project: Project, new_panel: Callable[[Path], Panel]
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        time.sleep(0.5)  # it can be interrupted as soon as Python is up
        run = project.run("r", status="running", host=platform.node(), executor="process", **identity(child.pid))
        folder = project.store.layout.runs / run
        folder.mkdir(parents=True)
        (folder / OUTCOME).write_text('{"status": "finished", "duration_s": 1.0}')
        panel = new_panel(project.root)
        panel.runs.table.selected = [run]
        until(lambda: bool(panel.run.head.actions) and panel.run.head.actions[0]["label"] == "Stop")
        panel.run.head._handle_custom_msg({"action": "stop", "of": run}, [])
        assert panel.run.head.actions[0]["label"] == "Stopping…"
        assert child.communicate(b"\n", timeout=60)[1] == b""
        assert child.returncode == 0
