"""One change, what is known of its object, and the sentence that any object gets which has none of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter import ids
from renex_jupyter.query.titles import Titles, title_of
from renex_jupyter.records import display
from renex_jupyter.views import text

MOST_FIELDS = 3  # that are named in one
PAST = {
    "create": "created", "update": "changed", "delete": "deleted", "checkout": "checked out", "upload": "kept",
    "track": "tracked", "download": "fetched", "register": "registered", "set": "set", "remove": "took away",
}  # fmt: skip
_MARKED = {
    ("starred", True): "starred", ("starred", False): "took the star from",
    ("archived", True): "archived", ("archived", False): "took from the archive",
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """A change, what is known of its object, and what the objects are called that it names."""

    change: Mapping[str, Any]
    known: Mapping[str, Any]  # fields of the object, those that the change set among them
    titles: Titles

    @property
    def actor(self) -> str:
        return self.change["actor"] or "somebody"

    @property
    def did(self) -> str:
        action = self.change["action"]
        return f"{self.actor} {PAST.get(action, action)}"

    @property
    def after(self) -> Mapping[str, Any]:
        return self.change["after"] or {}

    @property
    def before(self) -> Mapping[str, Any]:
        return self.change["before"] or {}

    def title(self, kind: str, role: str = "") -> str:
        """Return what another object is called that this one names, where its column is called by a role."""
        object_id = str(self.known.get(f"{role or kind}_id") or "")
        return self.titles.get((kind, object_id)) or ids.short(object_id)

    def owner(self) -> str:
        return title_of(self.titles, self.known.get("owner_kind"), self.known.get("owner_id"))


def of_object(told: Told, name: object = None, noun: str = "") -> str:
    """Say it of any object: what was done, and which of its fields an update changed."""
    kind = str(told.change["object_kind"])
    noun = noun or kind.removesuffix("s").replace("_", " ")
    name = name or told.known.get("name") or ids.short(told.change["object_id"])
    if told.change["action"] != "update":
        return f"{told.did} {noun} {name}"
    fields = [each for each in told.after if not each.endswith("_at")] or list(told.after)
    if len(fields) == 1 and isinstance(told.after[fields[0]], bool) and (fields[0], told.after[fields[0]]) in _MARKED:
        return f"{told.actor} {_MARKED[fields[0], told.after[fields[0]]]} {noun} {name}"
    some = ", ".join(each.replace("_", " ") for each in fields[:MOST_FIELDS])
    more = f" and {len(fields) - MOST_FIELDS} more" if len(fields) > MOST_FIELDS else ""
    value = f" to {value_of(told.after[fields[0]])}" if len(fields) == 1 else ""
    return f"{told.did} {some or 'nothing'}{more} of {noun} {name}{value}{_was(told, fields)}"


def _was(told: Told, fields: Sequence[str]) -> str:
    if len(fields) != 1 or told.before.get(fields[0]) is None:
        return ""
    return f" (was {value_of(told.before[fields[0]])})"


def value_of(what: Any) -> str:
    return (
        "nothing"
        if what is None
        else text.line(display.number(what) if isinstance(what, float) else text.value(what), 80)
    )
