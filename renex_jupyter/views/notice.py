"""A state in place of a view: what is the matter, and one thing to do about it."""

from __future__ import annotations

from pathlib import Path

import anywidget
from traitlets import Unicode

_HERE = Path(__file__).parent


class Notice(anywidget.AnyWidget):
    """A title, a text and a button; the button comes back as a custom message `{"action": "go"}`."""

    _esm = _HERE / "notice.js"
    _css = _HERE / "notice.css"

    level = Unicode("info", help="info or error.").tag(sync=True)
    title = Unicode("", help="Nothing is shown without one.").tag(sync=True)
    text = Unicode("").tag(sync=True)
    action = Unicode("", help="Label of the button; none without one.").tag(sync=True)
