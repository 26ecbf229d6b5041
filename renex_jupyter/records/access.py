"""Who may enter a store."""

from __future__ import annotations

from dataclasses import dataclass

from renex_jupyter.records.cards import Rows, html, pretty, text

MODES = ("private", "group")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may enter a store: its owner alone, or the members of a group too."""

    mode: str  # one of MODES
    group: str | None = None  # name of a group of the operating system
    write: bool = False  # the group may record; else it may only read
    store: str | None = None  # folder
    differences: tuple[str, ...] = ()  # between what is declared and the modes of the files

    @property
    def words(self) -> str:
        """Who may do what, as a message says it."""
        return (
            self.mode if self.group is None else f"group '{self.group}' ({'read and write' if self.write else 'read'})"
        )

    @property
    def title(self) -> str:
        return f"access: {self.words}"

    def rows(self) -> Rows:
        return [("store", self.store or ""), ("differs", "\n".join(self.differences))]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


PRIVATE = Access("private")
