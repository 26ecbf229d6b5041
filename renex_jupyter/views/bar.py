"""The head of the panel: whose runs these are, and which of them are shown."""

from __future__ import annotations

from pathlib import Path

import anywidget
from traitlets import Int, List, Unicode

_HERE = Path(__file__).parent


class Bar(anywidget.AnyWidget):
    """Project, search box and the filter in force.

    The page waits until typing pauses before it sets `search`; each word of it is a chip that can be taken off. A view
    says with a custom message `{"view": id, "visible": bool}` that it came into sight or went.
    """

    _esm = _HERE / "bar.js"
    _css = _HERE / "bar.css"

    project = Unicode("", help="Name of the project's folder.").tag(sync=True)
    place = Unicode("", help="Its whole path, as tooltip.").tag(sync=True)
    search = Unicode("").tag(sync=True)
    shown = Int(0, help="Runs that match the search.").tag(sync=True)
    total = Int(0).tag(sync=True)
    metrics = List(Unicode(), help="Metric keys that the list can show.").tag(sync=True)
    metric = Unicode("", help="The one chosen; empty: the most common one.").tag(sync=True)
