"""The panel's lists take turns, and each keeps its place."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded import Project
from registered import Registry
from test_live_panel import until, with_pauses

from renex_jupyter.config import settings
from renex_jupyter.views import live
from renex_jupyter.views import panel as panels
from renex_jupyter.views.panel import Panel

WRITE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from registered import Registry
from renex_jupyter.store.store import Store
registry = Registry(Store(Path(sys.argv[1])))
sys.stdin.readline()
exec(sys.argv[3])
print("written", flush=True)
sys.stdin.readline()
"""


def show(panel: Panel, tab: str) -> None:
    """As a page asks for it."""
    panel.head._handle_custom_msg({"asked": {"tab": tab}}, [])


def visible(panel: Panel) -> list[str]:
    tables = (panel.runs.table, panel.models.table, panel.events.table)
    return [table.caption for table in tables if table.layout.display != "none"]


def test_one_list_is_shown_and_the_others_are_not(project: Project, new_panel: Callable[[Path], Panel]) -> None:
    project.run("train")
    Registry(project.store).model("digits")
    panel = new_panel(project.root)
    until(lambda: visible(panel) == ["Runs"])
    for tab, caption in (("models", "Models"), ("events", "Events"), ("runs", "Runs")):
        show(panel, tab)
        until(lambda caption=caption: visible(panel) == [caption])
    show(panel, "no such tab")
    assert panel.head.tab == "runs"


def test_another_list_is_turned_to_at_once_and_never_stands_under_the_tab_of_the_last(
    project: Project, new_panel: Callable[[Path], Panel]
) -> None:
    project.run("train")
    Registry(project.store).model("digits")
    panel = new_panel(project.root)
    until(lambda: visible(panel) == ["Runs"])
    panel.stop()
    show(panel, "models")
    assert visible(panel) == []  # nothing is known of it yet
    panel.refresh()
    assert visible(panel) == ["Models"]
    show(panel, "runs")
    assert visible(panel) == ["Runs"] and len(panel.runs.table.rows) == 1


def test_a_list_keeps_its_search_page_and_selection_while_another_is_shown(
    project: Project, new_panel: Callable[[Path], Panel]
) -> None:
    registry = Registry(project.store)
    model = registry.model("digits")
    registry.version(model, 1)
    run = project.run("train")
    panel = new_panel(project.root)
    panel.runs.table.selected = [run]
    panel.runs.bar.search = "train"
    show(panel, "models")
    panel.models.table.selected = [model]
    until(lambda: panel.model.head.content.get("title", {}).get("text") == "vision/digits")
    show(panel, "events")
    panel.events.bar.search = "champion"
    until(lambda: panel.events.bar.total > 0 and panel.events.bar.shown == 0)
    show(panel, "models")
    until(lambda: visible(panel) == ["Models"])
    assert panel.models.table.selected == [model]
    assert panel.model.head.content["title"]["text"] == "vision/digits"
    show(panel, "runs")
    until(lambda: panel.run.head.content.get("title", {}).get("text") == "train")
    assert (panel.runs.bar.search, panel.events.bar.search) == ("train", "champion")


@pytest.mark.parametrize(
    ("tab", "title", "word"),
    [
        ("models", "No models yet", 'rx.register_model("digits", path="model.pt")'),
        ("events", "No events yet", "rx.log_event("),
    ],
)
def test_a_list_without_rows_says_what_to_type_and_inserts_it(
    tmp_path: Path, new_panel: Callable[[Path], Panel], monkeypatch: pytest.MonkeyPatch, tab: str, title: str, word: str
) -> None:
    sent: list[dict[str, str]] = []
    monkeypatch.setattr(panels.page, "send_command", lambda name, **fields: sent.append({"name": name, **fields}))
    panel = new_panel(tmp_path)
    show(panel, tab)
    until(lambda: panel.notice.title == title)
    assert word in panel.notice.text
    assert visible(panel) == []
    panel.notice._handle_custom_msg({"action": "go"}, [])
    assert sent[0]["name"] == "insert-cell"
    assert word in sent[0]["code"]
    compile(sent[0]["code"], "cell", "exec")


