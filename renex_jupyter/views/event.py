"""One entry of the feed: an event with what was said of it, or a change with the fields before and after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from renex_jupyter import ids
from renex_jupyter.query import feeds as questions
from renex_jupyter.query.feeds import EVENT
from renex_jupyter.records import display
from renex_jupyter.store.reader import Reader
from renex_jupyter.views import text
from renex_jupyter.views.detail import Detail
from renex_jupyter.views.events import goes_on, id_of, seconds_of, takes_time
from renex_jupyter.views.sentences import owners, sentences

MOST_FIELDS = 60


@dataclass(frozen=True)
class EventPicture:
    """What is shown of one entry."""

    entry: Mapping[str, Any]
    sentence: str
    owner: str

    @property
    def run_id(self) -> str | None:
        """The run that it is about, if there is one."""
        entry = self.entry
        if entry["what"] == EVENT:
            return entry["run_id"] or (entry["owner_id"] if entry["owner_kind"] == "run" else None)
        said = {**(entry["before"] or {}), **(entry["after"] or {})}
        found = entry["object_id"] if entry["object_kind"] == "runs" else said.get("run_id")
        return found if isinstance(found, str) else None


class EventDetail:
    """The widget of the selected entry; `act` is told of its buttons, with the id of a run for `show-run`."""

    def __init__(self, act: Callable[[str, str], None]) -> None:
        self.head = Detail()
        self._act = act
        self._shown: EventPicture | None = None
        self.head.on_msg(self._on_message)

    @property
    def widgets(self) -> list[Any]:
        """The parts in their order."""
        return [self.head]

    def ask(self, read: Reader, selected: str) -> EventPicture | None:
        """Return what to show of an entry, or None when there is none (any more)."""
        what, _, entry_id = selected.partition(":")
        entry = questions.get_entry(read, what, entry_id)
        return EventPicture(entry, *sentences(read, [entry]), *owners(read, [entry])) if entry else None

    def draw(self, picture: EventPicture | None) -> None:
        """Show an entry, or nothing."""
        self._shown = picture
        self.head.actions = actions_of(picture) if picture else []
        self.head.content = content_of(picture) if picture else {}

    def _on_message(self, _: Any, message: Any, __: Any) -> None:
        shown = self._shown
        if shown is None or not isinstance(message, dict) or message.get("of") not in (None, "", id_of(shown.entry)):
            return
        self._act(str(message.get("action", "")), shown.run_id or "")


def actions_of(picture: EventPicture) -> list[dict[str, Any]]:
    """Return the buttons of an entry."""
    shows = [{"name": "show-run", "label": "Show run", "of": id_of(picture.entry)}] if picture.run_id else []
    entry = picture.entry
    own_id = entry["id"] if entry["what"] == EVENT else entry["object_id"]
    return [*shows, {"name": "copy", "label": "Copy id", "text": own_id}]


def content_of(picture: EventPicture) -> dict[str, Any]:
    """Return what is shown of an entry."""
    entry = picture.entry
    of_event = entry["what"] == EVENT
    return {
        "title": {
            "text": picture.sentence,
            "id": ids.short(entry["id"]) if of_event else entry["id"],
            "status": "event" if of_event else "change",
            "closable": True,
            "wraps": True,
        },
        "facts": [[label, each] for label, each in (_event(picture) if of_event else _change(entry)) if each],
        "metadata": [[text.line(name), text.plain(text.value(each))] for name, each in entry["metadata"].items()][
            :MOST_FIELDS
        ]
        if of_event
        else [],
        "changes": [] if of_event else compared(entry),
    }


def _event(picture: EventPicture) -> list[tuple[str, str]]:
    entry = picture.entry
    seconds = seconds_of(entry)
    unfinished = ("goes on" if goes_on(entry) else "no finish was logged") if takes_time(entry) else ""
    took = text.duration(seconds) if seconds is not None else unfinished
    return [
        ("at", display.moment(entry["began"])),
        ("ended", display.moment(entry["ended"])),
        ("took", took),
        ("source", text.line(entry["source"] or "")),
        ("of", picture.owner),
        ("span", text.line(entry["span_id"] or "")),
    ]


def _change(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("at", display.moment(entry["moment"])),
        ("by", text.line(entry["actor"] or "")),
        ("action", text.line(entry["action"] or "")),
        ("object", f"{text.line(entry['object_kind'])} {text.line(entry['object_id'], 80)}"),
        ("namespace", text.line(entry["namespace"] or "")),
        ("process", text.line(entry["writer"] or "")),
    ]


def compared(entry: Mapping[str, Any]) -> list[list[str]]:
    """Return field, value before and value after, of each field that a change set; first those of which both are known."""
    old, new = entry["before"] or {}, entry["after"] or {}
    names = [name for name in {**new, **old} if new.get(name, old.get(name)) != entry["object_id"]]  # no id of its own
    names.sort(key=lambda name: old.get(name) is None)
    return [[text.line(name), _value(name, old), _value(name, new)] for name in names[:MOST_FIELDS]]


def _value(name: str, fields: Mapping[str, Any]) -> str:
    value = fields.get(name)
    if value is None:
        return "" if name not in fields else "nothing"
    if name.endswith("_at") and isinstance(value, int) and 0 < value < 2**53:  # microseconds, as a journal keeps a time
        return display.moment(datetime.fromtimestamp(value / 1e6, UTC))
    return text.plain(text.value(value))
