"""One run: its title, metrics, plot, output, facts, params and snapshots."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from renex_jupyter.errors import RenexError
from renex_jupyter.query import runs as questions
from renex_jupyter.query.metrics import many_series
from renex_jupyter.query.summaries import last_verdict, metric_summaries, python_of, snapshot_summaries
from renex_jupyter.records.runs import Run
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.store import Store
from renex_jupyter.views.detail import Detail
from renex_jupyter.views.facts import RunFacts, actions_of, head_of, rest_of
from renex_jupyter.views.figures import group_of, metric_figure
from renex_jupyter.views.live import IDLE
from renex_jupyter.views.plot import Plot
from renex_jupyter.views.printed import Printed
from renex_jupyter.views.stop import Stopper
from renex_jupyter.views.system import is_system, system_figure, system_groups

MOST_LINES = 12
UNGROUPED = "(no group)"


@dataclass(frozen=True)
class Drawing:
    """What one plot shows, and what else it could."""

    figure: dict[str, Any]
    choices: list[str]
    choice: str
    notice: str = ""


@dataclass(frozen=True)
class RunPicture:
    """What is shown of one run at one moment."""

    facts: RunFacts
    metrics: Drawing
    system: Drawing

    @property
    def run(self) -> Run:
        """The run itself."""
        return self.facts.run


class RunDetail:
    """The widgets of the selected run.

    Parameters
    ----------
    changed : is called when their reader asks for something else.
    act : is called with the name of an action (open, insert, stop, close) and the run.
    hosted : whether the page can open files and insert cells for this kernel.
    """

    def __init__(self, changed: Callable[[], None], act: Callable[[str, Run], None], *, hosted: bool) -> None:
        self.head, self.plot, self.rest = Detail(), Plot(label="Metrics of the selected run"), Detail()
        self.system = Plot(label="How busy the machine was", title="System", log_choice=False)
        self.printed = Printed(changed)
        self._stopper = Stopper()
        self._hosted, self._act = hosted, act
        self._run: Run | None = None
        self._snapshots: tuple[list[str], float, list[dict[str, Any]]] = ([], 0.0, [])  # ids, when, answer
        self.plot.observe(lambda _: changed(), ["choice", "log_scale"])
        self.system.observe(lambda _: changed(), ["choice", "opened"])
        self.head.on_msg(self._on_message)

    @property
    def widgets(self) -> list[Any]:
        """The parts in their order."""
        return [self.head, self.plot, self.printed.box, self.system, self.rest]

    def ask(self, read: Reader, run_id: str) -> RunPicture | None:
        """Return what to show of a run, or None when there is no such run (any more)."""
        try:
            run = questions.get_run(read, run_id)
        except RenexError as error:
            if error.code == "not_found":
                return None
            raise
        summaries = metric_summaries(read, run_id)
        metrics = [each for each in summaries if not is_system(each["key"])]
        facts = RunFacts(
            run,
            metrics,
            self._snapshots_of(read, run),
            last_verdict(read, run_id),
            python_of(read, run.environment_id),
        )
        measured = [each["key"] for each in summaries if is_system(each["key"])]
        return RunPicture(
            facts, self._metrics(read, run, [each["key"] for each in metrics]), self._system(read, run, measured)
        )

    def _snapshots_of(self, read: Reader, run: Run) -> list[dict[str, Any]]:
        """Return what the run's snapshots hold; only their labels change, so that a moment's old answer will do."""
        wanted = [each for each in (run.before_snapshot_id, run.after_snapshot_id) if each]
        asked, at, found = self._snapshots
        if wanted != asked or time.monotonic() - at >= IDLE:
            found = snapshot_summaries(read, wanted) if wanted else []
            self._snapshots = (wanted, time.monotonic(), found)
        return found

    def _metrics(self, read: Reader, run: Run, keys: Sequence[str]) -> Drawing:
        choices, choice = _chosen(groups(keys), self.plot)
        some = choices.get(choice, [])
        shown = some[:MOST_LINES]
        revision = f"{run.run_id} {choice}"
        series = _series(read, run.run_id, shown)
        figure = metric_figure(series, log_scale=self.plot.log_scale, revision=revision) if shown else {}
        notice = f"The first {MOST_LINES} of {len(some)} metrics." if len(some) > MOST_LINES else ""
        return Drawing(figure, list(choices), choice, notice)

    def _system(self, read: Reader, run: Run, keys: Sequence[str]) -> Drawing:
        """Return the machine's lines, or only what there is to choose from while their box is closed."""
        choices, choice = _chosen(system_groups(keys), self.system)
        shown = choices.get(choice, [])[:MOST_LINES] if self.system.opened else []
        series = _series(read, run.run_id, shown)
        figure = system_figure(choice, series, run.started_at, revision=f"{run.run_id} {choice}") if shown else {}
        return Drawing(figure, list(choices), choice)

    def draw(self, picture: RunPicture | None) -> None:
        """Show a run, or nothing."""
        self._run = picture.run if picture else None
        self._draw_actions()
        self.head.content = head_of(picture.facts) if picture else {}
        self.rest.content = rest_of(picture.facts) if picture else {}
        _draw(self.plot, picture.metrics if picture else None)
        _draw(self.system, picture.system if picture else None)
        self.printed.show(self._run)

    def look(self, store: Store) -> None:
        """Show what the run printed since the last look."""
        self.printed.look(store)

    def stop(self, run: Run, folder: Path) -> None:
        """Ask a run, whose folder this is, to stop, and show that it was asked."""
        self._stopper.press(run, folder)
        self._draw_actions()

    def _draw_actions(self) -> None:
        run = self._run
        stop = self._stopper.button(run) if run else None
        self.head.actions = [dict(each) for each in actions_of(run, hosted=self._hosted, stop=stop)] if run else []

    def _on_message(self, _: Any, message: Any, __: Any) -> None:
        run = self._run
        if run is not None and isinstance(message, dict) and message.get("of") in (None, "", run.run_id):
            self._act(str(message.get("action", "")), run)


def groups(keys: Sequence[str]) -> dict[str, list[str]]:
    """Return group -> metric keys; a slash in a key groups charts."""
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(group_of(key) or UNGROUPED, []).append(key)
    return found


def _chosen(choices: dict[str, list[str]], plot: Plot) -> tuple[dict[str, list[str]], str]:
    return choices, plot.choice if plot.choice in choices else next(iter(choices), "")


def _series(read: Reader, run_id: str, keys: Sequence[str]) -> dict[str, Any]:
    if not keys:
        return {}
    frame = many_series(read, [run_id], keys)
    return {key: frame[frame["key"] == key] for key in keys}


def _draw(plot: Plot, drawing: Drawing | None) -> None:
    with plot.hold_sync():
        plot.figure = drawing.figure if drawing else {}
        plot.choices = drawing.choices if drawing else []
        if drawing:
            plot.choice, plot.notice = drawing.choice, drawing.notice
