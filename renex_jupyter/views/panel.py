"""The panel: lists of runs, models, datasets and events, and what is selected in them, as widgets that follow the store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import ipywidgets

from renex_jupyter.errors import RenexError
from renex_jupyter.records.runs import Run
from renex_jupyter.store.store import Store
from renex_jupyter.views import page
from renex_jupyter.views.dataset import DatasetDetail
from renex_jupyter.views.datasets import DatasetsList
from renex_jupyter.views.event import EventDetail
from renex_jupyter.views.events import EventsList
from renex_jupyter.views.facts import code_for
from renex_jupyter.views.head import Head
from renex_jupyter.views.lists import Tab
from renex_jupyter.views.live import Watcher
from renex_jupyter.views.model import ModelDetail
from renex_jupyter.views.models import ModelsList
from renex_jupyter.views.notice import Notice
from renex_jupyter.views.place import Place
from renex_jupyter.views.run import RunDetail
from renex_jupyter.views.runs import RunsList

EXAMPLE = """%%task example
import renex_jupyter as rx

for step in range(50):
    rx.log_metric("loss", 1 / (step + 1), step=step)"""
MODEL_EXAMPLE = """import renex_jupyter as rx

rx.register_model("digits", path="model.pt")  # the file or folder of your trained model"""
DATASET_EXAMPLE = """import renex_jupyter as rx

rx.create_dataset("digits", frame, target="label")  # the table of your samples, a DataFrame or a file"""
EVENT_EXAMPLE = """import renex_jupyter as rx

rx.log_event("deployed", source="airflow")"""


