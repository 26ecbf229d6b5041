"""Namespaces, the experiments that they own, and the notes on anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import cards, display
from renex_jupyter.records.cards import Rows
from renex_jupyter.records.changes import DERIVED

DEFAULT_NAMESPACE = "default"
DEFAULT_EXPERIMENT = "default"
NOTE_KINDS = ("observation", "feedback")


@dataclass(frozen=True, slots=True)
class Namespace:
    """Groups and owns experiments, models and datasets; created on first use."""

    namespace_id: str
    name: str
    created_at: datetime
    description: str | None = None
    owner: str | None = None
    metadata: Mapping[str, Any] | None = None
    archived: bool = False
    experiments: int = field(default=0, metadata=DERIVED)  # in it now
    runs: int = field(default=0, metadata=DERIVED)
    models: int = field(default=0, metadata=DERIVED)

    @property
    def title(self) -> str:
        return f"namespace '{self.name}'" + (" (archived)" if self.archived else "")

    def rows(self) -> Rows:
        counts = ((self.experiments, "experiment"), (self.runs, "run"), (self.models, "model"))
        return [
            ("description", self.description or ""),
            ("owner", self.owner or ""),
            ("holds", ", ".join(display.count(n, noun) for n, noun in counts)),
            ("metadata", display.pairs((self.metadata or {}).items())),
            ("created", display.moment(self.created_at)),
        ]

    __str__, _repr_pretty_, _repr_html_ = cards.text, cards.pretty, cards.html


@dataclass(frozen=True, slots=True)
class Experiment:
    """Groups runs with one aim; created on first use."""

    experiment_id: str
    namespace: str
    name: str
    created_at: datetime
    description: str | None = None
    owner: str | None = None
    framework: str | None = None
    external_id: str | None = None  # of the same thing in another system
    link: str | None = None  # to it there
    metadata: Mapping[str, Any] | None = None
    starred: bool = False
    archived: bool = False
    runs: int = field(default=0, metadata=DERIVED)  # in it now
    tags: Mapping[str, str] = field(default_factory=dict, metadata=DERIVED)
    notes: tuple[Note, ...] = field(default=(), metadata=DERIVED)  # the oldest first

    @property
    def title(self) -> str:
        marks = [word for word, holds in (("starred", self.starred), ("archived", self.archived)) if holds]
        return f"experiment '{self.namespace}/{self.name}'" + (f" ({', '.join(marks)})" if marks else "")

    def rows(self) -> Rows:
        return [
            ("description", self.description or ""),
            ("owner", self.owner or ""),
            ("framework", self.framework or ""),
            ("elsewhere", " ".join(each for each in (self.external_id, self.link) if each)),
            ("runs", f"{self.runs:,}"),
            ("metadata", display.pairs((self.metadata or {}).items())),
            ("tags", display.pairs(self.tags.items())),
            *((note.title, note.text) for note in self.notes),
            ("created", display.moment(self.created_at)),
            ("id", self.experiment_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = cards.text, cards.pretty, cards.html


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody observed, or thinks, of anything that has an id: Markdown, dated."""

    note_id: str
    owner_kind: str
    owner_id: str
    text: str  # Markdown
    created_at: datetime
    kind: str = "observation"  # one of NOTE_KINDS
    author: str | None = None
    edited_at: datetime | None = None

    @property
    def title(self) -> str:
        return f"{self.kind} of {display.moment(self.created_at)}" + (f" by {self.author}" if self.author else "")

    def rows(self) -> Rows:
        return [
            ("text", self.text),
            ("on", f"{self.owner_kind} {short(self.owner_id)}"),
            ("edited", display.moment(self.edited_at)),
            ("id", self.note_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = cards.text, cards.pretty, cards.html
