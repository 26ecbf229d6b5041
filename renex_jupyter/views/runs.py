"""The list of runs: a page of them as rows of a table, with one metric and its line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter import ids
from renex_jupyter.config import settings
from renex_jupyter.query import runs as questions
from renex_jupyter.query.metrics import many_series, metric_keys
from renex_jupyter.query.titles import Titles, titles
from renex_jupyter.store.reader import Reader
from renex_jupyter.views import text
from renex_jupyter.views.bar import Bar
from renex_jupyter.views.figures import finite
from renex_jupyter.views.lists import follow_reader, page_asked
from renex_jupyter.views.table import Table

SPARK_POINTS = 40
NOTE_LINES = 12


def _word(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])({'|'.join(words)})(?![a-z])", re.IGNORECASE)


RESULT = _word("accuracy", "acc", "auc", "f1", "score", "loss", "error", "rmse", "mae")
HELD_OUT = _word("validation", "valid", "val", "test")
TRAINING = _word("training", "train")

COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "status", "label": "Status", "kind": "status", "sortable": True},
    {"key": "name", "label": "Name", "kind": "text", "sortable": True, "main": True},
    {"key": "metric", "label": "Metric", "kind": "number", "align": "right"},
    {"key": "spark", "label": "", "kind": "spark"},
    {"key": "started_at", "label": "Started", "kind": "time", "sortable": True, "width": 360},
    {"key": "duration_s", "label": "Duration", "kind": "duration", "sortable": True, "width": 480, "align": "right"},
)


@dataclass(frozen=True)
class RunsPage:
    """What the list shows of the store at one moment."""

    total: int
    shown: int
    metric: str  # the key that stands in the head of the metric column
    metrics: list[str]  # keys on this page
    rows: list[dict[str, Any]]


class RunsList:
    """The bar and the table of runs; `changed` is called when their reader asks for something else."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.bar = Bar(
            noun="runs", hint="Search: name, status, lr=0.1", unchosen="metric: auto", about="Metric in the list"
        )
        self.table = Table(
            columns=list(COLUMNS),
            page_size=settings().panel_rows,
            sort_key="started_at",
            kind="run",
            caption="Runs",
            empty="No run matches.",
        )
        follow_reader(self.bar, self.table, changed, narrowing=["search"])

    @property
    def selected(self) -> str | None:
        """The id of the run selected last."""
        return self.table.chosen

    def ask(self, read: Reader) -> RunsPage:
        """Return the page that the widgets ask for."""
        total, shown, runs = page_asked(read, self.bar, self.table, questions.count_runs, questions.list_runs)
        metrics = telling_first(runs, metric_keys(read, [run["run_id"] for run in runs]))
        metric = self.bar.choice if self.bar.choice in metrics else (metrics or [""])[0]
        keys = {run["run_id"]: key_of(run, [metric, *metrics]) for run in runs}
        lines = sparks(read, keys)
        parents = titles(read, [("run", run["parent_run_id"]) for run in runs if run["parent_run_id"]])
        rows = [
            {
                **_row(run, lines.get(run["run_id"], []), keys[run["run_id"]], metric),
                "under": _inside_of(parents, run["parent_run_id"]),
            }
            for run in runs
        ]
        return RunsPage(total, shown, metric, sorted(metrics), rows)

    def draw(self, page: RunsPage) -> None:
        """Show a page; what the reader has set stays, save a page number beyond the end."""
        self.bar.fill(page.total, page.shown, page.metrics)
        self.table.fill(page.rows, page.shown, headed(page.metric))

    def forget(self) -> None:
        """Let go of what was chosen in another store."""
        self.table.forget()


def headed(metric: str) -> list[dict[str, Any]]:
    """Return the columns, the metric's named by its key."""
    return [{**each, "label": metric} if each["key"] == "metric" and metric else each for each in COLUMNS]


def telling_first(runs: Sequence[Mapping[str, Any]], logged: Sequence[str]) -> list[str]:
    """Return metric keys in the order in which they tell of these runs.

    First come those that most runs have, then those that are named as a result, validation before training.

    Parameters
    ----------
    logged : the keys in the order in which they were first logged, which decides where nothing else does.
    """
    found = Counter(key for run in runs for key in run["metrics"])
    return sorted(
        filter(found.get, logged),
        key=lambda key: (
            -found[key],
            RESULT.search(key) is None,
            HELD_OUT.search(key) is None,
            TRAINING.search(key) is not None,
        ),
    )


def key_of(run: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    """Return the key to show for one run: the first that it has."""
    return next((key for key in keys if key in run["metrics"]), None)


def sparks(read: Reader, keys: Mapping[str, str | None]) -> dict[str, list[float | None]]:
    """Return run id -> the values of the metric that its row shows."""
    wanted = {run_id: key for run_id, key in keys.items() if key}
    if not wanted:
        return {}
    frame = many_series(read, list(wanted), sorted(set(wanted.values())), points=SPARK_POINTS)
    frame = frame[frame["key"] == frame["run_id"].map(wanted)]
    return {str(run_id): finite(each["value"].tolist()) for run_id, each in frame.groupby("run_id")}


def _inside_of(parents: Titles, parent_id: str | None) -> dict[str, str] | None:
    """Return the line that names the run around one; it may stand on another page, or be deleted."""
    return {"text": f"in {text.line(parents.get(('run', parent_id)) or ids.short(parent_id))}"} if parent_id else None


def _row(run: Mapping[str, Any], line: list[float | None], key: str | None, metric: str) -> dict[str, Any]:
    value = text.number(run["metrics"][key]) if key else ""
    started = text.milliseconds(run["started_at"])
    name = text.line(run["name"] or "") or ids.short(run["run_id"])
    going = run["status"] == "running"
    return {
        "id": run["run_id"],
        "status": run["status"],
        "name": f"★ {name}" if run["starred"] else name,
        "metric": value if key in (metric, None) else f"{key} {value}",
        "spark": line,
        "started_at": started,
        "duration_s": {"since": started} if going else run["duration_s"],
        "since": started if going else None,
        "notes": _notes(run),
    }


def _notes(run: Mapping[str, Any]) -> dict[str, str]:
    said = f"{text.line(run['name'] or '')} ({ids.short(run['run_id'])}){', starred' if run['starred'] else ''}"
    notes = {"name": "\n".join([said, *_lines(run["params"], "{} = {}")])}
    if run["metrics"]:
        notes["metric"] = "\n".join(_lines({key: text.number(each) for key, each in run["metrics"].items()}, "{}  {}"))
    if run["status"] == "lost":
        notes["status"] = "lost: its process is gone and did not say how it ended"
    elif run["error"]:
        notes["status"] = text.clipped(f"{run['status']}: {run['error']}")
    return notes


def _lines(pairs: Mapping[str, Any], form: str) -> list[str]:
    lines = [text.clipped(form.format(key, each)) for key, each in list(pairs.items())[:NOTE_LINES]]
    return [*lines, "…"] if len(pairs) > NOTE_LINES else lines
