"""What is looked for in a list: a search box, filters, and one thing to choose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
from traitlets import Dict, Int, List, Unicode

from renex_jupyter.views.asked import take_asked

_HERE = Path(__file__).parent


class Bar(anywidget.AnyWidget):
    """Search box and the filter in force.

    The page waits until typing pauses before it asks for a `search`; each word of it is a chip that can be taken off.
    """

    _esm = _HERE / "bar.js"
    _css = _HERE / "bar.css"

    noun = Unicode("", help="What is listed: runs.").tag(sync=True)
    hint = Unicode("", help="What can be typed, shown while nothing is.").tag(sync=True)
    search = Unicode("").tag(sync=True)
    shown = Int(0, help="Rows that match the search.").tag(sync=True)
    total = Int(0).tag(sync=True)
    filters = List(Dict(), help="`name` and `label` of chips, of which one is chosen.").tag(sync=True)
    filter = Unicode("", help="Name of the chosen one.").tag(sync=True)
    choices = List(Unicode(), help="What the list can show, such as metric keys.").tag(sync=True)
    choice = Unicode("", help="The one chosen; empty: whatever `unchosen` says.").tag(sync=True)
    unchosen = Unicode("", help="How no choice is called.").tag(sync=True)
    about = Unicode("", help="What is chosen, for screen readers.").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        take_asked(self, {"search", "filter", "choice"})

    def fill(self, total: int, shown: int, choices: list[str]) -> None:
        """Show how many rows there are and match, and what can be chosen; what the reader has set stays."""
        with self.hold_sync():
            self.total, self.shown, self.choices = total, shown, choices
