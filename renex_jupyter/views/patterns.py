"""Where a model fails on a dataset version: the newest search of each model, as a figure, a table and what is selected in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from renex_jupyter.analysis.figures.patterns import pattern_figure
from renex_jupyter.analysis.figures.waterfall import by_condition, waterfall_figure
from renex_jupyter.errors import RenexError
from renex_jupyter.query import pattern_lists as questions
from renex_jupyter.records.failure_patterns import rate
from renex_jupyter.records.predicates import from_json
from renex_jupyter.store.reader import Reader
from renex_jupyter.views import dataset_facts, text
from renex_jupyter.views.detail import Detail
from renex_jupyter.views.plot import Plot
from renex_jupyter.views.table import Table

PAGE = 10  # patterns on one, in the table and in the figure
NOTHING: dict[str, Any] = {}
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "position", "label": "Rank", "kind": "number", "sortable": True, "width": 480},
    {"key": "predicate", "label": "Pattern", "kind": "text", "main": True, "wraps": True},
    {"key": "error_rate", "label": "Found on", "kind": "number", "sortable": True, "align": "right", "width": 360},
    {"key": "holdout_error_rate", "label": "Tested on", "kind": "number", "sortable": True, "align": "right", "width": 360},
    {"key": "support", "label": "Samples", "kind": "number", "sortable": True, "align": "right", "width": 480},
)  # fmt: skip


@dataclass(frozen=True)
class PatternsPicture:
    """What is shown of the searches on one dataset version at one moment."""

    version: Mapping[str, Any]
    choices: list[str]
    choice: str
    search: Mapping[str, Any] | None
    patterns: Sequence[Mapping[str, Any]]
    chosen: Mapping[str, Any] | None


class Patterns:
    """The widgets of the failure patterns.

    Parameters
    ----------
    changed : is called when their reader asks for something else.
    insert : is called with the code of a cell.
    hosted : whether the page can insert cells for this kernel.
    """

    def __init__(self, changed: Callable[[], None], insert: Callable[[str], None], *, hosted: bool) -> None:
        self.head, self.pattern = Detail(), Detail()
        self.plot = Plot(label="Error rates of the failure patterns", about="Model version", log_choice=False)
        self.steps = Plot(label="What each condition adds to the error rate", log_choice=False)
        self.table = Table(
            columns=list(COLUMNS), page_size=PAGE, sort_key="position", sort_descending=False, kind="pattern",
            caption="Failure patterns", empty="",
        )  # fmt: skip
        self._hosted, self._insert, self._changed = hosted, insert, changed
        self._shown: PatternsPicture | None = None
        self._of: str | None = None  # the search that the reader has chosen a pattern and a page of
        self.plot.observe(lambda _: changed(), "choice")
        self.plot.on_msg(self._on_plot)
        self.table.observe(lambda _: changed(), ["page", "sort_key", "sort_descending", "selected"])
        self.head.on_msg(self._on_head)
        self.pattern.on_msg(self._on_pattern)

    @property
    def widgets(self) -> list[Any]:
        """The parts in their order."""
        return [self.head, self.plot, self.table, self.pattern, self.steps]

    def ask(self, read: Reader, version: Mapping[str, Any]) -> PatternsPicture:
        """Return what to show of the searches on a dataset version."""
        searches = _labelled(questions.list_searches(read, version["dataset_version_id"]))
        choice = self.plot.choice if self.plot.choice in searches else next(iter(searches), "")
        search = searches.get(choice)
        if search is None:
            return PatternsPicture(version, [], "", None, [], None)
        anew = search["pattern_search_id"] != self._of
        page = 0 if anew else self.table.page_of(search["patterns"])
        sort_key, descending = ("position", False) if anew else (self.table.sort_key, self.table.sort_descending)
        patterns = questions.list_patterns(
            read,
            search["pattern_search_id"],
            order_by=sort_key,
            descending=descending,
            limit=PAGE,
            offset=page * PAGE,
        )
        chosen = None if anew or self.table.chosen is None else questions.get_pattern(read, self.table.chosen)
        return PatternsPicture(version, [*searches], choice, search, patterns, chosen)

    def draw(self, picture: PatternsPicture | None) -> None:
        """Show them, or nothing."""
        self._shown = picture
        search = picture.search if picture else None
        self._draw_table(picture, search)
        self._draw_head(picture, search)
        self._draw_chosen(picture)

    def _draw_table(self, picture: PatternsPicture | None, search: Mapping[str, Any] | None) -> None:
        own_id = search["pattern_search_id"] if search else None
        with self.table.hold_sync():
            if own_id != self._of:
                self.table.forget()
                self.table.sort_key, self.table.sort_descending = "position", False
            self._of = own_id
            rows = [_row(each, search["error"] or "error") for each in picture.patterns] if picture and search else []
            self.table.fill(rows, search["patterns"] if search else 0)

    def _draw_head(self, picture: PatternsPicture | None, search: Mapping[str, Any] | None) -> None:
        if picture is None:
            self.head.actions, self.head.content = [], {}
            with self.plot.hold_sync():
                self.plot.choices, self.plot.figure = [], NOTHING
            return
        version = picture.version
        self.head.content = dataset_facts.search_of(version, search)
        label = "Search again" if search else "Find failures"
        code = dataset_facts.code_of_search(version, search)
        name = dataset_facts.reference_of(version)
        own_id = version["dataset_version_id"]
        buttons = dataset_facts.actions(own_id, name, {label: code}, hosted=self._hosted)[:1]
        self.head.actions = buttons if version["sets"] else []
        error = (search["error"] if search else None) or "error"
        with self.plot.hold_sync():
            self.plot.choices, self.plot.choice = picture.choices, picture.choice
            revision = f"{self._of} {self.table.page} {self.table.sort_key}"
            self.plot.figure = (
                pattern_figure(picture.patterns, error=error, revision=revision) if picture.patterns else NOTHING
            )

    def _draw_chosen(self, picture: PatternsPicture | None) -> None:
        chosen = picture.chosen if picture else None
        if picture is None or chosen is None or picture.search is None:
            self.pattern.actions, self.pattern.content, self.steps.figure = [], {}, NOTHING
            return
        error = picture.search["error"] or "error"
        self.pattern.content = dataset_facts.pattern_of(chosen, error)
        own_id, rule = chosen["failure_pattern_id"], text.line(chosen["predicate_text"] or "")
        codes = {"Show samples": dataset_facts.code_of_pattern(picture.version, chosen)}
        self.pattern.actions = dataset_facts.actions(own_id, rule, codes, hosted=self._hosted)
        self.steps.figure = _steps(chosen, error)

    def _on_plot(self, _: Any, message: Any, __: Any) -> None:
        """A bar that is clicked selects its pattern."""
        place = message.get("y") if isinstance(message, dict) and message.get("event") == "click" else None
        if self._shown and isinstance(place, int) and 0 <= place < len(self._shown.patterns):
            self.table.selected = [self._shown.patterns[place]["failure_pattern_id"]]

    def _on_head(self, _: Any, message: Any, __: Any) -> None:
        if self._shown and _asks(message, self._shown.version["dataset_version_id"]).startswith("insert"):
            self._insert(dataset_facts.code_of_search(self._shown.version, self._shown.search))

    def _on_pattern(self, _: Any, message: Any, __: Any) -> None:
        chosen = self._shown.chosen if self._shown else None
        if self._shown is None or chosen is None:
            return
        action = _asks(message, chosen["failure_pattern_id"])
        if action == "close":
            self.table.selected = []
        elif action.startswith("insert"):
            self._insert(dataset_facts.code_of_pattern(self._shown.version, chosen))


def _asks(message: Any, own_id: str) -> str:
    """Return the action that a button asks for; nothing where it was drawn for something else."""
    is_ours = isinstance(message, dict) and message.get("of") in (None, "", own_id)
    return str(message.get("action", "")) if is_ours else ""


def _labelled(searches: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the searches by what they are called in the choice, each name once."""
    found: dict[str, Mapping[str, Any]] = {}
    for each in searches:
        label = text.line(f"{each['title'] or 'predictions'}: {each['error'] or 'error'}", 80)
        found[label if label not in found else f"{label} ({each['pattern_search_id'][:8]})"] = each
    return found


