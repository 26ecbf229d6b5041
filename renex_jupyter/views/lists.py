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


class Counts(Protocol):
    """Says how many rows match a search text."""

    def __call__(self, read: Reader, *, search: str = "") -> int: ...


def page_asked(
    read: Reader, bar: Bar, table: Table, count: Counts, rows: Callable[..., list[dict[str, Any]]]
) -> tuple[int, int, list[dict[str, Any]]]:
    """Return how many rows there are, how many match the search text, and those of the page that the reader asks for.

    Parameters
    ----------
    rows : the question for one page, with `search`, `order_by`, `descending`, `limit` and `offset`.
    """
    search, size = bar.search, table.page_size
    total = count(read)
    shown = count(read, search=search) if search else total
    found = rows(
        read,
        search=search,
        order_by=table.sort_key,
        descending=table.sort_descending,
        limit=size,
        offset=table.page_of(shown) * size,
    )
    return total, shown, found
