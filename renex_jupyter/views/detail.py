"""The parts of one object, as headings, facts and small tables."""

from __future__ import annotations

from pathlib import Path

import anywidget
from traitlets import Dict, List

_HERE = Path(__file__).parent


class Detail(anywidget.AnyWidget):
    """Shows the parts that `content` has, in this order; every string of it is shown as text.

    `title` {text, id, status, closable}, `error`, `facts` [[label, text]], `metrics` [{key, last, low, high, points}],
    `params` [[key, text]], `tags` [[key, text]], `snapshots` [{when, id, message, holds}].
    A button comes back as a custom message `{"action": name}`; `copy` is done by the page, from the action's `text`.
    """

    _esm = _HERE / "detail.js"
    _css = _HERE / "detail.css"

    content = Dict().tag(sync=True)
    actions = List(Dict(), help="{name, label, text}: buttons under the title.").tag(sync=True)
