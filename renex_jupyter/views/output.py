"""What a run printed, as plain text that follows its end."""

from __future__ import annotations

from pathlib import Path

import anywidget
from traitlets import Bool, Unicode

_HERE = Path(__file__).parent


class Output(anywidget.AnyWidget):
    """A folding box of text; whoever owns it brings the text, and none while the box is closed.

    The page stays at the end of the text until its reader scrolls up or marks something.
    """

    _esm = _HERE / "output.js"
    _css = _HERE / "output.css"

    label = Unicode("", help="Head of the box; nothing is shown without one.").tag(sync=True)
    text = Unicode("").tag(sync=True)
    notice = Unicode("", help="A line above the text: what is left out, or what is the matter.").tag(sync=True)
    of = Unicode("", help="What the text is of: for another one the page begins at the end again.").tag(sync=True)
    opened = Bool(True).tag(sync=True)
    more = Bool(False, help="There is more than is shown.").tag(sync=True)
    whole = Bool(False, help="All of it is wanted.").tag(sync=True)
