"""What the panel shows one at a time: a list, what is selected in it, and how to begin while there is nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from renex_jupyter.store.reader import Reader
from renex_jupyter.views.bar import Bar
from renex_jupyter.views.table import Table


class Listing(Protocol):
    """A bar and a table, and the question that fills them."""

    bar: Bar
    table: Table

    @property
    def selected(self) -> str | None: ...

    def ask(self, read: Reader) -> Any: ...

    def draw(self, page: Any) -> None: ...

    def forget(self) -> None: ...


class Selected(Protocol):
    """The widgets of what is selected, and the question that fills them."""

    @property
    def widgets(self) -> list[Any]: ...

    def ask(self, read: Reader, selected: str) -> Any: ...

    def draw(self, picture: Any) -> None: ...


@dataclass(frozen=True)
class Tab:
    """One of the panel's lists."""

    name: str
    label: str
    listing: Listing
    selected: Selected
    nothing: str  # the title where there are no rows
    hint: str  # how to begin; `{project}` is the name of the project
    code: str  # of a cell that begins

    @property
    def widgets(self) -> list[Any]:
        """The parts in their order."""
        return [self.listing.bar, self.listing.table, *self.selected.widgets]


def follow_reader(bar: Bar, table: Table, changed: Callable[[], None], *, narrowing: Collection[str]) -> None:
    """Have `changed` called when the reader of a list asks for something else, which begins on its first page.

    Parameters
    ----------
    narrowing : the traits of the bar that say which rows are listed; the others say what is shown of them.
    """

    def start_over(_change: object) -> None:
        table.page = 0

    bar.observe(start_over, list(narrowing))
    bar.observe(lambda _: changed(), ["search", "filter", "choice"])
    table.observe(lambda _: changed(), ["page", "sort_key", "sort_descending", "selected"])
