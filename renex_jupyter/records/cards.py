"""How a record is shown: a title, then name and text of what is set; escaped HTML where there is a page for it.

A record says so by one line: `__str__, _repr_pretty_, _repr_html_ = text, pretty, html`.
"""

from __future__ import annotations

from typing import Any, Protocol

from renex_jupyter.records import display

Rows = list[tuple[str, str]]


class Card(Protocol):
    """A record with a title, and rows of name and text; an empty text is not shown."""

    @property
    def title(self) -> str: ...

    def rows(self) -> Rows: ...


def text(self: Card) -> str:
    """Return the text form."""
    return display.text_card(self.title, self.rows())


def pretty(self: Card, printer: Any, _cycle: bool) -> None:
    """Print the text form, as IPython asks for it."""
    printer.text(text(self))


def html(self: Card) -> str:
    """Return the escaped HTML form."""
    return display.card(f"{self.title[:1].upper()}{self.title[1:]}", self.rows())
