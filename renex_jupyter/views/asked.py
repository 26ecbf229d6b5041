"""What a page may ask of a widget: a value for one of its traits, in a message of its own.

A trait that the page saves by itself is kept back until the kernel was idle; a message is not. It is answered by
`{"took": [trait, ...]}`, so that a page may ask again: a message to a kernel that has just started can be lost.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import ipywidgets
from traitlets import TraitError


def take_asked(widget: ipywidgets.DOMWidget, names: Collection[str]) -> None:
    """Have a widget set, of its traits, those of these names as a page asks with `{"asked": {trait: value}}`.

    A value that is none of the trait changes nothing.
    """

    def take(_: Any, message: Any, __: Any) -> None:
        asked = message.get("asked") if isinstance(message, dict) else None
        with widget.hold_trait_notifications():
            for name, value in asked.items() if isinstance(asked, dict) else ():
                try:
                    if name in names:
                        setattr(widget, name, value)
                except TraitError:
                    continue
        if isinstance(asked, dict):
            widget.send({"took": [name for name in asked if name in names]})

    widget.on_msg(take)
