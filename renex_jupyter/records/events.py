"""Events: what happened in training, inference or an outside system; and change events: what happened to objects here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text

START, FINISH = "start", "finish"  # phases


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a time, said by a source."""

    event_id: str
    owner_kind: str
    owner_id: str
    name: str
    wallclock: datetime  # UTC, when it happened
    source: str | None = None  # such as "trainer", "inference", "airflow"
    run_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    phase: str | None = None  # start or finish of something that takes time
    span_id: str | None = None  # the same for both

    @property
    def title(self) -> str:
        said = " ".join(each for each in (f"event '{self.name}'", self.phase) if each)
        return f"{said} of {display.moment(self.wallclock)}"

    def rows(self) -> Rows:
        return [
            ("source", self.source or ""),
            ("of", f"{self.owner_kind} {short(self.owner_id)}"),
            ("metadata", display.pairs((self.metadata or {}).items())),
            ("id", self.event_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """What happened to an object of the store."""

    change_id: str  # writer and number: unique
    cursor: str  # a position in every writer's journal; `watch(since=cursor)` goes on after this change
    writer: str  # the process that made it
    seq: int  # orders the changes of one writer
    at: datetime  # UTC
    actor: str  # user name
    action: str  # create, update, delete, checkout, upload, track, download, register, set, remove, verdict
    object_kind: str  # its table: "runs"
    object_id: str
    namespace: str | None = None
    before: Mapping[str, Any] | None = None  # the fields as they were, where the writer knew them
    after: Mapping[str, Any] | None = None  # the fields that the change set

    @property
    def title(self) -> str:
        return f"{self.action} of {self.object_kind} {short(self.object_id)} by {self.actor}"

    def rows(self) -> Rows:
        return [
            ("at", display.moment(self.at)),
            ("namespace", self.namespace or ""),
            ("before", display.pairs((self.before or {}).items())),
            ("after", display.pairs((self.after or {}).items())),
            ("id", self.change_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html