class Panel:
    """Widgets, and the thread that keeps them up to date.

    Only that thread asks the store. What the page says arrives in other threads, sets a trait and wakes it.

    Parameters
    ----------
    root : the contents root, or the folder that the store is looked for from.
    hosted : whether the page has our side panel, which can insert cells and open files.
    """

    def __init__(self, root: Path, *, hosted: bool) -> None:
        self.place = Place(root)
        self.notice = Notice()
        self._hosted = hosted
        self._lock = threading.RLock()
        self._shown: Store | None = None
        self._views: set[str] = set()
        self._filled: set[str] = set()  # lists that were drawn since the store is shown
        self._go: Callable[[], None] = self._wake
        self.runs, self.run = RunsList(self._wake), RunDetail(self._wake, self._act, hosted=hosted)
        self.models = ModelsList(self._wake)
        self.model = ModelDetail(self._wake, self._act_on_model, hosted=hosted)
        self.datasets = DatasetsList(self._wake)
        self.dataset = DatasetDetail(self._wake, self._act_on_dataset, hosted=hosted)
        self.events, self.event = EventsList(self._wake), EventDetail(self._act_on_event)
        self.tabs = {each.name: each for each in self._made_tabs()}
        self.head = Head(tabs=[{"name": each.name, "label": each.label} for each in self.tabs.values()], tab="runs")
        self.head.observe(lambda _: self._turn(), "tab")
        self.head.on_msg(self._on_sight)
        self.notice.on_msg(lambda *_: self._go())
        self._parts = [self.head, self.notice, *(part for tab in self.tabs.values() for part in tab.widgets)]
        for part in self._parts:
            _one_at_a_time(part, self._lock)
            part.layout.min_width = "0"
        layout = ipywidgets.Layout(width="auto", min_width="0", overflow="visible")
        self.root = ipywidgets.VBox(self._parts, layout=layout)
        self.root.observe(self._on_comm, "comm")
        self._watcher = Watcher(self._marker, self.refresh, self._glance, self._failed)
        self._show_parts(None)

    def _made_tabs(self) -> list[Tab]:
        task = "Begin a cell of a notebook in {project} with %%task, and its run shows here."
        model = (
            'rx.register_model("digits", path="model.pt") keeps a trained model as its next version, and it shows here.'
        )
        dataset = (
            'rx.create_dataset("digits", frame, target="label") keeps a table as a version of a dataset, shown here.'
        )
        event = 'What is done to runs and models shows here, and what rx.log_event("deployed", source="airflow") says.'
        return [
            Tab("runs", "Runs", self.runs, self.run, "No runs yet", task, EXAMPLE),
            Tab("models", "Models", self.models, self.model, "No models yet", model, MODEL_EXAMPLE),
            Tab("datasets", "Datasets", self.datasets, self.dataset, "No datasets yet", dataset, DATASET_EXAMPLE),
            Tab("events", "Events", self.events, self.event, "No events yet", event, EVENT_EXAMPLE),
        ]

    @property
    def tab(self) -> Tab:
        """The list that is shown."""
        return self.tabs[self.head.tab]

    def start(self) -> None:
        """Begin to follow the store."""
        self._watcher.start()

    def stop(self) -> None:
        """Follow it no longer."""
        self._watcher.stop()

    @property
    def closed(self) -> bool:
        """Whether its widgets are closed for good."""
        return self.root.comm is None

    def move(self, root: Path) -> None:
        """Look for the store from another folder."""
        self.place.root = root
        self._wake()

    def follow(self, said: dict[str, Any]) -> None:
        """Take in what a page says of itself: `notebook` is the active one's path below the contents root, or None."""
        if "notebook" in said:
            self.place.notebook = said["notebook"]
            self._wake()

    def refresh(self) -> None:
        """Ask the store for what is shown, and show it: the list first, then what is selected in it."""
        tab, store = self.tab, self.place.store()
        self._switch_to(store)
        listed = tab.listing.ask(store.reader) if store else None
        with self._lock:
            if tab is not self.tab:
                return  # the reader went on, and woke us
            if store is None or listed is None or listed.total == 0:
                self._draw_empty(tab)
                return
            self._draw_project()
            tab.listing.draw(listed)
            self._filled.add(tab.name)
            self._draw_notice("", "")
            self._show_parts(tab)
        selected = tab.listing.selected
        picture = tab.selected.ask(store.reader, selected) if selected else None
        with self._lock:
            if tab is self.tab and selected == tab.listing.selected:  # else the reader went on, and woke us
                tab.selected.draw(picture)

    def _switch_to(self, store: Store | None) -> None:
        with self._lock:
            if store is not self._shown:
                if self._shown is not None:
                    for tab in self.tabs.values():
                        tab.listing.forget()
                self._filled.clear()
                self._shown = store

    def _draw_project(self) -> None:
        project = self.place.project
        with self.head.hold_sync():
            self.head.project, self.head.place = project.name or str(project), str(project)

    def _marker(self) -> object:
        store = self.place.store()
        return (store.layout.root, store.reader.marker()) if store else self.place.project

    def _glance(self) -> None:
        store = self.place.store()
        with self._lock:
            if store is not None and store is self._shown and self.head.tab == "runs":
                self.run.look(store)

    def _turn(self) -> None:
        """Show the other list as it was at last, at once; the store is asked for what is new in it."""
        with self._lock:
            self._draw_notice("", "")
            self._show_parts(self.tab if self.tab.name in self._filled else None)
        self._wake()

    def _draw_empty(self, tab: Tab) -> None:
        self._filled.discard(tab.name)
        self._draw_project()
        self._go = lambda: page.send_command("insert-cell", code=tab.code)
        action = "Insert example cell" if self._hosted else ""
        self._draw_notice(tab.nothing, tab.hint.replace("{project}", self.place.project.name), action)
        with tab.listing.bar.hold_sync():
            tab.listing.bar.total, tab.listing.bar.shown, tab.listing.bar.choices = 0, 0, []
        self._show_parts(None)

    def _failed(self, error: Exception) -> None:
        text = str(error) if isinstance(error, RenexError) else f"{type(error).__name__}: {error}"
        with self._lock:
            self._draw_project()
            self._go = self._wake
            self._draw_notice("The store cannot be read", text, "Retry", level="error")
            self._show_parts(None)

    def _draw_notice(self, title: str, text: str, action: str = "", *, level: str = "info") -> None:
        with self.notice.hold_sync():
            self.notice.title, self.notice.text, self.notice.action, self.notice.level = title, text, action, level

    def _show_parts(self, shown: Tab | None) -> None:
        for tab in self.tabs.values():
            for part in tab.widgets:
                part.layout.display = "" if tab is shown else "none"

    def _on_sight(self, _: Any, message: dict[str, Any], __: Any) -> None:
        if "view" not in message:
            return
        (self._views.add if message["visible"] else self._views.discard)(message["view"])
        self._watcher.resting = not self._views
        if message["visible"]:
            self._wake()

    def _on_comm(self, change: dict[str, Any]) -> None:
        """End all with the box: it closes no part by itself, and anywidget keeps the closed parts, and us with them."""
        if change["new"] is None:
            self._watcher.end()
            for part in self.root.children:
                part.close()
            self._shown = None
            self.place.forget()

    def _act(self, action: str, run: Run) -> None:
        if action == "close":
            self.runs.table.selected = []
        elif action == "stop" and self._shown is not None:
            self.run.stop(run, self._shown.layout.runs / run.run_id)
            self._wake()
        elif action == "insert" and self._hosted:
            page.send_command("insert-cell", code=code_for(run.run_id))
        elif action == "open" and self._hosted and run.notebook:
            self._open(run.notebook)

    def _act_on_model(self, action: str, what: str) -> None:
        if action == "close":
            self.models.table.selected = []
        elif action == "insert" and self._hosted:
            page.send_command("insert-cell", code=what)
        elif action == "show-run":
            self._show_run(what)

    def _act_on_dataset(self, action: str, code: str) -> None:
        if action == "close":
            self.datasets.table.selected = []
        elif action == "insert" and self._hosted:
            page.send_command("insert-cell", code=code)

    def _act_on_event(self, action: str, run_id: str) -> None:
        if action == "close":
            self.events.table.selected = []
        elif action == "show-run" and run_id:
            self._show_run(run_id)

    def _show_run(self, run_id: str) -> None:
        self.head.tab, self.runs.table.selected = "runs", [run_id]

    def _open(self, notebook: str) -> None:
        path = self.place.in_contents(notebook)
        if path is None:
            message = f"{notebook} is outside the folder that JupyterLab was started in."
            page.send_command("notify", level="warning", message=message)
        else:
            page.send_command("open-file", path=path)

    def _wake(self) -> None:
        self._watcher.wake()


def _one_at_a_time(widget: Any, lock: threading.RLock) -> None:
    """Handle a widget's messages under the lock: ipykernel delivers them in threads of its own."""
    handle = widget._handle_msg  # noqa: SLF001  # ipywidgets offers no public way in between

    def guarded(message: dict[str, Any]) -> None:
        with lock:
            handle(message)

    widget.comm.on_msg(guarded)


@cache
def _side_panel() -> Panel:
    panel = Panel(Path.cwd(), hosted=True)
    panel.start()
    return panel


def get() -> ipywidgets.VBox:
    """Return the root widget of the side panel's kernel: the same one for every page that asks."""
    panel = _side_panel()
    page.listen(panel.follow)
    return panel.root


_in_cell: list[Panel] = []  # none or one


def show() -> ipywidgets.VBox:
    """Return the panel for a cell of a notebook, drawn by the notebook's own kernel: the same one in every cell."""
    if _in_cell and not _in_cell[0].closed:
        _in_cell[0].move(Path.cwd())
    else:
        _in_cell[:] = [Panel(Path.cwd(), hosted=False)]
        _in_cell[0].start()
    return _in_cell[0].root