def _row(pattern: Mapping[str, Any], error: str) -> dict[str, Any]:
    found, tested = rate(pattern["error_rate"], error), rate(pattern["holdout_error_rate"], error)
    base, status = rate(pattern["base_rate"], error), text.line(pattern["status"] or "not tested", 30)
    rates = f"{found} and {tested}" if tested else found
    again = "" if pattern["explained_by"] is None else f"; repeats #{pattern['explained_by']}"
    rule = text.line(pattern["predicate_text"] or "every sample")
    return {
        "id": pattern["failure_pattern_id"],
        "position": pattern["position"],
        "predicate": rule,
        "error_rate": found,
        "holdout_error_rate": tested,
        "support": text.short_count(pattern["support"]),
        "verdict": {"text": f"{status}: {rates}, all {base}{again}", "state": status},
        "notes": {"predicate": text.plain(text.clipped(pattern["predicate_text"] or ""))},
    }


def _steps(pattern: Mapping[str, Any], error: str) -> dict[str, Any]:
    said, base = pattern["contributions"], pattern["base_rate"]
    if not isinstance(said, dict) or base is None or len(said) < 2:
        return NOTHING
    steps = {str(name): float(each) for name, each in said.items() if isinstance(each, (int, float))}
    with suppress(RenexError):  # written by somebody else, in another way
        steps = by_condition(steps, from_json(pattern["predicate"]))
    return waterfall_figure(steps, base, error=error) if steps else NOTHING
