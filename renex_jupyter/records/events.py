"""Events: what happened in training, inference or an outside system; and change events: what happened to objects here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from renex_jupyter.errors import invalid_argument, shown, text_argument
from renex_jupyter.ids import new_id, short
from renex_jupyter.records import cursors, display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.changes import now, to_microseconds
from renex_jupyter.records.cursors import Position
from renex_jupyter.records.keys import LONGEST_KEY
from renex_jupyter.records.owners import Owner

START, FINISH = "start", "finish"  # phases
# How the names of events say that they begin or end something; `finish_line` is none, and neither is `start` alone.
_ENDINGS = {START: "start|begin|started|begun", FINISH: "finish|end|finished|ended|done|complete|completed"}
_AFTER = {
    phase: re.compile(rf"(.*[^\W_])[ _./:-]+({words})", re.IGNORECASE | re.DOTALL) for phase, words in _ENDINGS.items()
}
_BEFORE = {
    phase: re.compile(rf"({word})[ _./:-]+([^\W_].*)", re.IGNORECASE | re.DOTALL)
    for phase, word in {START: "before", FINISH: "after"}.items()
}
NAME_HINT = f'Use a text of 1 to {LONGEST_KEY} characters, such as "checkpoint".'
TIME_HINT = "Use time.time(), or an aware datetime."


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
    logged_at: datetime | None = None  # UTC, when it was recorded

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


def parsed(name: str) -> tuple[str, str | None]:
    """Return what a name says: what happened, and whether that began or ended; `epoch_start` is the start of `epoch`."""
    for phase, pattern in _AFTER.items():
        if found := pattern.fullmatch(name.strip()):
            return found[1], phase
    for phase, pattern in _BEFORE.items():
        if found := pattern.fullmatch(name.strip()):
            return found[2], phase
    return name, None


def event(
    owner: Owner,
    name: object,
    *,
    source: object = None,
    metadata: Mapping[str, Any] | None = None,
    wallclock: object = None,
    phase: object = None,
    span_id: object = None,
) -> Event:
    """Return a new event, checked.

    Parameters
    ----------
    metadata : what JSON can say, without secrets.
    wallclock : seconds since the epoch or an aware datetime, kept to the microsecond; None: now.
    phase : start or finish; None: what the name says.

    Raises
    ------
    RenexError : `invalid_argument`, `unsupported_value` for a time without a zone.
    """
    said = _text(name, "the name of an event", NAME_HINT)
    base, told = (said, _phase(phase)) if phase is not None else parsed(said)
    logged = _next_moment()
    return Event(
        event_id=new_id(),
        owner_kind=owner.kind,
        owner_id=owner.id,
        name=base,
        wallclock=now() if wallclock is None else moment(wallclock),
        source=None if source is None else _text(source, "the source of an event", 'Use a text, such as "trainer".'),
        run_id=owner.run_id,
        metadata=metadata or None,
        phase=told,
        span_id=None if span_id is None else _text(span_id, "a span_id", "Give both the same text."),
        logged_at=logged,
    )


def moment(wallclock: object) -> datetime:
    """Return a time in UTC, from seconds since the epoch or an aware datetime.

    Raises
    ------
    RenexError : `invalid_argument`, `unsupported_value` for a time without a zone.
    """
    if isinstance(wallclock, datetime):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=to_microseconds(wallclock))
    if isinstance(wallclock, bool) or not hasattr(wallclock, "__float__"):
        raise invalid_argument(f"wallclock {shown(wallclock)} is no time.", TIME_HINT)
    try:
        return datetime.fromtimestamp(float(wallclock), UTC)
    except (OverflowError, OSError, ValueError, TypeError) as error:
        raise invalid_argument(f"wallclock {shown(wallclock)} is no time.", TIME_HINT) from error


def _text(given: object, what: str, hint: str) -> str:
    said = text_argument(given, what, hint)
    if not said.strip() or len(said) > LONGEST_KEY or "\0" in said:
        raise invalid_argument(f"{shown(said)} cannot be {what}.", hint)
    return said


def _phase(given: object) -> str:
    if given not in (START, FINISH):
        raise invalid_argument(f"{shown(given)} is no phase of an event.", 'Use phase="start" or phase="finish".')
    return str(given)


_last = [datetime(1970, 1, 1, tzinfo=UTC)]


def _next_moment() -> datetime:
    """Return this moment, later than the last one of this process also where the clock was set back."""
    _last[0] = max(now(), _last[0] + timedelta(microseconds=1))
    return _last[0]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a change stands among those that were read with it; its cursor takes time to write and is seldom asked for."""

    before: Position
    read: tuple[tuple[str, int], ...]  # writer and number, in order
    index: int  # of the change
    store_id: str

    @property
    def cursor(self) -> str:
        return cursors.to_text(self.before.after(self.read[: self.index + 1]), self.store_id)


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """What happened to an object of the store; `before` and `after` are as recorded, their times in microseconds."""

    change_id: str  # writer and number: unique
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
    place: Place | None = field(default=None, repr=False, compare=False)

    @property
    def cursor(self) -> str:
        """A position in every writer's journal; `watch(since=cursor)` goes on after this change."""
        return self.place.cursor if self.place is not None else ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as one line of JSON tells it."""
        columns = ("change_id", "writer", "seq", "actor", "action", "object_kind", "object_id", "namespace", "before")
        told = {name: getattr(self, name) for name in (*columns, "after", "cursor")}
        return {"at": self.at.isoformat(), **told}

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
