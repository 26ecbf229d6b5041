"""The head of the panel: whose project this is, and which of its lists is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
from traitlets import Dict, List, TraitError, Unicode, validate

from renex_jupyter.views.asked import take_asked

_HERE = Path(__file__).parent


class Head(anywidget.AnyWidget):
    """The project's name, and a tab for each list.

    A page asks for another tab with a custom message `{"asked": {"tab": name}}`, and says with one of
    `{"view": id, "visible": bool}` that it came into sight or went.
    """

    _esm = _HERE / "head.js"
    _css = _HERE / "head.css"

    project = Unicode("", help="Name of the project's folder.").tag(sync=True)
    place = Unicode("", help="Its whole path, as tooltip.").tag(sync=True)
    tabs = List(Dict(), help="`name` and `label` of each.").tag(sync=True)
    tab = Unicode("", help="Name of the one that is shown.").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        take_asked(self, {"tab"})

    @validate("tab")
    def _known(self, proposal: dict[str, Any]) -> str:
        if proposal["value"] not in [each["name"] for each in self.tabs]:
            raise TraitError(f"no tab is called {proposal['value']!r}")
        return str(proposal["value"])
