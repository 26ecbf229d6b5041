"""The list of datasets: a page of them as rows of a table, with where models fail on each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter.analysis.figures.patterns import SIGNS
from renex_jupyter.config import settings
from renex_jupyter.query import dataset_lists as questions
from renex_jupyter.records import display
from renex_jupyter.records.failure_patterns import CONFIRMED, two_rates
from renex_jupyter.store.reader import Reader
from renex_jupyter.views import text
from renex_jupyter.views.bar import Bar
from renex_jupyter.views.lists import follow_reader, page_asked
from renex_jupyter.views.table import Table

COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "name", "label": "Dataset", "kind": "text", "sortable": True, "main": True, "wraps": True},
    {"key": "n_samples", "label": "Samples", "kind": "number", "sortable": True, "align": "right"},
    {"key": "latest", "label": "Version", "kind": "number", "width": 480, "align": "right"},
    {"key": "changed_at", "label": "When", "kind": "time", "sortable": True, "width": 480},
)


@dataclass(frozen=True)
class DatasetsPage:
    """What the list shows of the store at one moment."""

    total: int
    shown: int
    rows: list[dict[str, Any]]


class DatasetsList:
    """The bar and the table of datasets; `changed` is called when their reader asks for something else."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.bar = Bar(noun="datasets", hint="Search: name, task, owner, pattern")
        self.table = Table(
            columns=list(COLUMNS),
            page_size=settings().panel_rows,
            sort_key="changed_at",
            kind="dataset",
            caption="Datasets",
            empty="No dataset matches.",
        )
        follow_reader(self.bar, self.table, changed, narrowing=["search"])

    @property
    def selected(self) -> str | None:
        """The id of the dataset selected last."""
        return self.table.chosen

    def ask(self, read: Reader) -> DatasetsPage:
        """Return the page that the widgets ask for."""
        total, shown, datasets = page_asked(
            read, self.bar, self.table, questions.count_datasets, questions.list_datasets
        )
        return DatasetsPage(total, shown, [_row(each) for each in datasets])

    def draw(self, page: DatasetsPage) -> None:
        """Show a page; what the reader has set stays, save a page number beyond the end."""
        self.bar.fill(page.total, page.shown, [])
        self.table.fill(page.rows, page.shown)

    def forget(self) -> None:
        """Let go of what was chosen in another store."""
        self.table.forget()


def _row(dataset: Mapping[str, Any]) -> dict[str, Any]:
    name = text.line(f"{dataset['namespace']}/{dataset['name']}")
    about = [text.line(each) for each in (dataset["task"], dataset["description"]) if each]
    versions = display.count(dataset["versions"], "version") if dataset["versions"] else "no version yet"
    return {
        "id": dataset["dataset_id"],
        "name": name,
        "n_samples": text.short_count(dataset["n_samples"]),
        "latest": f"v{dataset['latest']}" if dataset["latest"] is not None else "",
        "changed_at": text.milliseconds(dataset["changed_at"]),
        "chips": [
            *pattern_chips(dataset["patterns"]),
            *([[display.count(dataset["kept"], "kept pattern"), "", "label"]] if dataset["kept"] else []),
            *([["starred", "", "label"]] if dataset["starred"] else []),
            *([["archived", "", "label"]] if dataset["archived"] else []),
            *([[text.line(dataset["task"], 40), "task", "label"]] if dataset["task"] else []),
            [versions, "", "quiet"],
        ],
        "verdict": _worst(dataset["worse"]),
        "notes": {"name": "\n".join([name, *about]), "n_samples": f"{dataset['n_samples'] or 0:,}"},
    }


def pattern_chips(patterns: Mapping[str, int]) -> list[list[str]]:
    """Return how many patterns there are of each status, as chips: a mark and a word, so that no colour has to tell."""
    known = [each for each in SIGNS if each in patterns]
    others = sorted(each for each in patterns if each not in SIGNS)
    return [
        [f"{SIGNS.get(each, '·')} {patterns[each]:,} {text.line(each, 30) or 'not tested'}",
         f"{display.count(patterns[each], 'failure pattern')} of the newest search", "" if each == CONFIRMED else "label"]
        for each in (*known, *others)
    ]  # fmt: skip


def _worst(worse: Sequence[Mapping[str, Any]]) -> dict[str, str] | None:
    if not worse:
        return None
    first, more = worse[0], f" (and {len(worse) - 1:,} more)" if len(worse) > 1 else ""
    rates = " to ".join(two_rates(first["previous_rate"], first["error_rate"], first["error"] or "error"))
    return {"text": f"worse on {text.line(first['name'] or '', 80)}: {rates}{more}", "state": "worse"}
