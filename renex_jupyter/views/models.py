"""The list of models: a page of them as rows of a table, with what speaks for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter.config import settings
from renex_jupyter.query import model_lists as questions
from renex_jupyter.records import display
from renex_jupyter.store.reader import Reader
from renex_jupyter.views import text
from renex_jupyter.views.bar import Bar
from renex_jupyter.views.lists import follow_reader, page_asked
from renex_jupyter.views.runs import telling_first
from renex_jupyter.views.table import Table

METRIC_WIDTHS = (0, 480, 640)  # of the columns of metrics: from which width of the table on each is shown
MOST_CHIPS = 4
NOTE_LINES = 12


@dataclass(frozen=True)
class ModelsPage:
    """What the list shows of the store at one moment."""

    total: int
    shown: int
    metrics: list[str]  # keys that the models of this page have
    columns: list[dict[str, Any]]
    rows: list[dict[str, Any]]


class ModelsList:
    """The bar and the table of models; `changed` is called when their reader asks for something else."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.bar = Bar(
            noun="models", hint="Search: name, alias, owner", unchosen="metric: auto", about="Metric in the list"
        )
        self.table = Table(
            columns=columns([]),
            page_size=settings().panel_rows,
            sort_key="registered_at",
            kind="model",
            caption="Models",
            empty="No model matches.",
        )
        follow_reader(self.bar, self.table, changed, narrowing=["search"])

    @property
    def selected(self) -> str | None:
        """The id of the model selected last."""
        return self.table.chosen

    def ask(self, read: Reader) -> ModelsPage:
        """Return the page that the widgets ask for."""
        total, shown, models = page_asked(read, self.bar, self.table, questions.count_models, questions.list_models)
        keys = headline(models, self.bar.choice)
        rows = [_row(each, keys[: len(METRIC_WIDTHS)]) for each in models]
        return ModelsPage(total, shown, sorted(keys), columns(keys), rows)

    def draw(self, page: ModelsPage) -> None:
        """Show a page; what the reader has set stays, save a page number beyond the end."""
        self.bar.fill(page.total, page.shown, page.metrics)
        self.table.fill(page.rows, page.shown, page.columns)

    def forget(self) -> None:
        """Let go of what was chosen in another store."""
        self.table.forget()


def columns(keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return the columns, the first few metrics each with one of its own."""
    metrics = [
        {
            "key": f"metric{place}",
            "label": text.line(key, 80),
            "kind": "number",
            "align": "right",
            "width": METRIC_WIDTHS[place],
        }
        for place, key in enumerate(keys[: len(METRIC_WIDTHS)])
    ]
    return [
        {"key": "name", "label": "Model", "kind": "text", "sortable": True, "main": True, "wraps": True},
        *metrics,
        {"key": "versions", "label": "Versions", "kind": "number", "sortable": True, "width": 480, "align": "right"},
        {"key": "registered_at", "label": "When", "kind": "time", "sortable": True, "width": 480},
    ]


def headline(rows: Sequence[Mapping[str, Any]], chosen: str) -> list[str]:
    """Return the metric keys of some rows, the chosen one first, then those that tell most."""
    logged = sorted({key for row in rows for key in row["metrics"]})
    keys = telling_first(rows, logged)
    return [chosen, *(key for key in keys if key != chosen)] if chosen in keys else keys


def _row(model: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    name = text.line(f"{model['namespace']}/{model['name']}")
    versions = display.count(model["versions"], "version") if model["versions"] else "no version yet"
    own = [] if not keys or keys[0] in model["metrics"] else headline([model], "")[:1]
    return {
        "id": model["model_id"],
        "name": name,
        "versions": f"{model['versions']:,}",
        "registered_at": text.milliseconds(model["registered_at"]),
        **{f"metric{place}": text.short_number(model["metrics"].get(key)) for place, key in enumerate(keys)},
        "chips": [
            *alias_chips(model),
            *([["archived", "", "label"]] if model["archived"] else []),
            [versions, "", "quiet"],
        ],
        "verdict": _told(model["verdict"]),
        "under": {"text": f"{text.line(own[0], 80)} {text.number(model['metrics'][own[0]])}"} if own else None,
        "notes": _notes(model, name, keys),
    }


def alias_chips(model: Mapping[str, Any]) -> list[list[str]]:
    """Return the aliases of a model as chips, of many the first."""
    some = list(model["aliases"].items())
    chips = [[text.line(f"{alias} v{version}", 60), f"{alias} is version {version}", ""] for alias, version in some]
    more = [[f"+{len(some) - MOST_CHIPS}", ", ".join(each[0] for each in chips[MOST_CHIPS:]), "label"]]
    return chips[:MOST_CHIPS] + (more if len(chips) > MOST_CHIPS else [])


def _told(verdict: Mapping[str, Any] | None) -> dict[str, str] | None:
    if verdict is None:
        return None
    return {"text": text.line(verdict["reason"] or ""), "state": text.line(verdict["verdict"] or "", 20)}


def _notes(model: Mapping[str, Any], name: str, keys: Sequence[str]) -> dict[str, str]:
    task = [text.line(each) for each in (model["task"], model["description"]) if each]
    notes = {"name": "\n".join([name, *task])}
    if model["metrics"]:
        lines = [f"{text.line(key, 80)}  {text.number(each)}" for key, each in model["metrics"].items()][:NOTE_LINES]
        of = f"of v{model['shown']}"
        notes |= {f"metric{place}": "\n".join([of, *lines]) for place in range(len(keys))}
    return notes
