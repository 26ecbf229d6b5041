"""The parts of one object, as headings, facts and small tables."""

from __future__ import annotations

from pathlib import Path
from typing import NotRequired, TypedDict

import anywidget
from traitlets import Dict, List

_HERE = Path(__file__).parent


class Action(TypedDict):
    """A button. One with `confirm` asks that first, and `yes` is the label of what does it."""

    name: str
    label: str
    text: NotRequired[str]  # to be copied
    of: NotRequired[str]  # the id of what it was drawn for: that another one is shown by now is known by it
    confirm: NotRequired[str]
    yes: NotRequired[str]
    disabled: NotRequired[bool]
    note: NotRequired[str]  # stands beside it
    hint: NotRequired[str]  # its tooltip


class Detail(anywidget.AnyWidget):
    """Shows the parts that `content` has, in this order; every string of it is shown as text.

    `title` {text, id, status, closable, since (milliseconds; ticks) or seconds, wraps}, `error`,
    `chips` [[text, tooltip, look]] as of a `Table`, `facts` [[label, text]], `metrics` [{key, last, low, high, points}],
    `values` [[key, text]], `changes` [[field, before, after]], `metadata` [[key, text]], `params` [[key, text]],
    `tags` [[key, text]], `files` {changes [[sign, path, note]], count}, `snapshots` [{when, id, message, holds}],
    `said` [{label, open, items [{text, by, state}]}]: sections of what was said, and by whom.
    A button comes back as a custom message `{"action": name, "of": of}`; `copy` is done by the page, from the action's
    `text`.
    """

    _esm = "".join((_HERE / name).read_text(encoding="utf-8") for name in ("times.js", "chips.js", "detail.js"))
    _css = "".join((_HERE / name).read_text(encoding="utf-8") for name in ("chips.css", "detail.css"))

    content = Dict().tag(sync=True)
    actions = List(Dict(), help="Buttons under the title: see `Action`.").tag(sync=True)
