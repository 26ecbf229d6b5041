"""A table that a page can sort, page and select in, drawn as a real HTML table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
from traitlets import Bool, Dict, Int, List, Unicode

from renex_jupyter.views.asked import take_asked

_HERE = Path(__file__).parent
ASKED = frozenset({"page", "sort_key", "sort_descending", "selected"})  # what a page may ask for


class Table(anywidget.AnyWidget):
    """One page of rows. Sorting, paging and selecting change the traits; whoever owns the table brings the rows.

    A page asks for them with a custom message `{"asked": {trait: value}}`.

    A column is a dict: `key`, `label`, `kind` (text, number, time, duration, status, spark, sign), `sortable`, `align`,
    `main` (its cell is the button that selects the row), `wraps` (a long text takes more lines) and `width` (0, 360, 480
    or 640: pixels of the table from which on the column is shown).
    A row is a dict of an `id`, optional `notes` (key -> tooltip), optional `since` (milliseconds; a ticking time beside
    the main cell where durations have no column), optional lines under the text of the main cell, and one plain value
    per column key. Lines are `chips` [[text, tooltip, "" or "quiet"]], `verdict` {text, state}, and `under` {text,
    took, at} with a duration and a time, which are shown, before the text, where these have no column. Values are:

    - text, number: text, as it is to be read;
    - time: milliseconds since the epoch;
    - duration: seconds, or `{"since": milliseconds}` for one that still runs;
    - status: a run status;
    - sign: event, span, going (a span that goes on) or change;
    - spark: numbers in order, None for a gap.
    """

    _esm = "".join(
        (_HERE / name).read_text(encoding="utf-8") for name in ("times.js", "chips.js", "cells.js", "table.js")
    )
    _css = "".join((_HERE / name).read_text(encoding="utf-8") for name in ("chips.css", "table.css"))

    columns = List(Dict()).tag(sync=True)
    rows = List(Dict()).tag(sync=True)
    total = Int(0, help="Rows on all pages.").tag(sync=True)
    page = Int(0, help="From 0.").tag(sync=True)
    page_size = Int(50).tag(sync=True)
    sort_key = Unicode("").tag(sync=True)
    sort_descending = Bool(True).tag(sync=True)
    selected = List(Unicode(), help="Ids of the selected rows.").tag(sync=True)
    kind = Unicode("", help="What a row is, for context menus: run.").tag(sync=True)
    caption = Unicode("", help="Read out by screen readers.").tag(sync=True)
    empty = Unicode("Nothing to show.", help="Said where there are no rows; nothing at all without it.").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        take_asked(self, ASKED)

    @property
    def chosen(self) -> str | None:
        """The id of the row that was selected last."""
        return self.selected[-1] if self.selected else None

    def page_of(self, total: int) -> int:
        """Return the page to show of so many rows: the one that is asked for, or the last one."""
        return int(min(self.page, max(0, (total - 1) // self.page_size)))

    def fill(self, rows: list[dict[str, Any]], total: int, columns: list[dict[str, Any]] | None = None) -> None:
        """Show a page of so many rows; what the reader has set stays, save a page number beyond the end."""
        with self.hold_sync():
            self.total, self.page = total, self.page_of(total)
            if columns is not None:
                self.columns = columns
            self.rows = rows

    def forget(self) -> None:
        """Let go of what was chosen among other rows."""
        with self.hold_sync():
            self.selected, self.page = [], 0