def test_a_store_without_models_still_lists_its_runs(project: Project, new_panel: Callable[[Path], Panel]) -> None:
    project.run("train")
    panel = new_panel(project.root)
    show(panel, "models")
    until(lambda: panel.notice.title == "No models yet")
    Registry(project.store).model("digits")
    until(lambda: visible(panel) == ["Models"])
    assert panel.notice.title == ""


@pytest.mark.parametrize(
    ("tab", "code", "word"),
    [
        ("models", "registry.version(registry.model('new'), 1)", "vision/new"),
        ("events", "registry.event('deployed', source='airflow')", "deployed"),
    ],
)
def test_what_another_process_writes_is_shown_within_a_second_of_waiting(
    project: Project,
    new_panel: Callable[[Path], Panel],
    monkeypatch: pytest.MonkeyPatch,
    tab: str,
    code: str,
    word: str,
) -> None:
    monkeypatch.setattr(live, "IDLE", 3600.0)  # what is shown was noticed
    Registry(project.store).model("digits")
    panel = new_panel(project.root)
    show(panel, tab)
    table = panel.tabs[tab].listing.table
    until(lambda: len(table.rows) == 1)
    command = [sys.executable, "-c", WRITE, str(project.store.layout.root), str(Path(__file__).parent), code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        pauses = with_pauses(panel)
        pauses.begins(settings().panel_poll)
        shown: list[int] = []
        table.observe(lambda _: shown.append(len(pauses.asked)), "rows")
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "written\n"
        written = len(pauses.asked)
        until(lambda: any(word in str(row) for row in table.rows))
        other.communicate("\n")
    assert sum(pauses.asked[written - 1 : shown[-1]]) < 1.0


def test_a_store_in_which_nothing_changes_is_not_asked_again(
    project: Project, new_panel: Callable[[Path], Panel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "IDLE", 3600.0)
    Registry(project.store).model("digits")
    panel = new_panel(project.root)
    show(panel, "events")
    until(lambda: len(panel.events.table.rows) == 1)
    pauses = with_pauses(panel)
    pauses.begins(settings().panel_poll)
    asked: list[object] = []
    monkeypatch.setattr(panel.events, "ask", asked.append)
    looks = len(pauses.asked)
    until(lambda: len(pauses.asked) > looks + 3)
    assert asked == []


def test_show_run_turns_to_the_run(project: Project, new_panel: Callable[[Path], Panel]) -> None:
    run = project.run("train")
    registry = Registry(project.store)
    registry.event("deployed", run_id=run, owner_kind="run", owner_id=run)
    panel = new_panel(project.root)
    show(panel, "events")
    until(lambda: len(panel.events.table.rows) == 2)
    panel.events.table.selected = [panel.events.table.rows[0]["id"]]
    until(lambda: bool(panel.event.head.actions))
    panel.event.head._handle_custom_msg({"action": "show-run", "of": panel.events.table.selected[0]}, [])
    until(lambda: panel.run.head.content.get("title", {}).get("text") == "train")
    assert visible(panel) == ["Runs"]
    show(panel, "events")
    panel.event.head._handle_custom_msg({"action": "close"}, [])
    until(lambda: panel.event.head.content == {})


def test_another_project_begins_anew_in_every_list(
    new_project: Callable[[str], Project], new_panel: Callable[[Path], Panel]
) -> None:
    one, two = new_project("one"), new_project("two")
    model = Registry(one.store).model("of-one")
    Registry(two.store).model("of-two")
    panel = new_panel(one.root.parent)
    show(panel, "models")
    panel.follow({"notebook": "one/a.ipynb"})
    panel.models.table.selected = [model]
    until(lambda: bool(panel.model.head.content))
    panel.follow({"notebook": "two/a.ipynb"})
    until(lambda: [row["name"] for row in panel.models.table.rows] == ["vision/of-two"])
    until(lambda: not panel.model.head.content)
    assert panel.models.table.selected == []


def test_a_store_that_cannot_be_read_is_said_in_every_list(
    project: Project, new_panel: Callable[[Path], Panel]
) -> None:
    Registry(project.store).model("digits")
    about = project.store.layout.about
    good = about.read_text()
    about.write_text('{"format": 99}')
    panel = new_panel(project.root)
    show(panel, "models")
    until(lambda: panel.notice.level == "error")
    assert visible(panel) == []
    about.write_text(good)
    panel.notice._handle_custom_msg({"action": "go"}, [])
    until(lambda: visible(panel) == ["Models"])
