"""How a record is shown: a title, then name and text of what is set; escaped HTML where there is a page for it."""

from __future__ import annotations

from typing import Any

from renex_jupyter.records import display

Rows = list[tuple[str, str]]


class Card:
    """A record that is shown so."""

    __slots__ = ()

    @property
    def title(self) -> str:
        """The record in one line."""
        raise NotImplementedError

    def rows(self) -> Rows:
        """Return name and text of what it tells; an empty text is not shown."""
        raise NotImplementedError

    def __str__(self) -> str:
        return display.text_card(self.title, self.rows())

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return display.card(f"{self.title[:1].upper()}{self.title[1:]}", self.rows())
