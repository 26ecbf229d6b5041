"""One run: its title, metrics, plot, params and snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter import ids
from renex_jupyter.errors import RenexError
from renex_jupyter.query import runs as questions
from renex_jupyter.query.metrics import many_series
from renex_jupyter.query.summaries import metric_summaries, snapshot_summaries
from renex_jupyter.records import display
from renex_jupyter.records.runs import Run
from renex_jupyter.store.reader import Reader
from renex_jupyter.views import text
from renex_jupyter.views.detail import Detail
from renex_jupyter.views.figures import group_of, metric_figure
from renex_jupyter.views.plot import Plot

MOST_LINES = 12
UNGROUPED = "(no group)"


@dataclass(frozen=True)
class RunPicture:
    """What is shown of one run at one moment."""

    run: Run
    metrics: list[dict[str, Any]]
    snapshots: list[dict[str, Any]]
    figure: dict[str, Any]
    choices: list[str]
    choice: str
    notice: str


class RunDetail:
    """The widgets of the selected run.

    Parameters
    ----------
    changed : is called when their reader asks for something else.
    act : is called with the name of an action (open, insert, close) and the run.
    hosted : whether the page can open files and insert cells for this kernel.
    """

    def __init__(self, changed: Callable[[], None], act: Callable[[str, Run], None], *, hosted: bool) -> None:
        self.head, self.plot, self.rest = Detail(), Plot(label="Metrics of the selected run"), Detail()
        self._hosted, self._act = hosted, act
        self._run: Run | None = None
        self.plot.observe(lambda _: changed(), ["choice", "log_scale"])
        self.head.on_msg(self._on_message)

    @property
    def widgets(self) -> list[Any]:
        """The parts in their order."""
        return [self.head, self.plot, self.rest]

    def ask(self, read: Reader, run_id: str) -> RunPicture | None:
        """Return what to show of a run, or None when there is no such run (any more)."""
        try:
            run = questions.get_run(read, run_id)
        except RenexError as error:
            if error.code == "not_found":
                return None
            raise
        metrics = metric_summaries(read, run_id)
        choices = groups([each["key"] for each in metrics])
        choice = self.plot.choice if self.plot.choice in choices else next(iter(choices), "")
        keys = choices.get(choice, [])
        figure = self._figure(read, run_id, choice, keys[:MOST_LINES])
        notice = f"The first {MOST_LINES} of {len(keys)} metrics." if len(keys) > MOST_LINES else ""
        wanted = [each for each in (run.before_snapshot_id, run.after_snapshot_id) if each]
        snapshots = snapshot_summaries(read, wanted) if wanted else []
        return RunPicture(run, metrics, snapshots, figure, list(choices), choice, notice)

    def _figure(self, read: Reader, run_id: str, choice: str, keys: Sequence[str]) -> dict[str, Any]:
        if not keys:
            return {}
        frame = many_series(read, [run_id], keys)
        series = {key: frame[frame["key"] == key] for key in keys}
        return metric_figure(series, log_scale=self.plot.log_scale, revision=f"{run_id} {choice}")

    def draw(self, picture: RunPicture | None) -> None:
        """Show a run, or nothing."""
        self._run = picture.run if picture else None
        with self.head.hold_sync():
            self.head.content = head_of(picture) if picture else {}
            self.head.actions = actions_of(picture.run, hosted=self._hosted) if picture else []
        with self.plot.hold_sync():
            self.plot.figure = picture.figure if picture else {}
            if picture:
                self.plot.choices, self.plot.choice, self.plot.notice = picture.choices, picture.choice, picture.notice
        self.rest.content = rest_of(picture) if picture else {}

    def _on_message(self, _: Any, message: Any, __: Any) -> None:
        run = self._run
        if run is not None and isinstance(message, dict):
            self._act(str(message.get("action", "")), run)


def groups(keys: Sequence[str]) -> dict[str, list[str]]:
    """Return group -> metric keys; a slash in a key groups charts."""
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(group_of(key) or UNGROUPED, []).append(key)
    return found


def code_for(run_id: str) -> str:
    """Return the code that fetches a run in a notebook."""
    return f'import renex_jupyter as rx\n\nrun = rx.get_run("{ids.short(run_id)}")\nrun'


def actions_of(run: Run, *, hosted: bool) -> list[dict[str, str]]:
    """Return the buttons for a run; without a page that helps, the code is copied instead of inserted."""
    copy_id = {"name": "copy", "label": "Copy id", "text": run.run_id}
    if not hosted:
        return [{"name": "copy", "label": "Copy code", "text": code_for(run.run_id)}, copy_id]
    opening = [{"name": "open", "label": "Open notebook"}] if run.notebook else []
    return [*opening, {"name": "insert", "label": "Insert code"}, copy_id]


def head_of(picture: RunPicture) -> dict[str, Any]:
    """Return what stands above the plot."""
    run = picture.run
    return {
        "title": {
            "text": run.name or ids.short(run.run_id),
            "id": ids.short(run.run_id),
            "status": run.status,
            "closable": True,
        },
        "error": run.error or "",
        "metrics": [
            {
                "key": each["key"],
                "last": text.number(each["value"]),
                "low": text.number(each["min_value"]),
                "high": text.number(each["max_value"]),
                "points": str(each["points"]),
            }
            for each in picture.metrics
        ],
    }


def rest_of(picture: RunPicture) -> dict[str, Any]:
    """Return what stands below the plot."""
    run = picture.run
    return {
        "facts": [[label, text.clipped(each)] for label, each in _facts(run) if each],
        "params": [[key, text.value(each)] for key, each in run.params.items()],
        "tags": [[key, text.clipped(each)] for key, each in run.tags.items()],
        "snapshots": [_snapshot(run, each) for each in picture.snapshots],
    }


def _facts(run: Run) -> list[tuple[str, str | None]]:
    return [
        ("experiment", f"{run.namespace}/{run.experiment}"),
        ("task", run.task),
        ("notebook", run.notebook),
        ("by", " on ".join(each for each in (run.user_name, run.host) if each)),
        ("exit code", None if run.exit_code is None else str(run.exit_code)),
        ("rerun of", ids.short(run.rerun_of)),
    ]


def _snapshot(run: Run, snapshot: Mapping[str, Any]) -> dict[str, str]:
    holds = [display.count(snapshot[f"{noun}s"], noun) for noun in ("cell", "file", "package")]
    return {
        "when": "before" if snapshot["snapshot_id"] == run.before_snapshot_id else "after",
        "id": ids.short(snapshot["snapshot_id"]),
        "message": text.clipped(snapshot["label"] or snapshot["message"] or ""),
        "holds": ", ".join(holds) + (" (partial)" if snapshot["partial"] else ""),
    }
