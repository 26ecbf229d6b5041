"""The list of runs: a page of them as rows of a table, with one metric and its line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter import ids
from renex_jupyter.config import settings
from renex_jupyter.query import runs as questions
from renex_jupyter.query.metrics import many_series
from renex_jupyter.store.reader import Reader
from renex_jupyter.views import text
from renex_jupyter.views.bar import Bar
from renex_jupyter.views.figures import finite
from renex_jupyter.views.table import Table

SPARK_POINTS = 40
NOTE_LINES = 12

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
        self.bar = Bar()
        self.table = Table(
            columns=list(COLUMNS),
            page_size=settings().panel_rows,
            sort_key="started_at",
            kind="run",
            caption="Runs",
            empty="No run matches.",
        )
        self.bar.observe(lambda _: self._start_over(), "search")
        self.bar.observe(lambda _: changed(), ["search", "metric"])
        self.table.observe(lambda _: changed(), ["page", "sort_key", "sort_descending", "selected"])

    @property
    def selected(self) -> str | None:
        """The id of the run selected last."""
        return self.table.selected[-1] if self.table.selected else None

    def ask(self, read: Reader) -> RunsPage:
        """Return the page that the widgets ask for."""
        search, size = self.bar.search, self.table.page_size
        total = questions.count_runs(read)
        shown = questions.count_runs(read, search=search) if search else total
        page = min(self.table.page, max(0, (shown - 1) // size))
        runs = questions.list_runs(
            read,
            search=search,
            order_by=self.table.sort_key,
            descending=self.table.sort_descending,
            limit=size,
            offset=page * size,
        )
        metrics = common_metrics(runs)
        metric = self.bar.metric if self.bar.metric in metrics else (metrics or [""])[0]
        return RunsPage(total, shown, metric, sorted(metrics), run_rows(runs, sparks(read, runs, metric), metric))

    def draw(self, page: RunsPage) -> None:
        """Show a page; what the reader has set stays, save a page number beyond the end."""
        with self.bar.hold_sync():
            self.bar.total, self.bar.shown, self.bar.metrics = page.total, page.shown, page.metrics
        with self.table.hold_sync():
            self.table.total = page.shown
            self.table.page = min(self.table.page, max(0, (page.shown - 1) // self.table.page_size))
            self.table.columns = headed(page.metric)
            self.table.rows = page.rows

    def forget(self) -> None:
        """Let go of what was chosen in another store."""
        with self.table.hold_sync():
            self.table.selected, self.table.page = [], 0

    def _start_over(self) -> None:
        self.table.page = 0


def headed(metric: str) -> list[dict[str, Any]]:
    """Return the columns, the metric's named by its key."""
    return [{**each, "label": metric} if each["key"] == "metric" and metric else each for each in COLUMNS]


def common_metrics(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the metric keys of some runs, the one that most of them have first."""
    found = Counter(key for run in runs for key in run["metrics"])
    return sorted(found, key=lambda key: (-found[key], key))


def key_of(run: Mapping[str, Any], metric: str) -> str | None:
    """Return the key to show for one run: the common one, else its own first."""
    return metric if metric in run["metrics"] else next(iter(run["metrics"]), None)


def sparks(read: Reader, runs: Sequence[Mapping[str, Any]], metric: str) -> dict[str, list[float | None]]:
    """Return run id -> the values of the metric that its row shows."""
    wanted = {run["run_id"]: key for run in runs if (key := key_of(run, metric))}
    if not wanted:
        return {}
    frame = many_series(read, list(wanted), sorted(set(wanted.values())), points=SPARK_POINTS)
    frame = frame[frame["key"] == frame["run_id"].map(wanted)]
    return {str(run_id): finite(each["value"].tolist()) for run_id, each in frame.groupby("run_id")}


def run_rows(
    runs: Sequence[Mapping[str, Any]], lines: Mapping[str, list[float | None]], metric: str
) -> list[dict[str, Any]]:
    """Return runs as rows of the table."""
    return [_row(run, lines.get(run["run_id"], []), key_of(run, metric), metric) for run in runs]


def _row(run: Mapping[str, Any], line: list[float | None], key: str | None, metric: str) -> dict[str, Any]:
    value = text.number(run["metrics"][key]) if key else ""
    started = text.milliseconds(run["started_at"])
    return {
        "id": run["run_id"],
        "status": run["status"],
        "name": run["name"] or ids.short(run["run_id"]),
        "metric": value if key in (metric, None) else f"{key} {value}",
        "spark": line,
        "started_at": started,
        "duration_s": {"since": started} if run["status"] == "running" else run["duration_s"],
        "notes": _notes(run),
    }


def _notes(run: Mapping[str, Any]) -> dict[str, str]:
    notes = {"name": "\n".join([f"{run['name']} ({ids.short(run['run_id'])})", *_lines(run["params"], "{} = {}")])}
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
