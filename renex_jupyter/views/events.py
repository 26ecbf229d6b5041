"""The feed: what happened, outside and to the objects here, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from renex_jupyter.config import settings
from renex_jupyter.query import feeds as questions
from renex_jupyter.query.feeds import CHANGE, EVENT, EVERYTHING, Wanted
from renex_jupyter.store.reader import Reader
from renex_jupyter.views import text
from renex_jupyter.views.bar import Bar
from renex_jupyter.views.lists import follow_reader
from renex_jupyter.views.sentences import owners, sentences
from renex_jupyter.views.table import Table

FILTERS = (
    {"name": "", "label": "All"},
    {"name": EVENT, "label": "Events"},
    {"name": CHANGE, "label": "Changes"},
)
ALL_KINDS = "everything"  # as a choice: also the changes that the feed leaves out unasked
UNCHOSEN = {"": "", EVENT: "source: any", CHANGE: "kind: most"}
NOTHING_YET = 'No event yet. rx.log_event("deployed", source="airflow") writes one.'
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "sign", "label": "", "kind": "sign"},
    {"key": "what", "label": "What happened", "kind": "text", "main": True, "wraps": True},
    {"key": "took", "label": "Took", "kind": "duration", "width": 480, "align": "right"},
    {"key": "at", "label": "When", "kind": "time", "width": 480},
)


@dataclass(frozen=True)
class EventsPage:
    """What the feed shows of the store at one moment."""

    total: int
    shown: int
    choices: list[str]  # sources of events, or kinds of changed objects
    rows: list[dict[str, Any]]


class EventsList:
    """The bar and the table of the feed; `changed` is called when its reader asks for something else."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.bar = Bar(
            noun="events",
            hint="Search: name, who, object",
            filters=list(FILTERS),
            about="Kind of changes or source of events",
        )
        self.table = Table(columns=list(COLUMNS), page_size=settings().panel_rows, kind="event", caption="Events")
        self.bar.observe(lambda _: self._choose_anew(), "filter")
        follow_reader(self.bar, self.table, changed, narrowing=["search", "filter", "choice"])

    @property
    def selected(self) -> str | None:
        """What the entry is that was selected last, and its id: `event:ID` or `change:ID`."""
        return self.table.chosen

    def ask(self, read: Reader) -> EventsPage:
        """Return the page that the widgets ask for."""
        size, wanted = self.table.page_size, self._wanted()
        total = questions.count_feed(read, Wanted())
        shown = questions.count_feed(read, wanted) if wanted != Wanted() else total
        entries = questions.list_feed(read, wanted, limit=size, offset=self.table.page_of(shown) * size)
        told = zip(entries, sentences(read, entries), owners(read, entries), strict=True)
        choices = {EVENT: questions.event_sources, CHANGE: questions.change_kinds}.get(wanted.what)
        names = choices(read) if choices else []
        return EventsPage(
            total, shown, [*([ALL_KINDS] if wanted.what == CHANGE else []), *names], [_row(*each) for each in told]
        )

    def draw(self, page: EventsPage) -> None:
        """Show a page; what the reader has set stays, save a page number beyond the end."""
        with self.bar.hold_sync():
            self.bar.fill(page.total, page.shown, page.choices)
            self.bar.unchosen = UNCHOSEN[self.bar.filter if self.bar.filter in UNCHOSEN else ""]
        narrowed = self.bar.search or self.bar.choice
        with self.table.hold_sync():
            self.table.empty = NOTHING_YET if self.bar.filter == EVENT and not narrowed else "Nothing matches."
            self.table.fill(page.rows, page.shown)

    def forget(self) -> None:
        """Let go of what was chosen in another store."""
        self.bar.choice = ""
        self.table.forget()

    def _wanted(self) -> Wanted:
        what = self.bar.filter if self.bar.filter in (EVENT, CHANGE) else ""
        kind = self.bar.choice if what else ""
        return Wanted(what, EVERYTHING if what == CHANGE and kind == ALL_KINDS else kind, self.bar.search)

    def _choose_anew(self) -> None:
        self.bar.choice = ""


def id_of(entry: Mapping[str, Any]) -> str:
    """Return what tells an entry of the feed from all others."""
    return f"{entry['what']}:{entry['id']}"


def takes_time(entry: Mapping[str, Any]) -> bool:
    """Say whether an entry is an event with a beginning."""
    return bool(entry["what"] == EVENT and entry["phase"] == "start")


def goes_on(entry: Mapping[str, Any]) -> bool:
    """Say whether an entry is an event whose finish may still come."""
    return bool(entry["what"] == EVENT and entry["goes_on"])


def seconds_of(entry: Mapping[str, Any]) -> float | None:
    """Return how long an event took; None for one without a finish, or that takes no time."""
    ended = entry["ended"] if takes_time(entry) else None
    return None if ended is None else float((ended - entry["began"]).total_seconds())


def _row(entry: Mapping[str, Any], sentence: str, owner: str) -> dict[str, Any]:
    at = text.milliseconds(entry["moment"])
    seconds = seconds_of(entry)
    took = {"since": text.milliseconds(entry["began"])} if goes_on(entry) else seconds
    source = text.line(entry["source"] or "", 60) if entry["what"] == EVENT else ""
    return {
        "id": id_of(entry),
        "sign": "going" if goes_on(entry) else "span" if takes_time(entry) else entry["what"],
        "what": sentence,
        "took": took,
        "at": at,
        "under": {"text": " · ".join(each for each in (source, owner) if each), "took": took, "at": at},
        "notes": {"what": sentence},
    }
