"""Change events in words: who did what to which object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter import ids
from renex_jupyter.query.feeds import CHANGE
from renex_jupyter.query.titles import Titles, telling, title_of, titles
from renex_jupyter.records import display
from renex_jupyter.records.events import FINISH, START
from renex_jupyter.store.reader import Reader
from renex_jupyter.views import text

LONGEST = 400  # characters of a sentence
MOST_FIELDS = 3  # that are named in one
_PAST = {
    "create": "created", "update": "changed", "delete": "deleted", "checkout": "checked out", "upload": "kept",
    "track": "tracked", "download": "fetched", "register": "registered", "set": "set", "remove": "took away",
}  # fmt: skip
_MARKED = {
    ("starred", True): "starred", ("starred", False): "took the star from",
    ("archived", True): "archived", ("archived", False): "took from the archive",
}  # fmt: skip
_DECIDED = {"retire": "retired", "restore": "restored", "replace": "replaced"}


@dataclass(frozen=True)
class _Told:
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
        return f"{self.actor} {_PAST.get(action, action)}"

    @property
    def after(self) -> Mapping[str, Any]:
        return self.change["after"] or {}

    @property
    def before(self) -> Mapping[str, Any]:
        return self.change["before"] or {}

    def title(self, kind: str) -> str:
        """Return what another object is called that this one names."""
        object_id = str(self.known.get(f"{kind}_id") or "")
        return self.titles.get((kind, object_id)) or ids.short(object_id)

    def owner(self) -> str:
        return title_of(self.titles, self.known.get("owner_kind"), self.known.get("owner_id"))


def sentences(read: Reader, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one sentence for each entry of the feed, in their order; of events their name."""
    changes = [each for each in entries if each["what"] == CHANGE]
    known = telling(read, [(each["object_kind"], each["object_id"]) for each in changes])
    told = {
        each["id"]: {
            **known.get((each["object_kind"], each["object_id"]), {}),
            **_given(each["before"]),
            **_given(each["after"]),
        }
        for each in changes
    }
    names = titles(read, [reference for fields in told.values() for reference in _references(fields)])
    return [
        text.line(_sentence(_Told(each, told[each["id"]], names)) if each["what"] == CHANGE else _event(each), LONGEST)
        for each in entries
    ]


def owners(read: Reader, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what each event belongs to, in words."""
    known = titles(read, [(each.get("owner_kind") or "", each.get("owner_id") or "") for each in entries])
    return [text.line(title_of(known, each.get("owner_kind"), each.get("owner_id"))) for each in entries]


def _given(fields: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (fields or {}).items() if value is not None}


def _references(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    kinds = ("run", "model", "model_version", "policy")
    found = [(kind, fields.get(f"{kind}_id")) for kind in kinds] + [(fields.get("owner_kind"), fields.get("owner_id"))]
    return [(kind, each) for kind, each in found if isinstance(kind, str) and isinstance(each, str)]


def _event(entry: Mapping[str, Any]) -> str:
    if entry["phase"] == FINISH:  # of which no start is known
        return f"{entry['name']} finished"
    if entry["phase"] == START and entry["ended"] is None:
        return f"{entry['name']} goes on" if entry["goes_on"] else f"{entry['name']}: no finish was logged"
    return str(entry["name"])


def _sentence(told: _Told) -> str:
    say = _SENTENCES.get(told.change["object_kind"], _object)
    try:
        return say(told)
    except (TypeError, ValueError, AttributeError):  # a field is not what we would write: the store is somebody else's
        return _object(told, told.change["object_id"])


def _object(told: _Told, name: object = None, noun: str = "") -> str:
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
    value = f" to {_value(told.after[fields[0]])}" if len(fields) == 1 else ""
    return f"{told.did} {some or 'nothing'}{more} of {noun} {name}{value}{_was(told, fields)}"


def _was(told: _Told, fields: Sequence[str]) -> str:
    if len(fields) != 1 or told.before.get(fields[0]) is None:
        return ""
    return f" (was {_value(told.before[fields[0]])})"


def _value(what: Any) -> str:
    return (
        "nothing"
        if what is None
        else text.line(display.number(what) if isinstance(what, float) else text.value(what), 80)
    )


def _named(noun: str, prefix: str = "v") -> Callable[[_Told], str]:
    """Return what says where a name, that moves, was set or taken away."""

    def say(told: _Told) -> str:
        model, _, name = str(told.change["object_id"]).partition("/")
        of = told.titles.get(("model", model)) or ids.short(model)
        version, before = told.after.get("version"), told.before.get("version")
        was = f" (was {prefix}{before})" if before is not None else ""
        if version is None:
            return f"{told.actor} took {noun} {name} of {of} away{was}"
        return f"{told.actor} set {noun} {name} of {of} to {prefix}{version}{was}"

    return say


def _version(told: _Told) -> str:
    name = f"{told.title('model')} v{told.known.get('version', '?')}"
    if told.change["action"] == "update" and told.after.get("status") == "retired":
        return f"{told.actor} retired {name}"
    if told.change["action"] == "update":
        return _object(told, name, "version")
    return f"{told.did} {name}"


def _verdict(told: _Told) -> str:
    return f"{told.title('model')}: {told.after.get('reason') or told.after.get('verdict')}"


def _policy(told: _Told) -> str:
    name = f"{told.known.get('name')} of {told.title('model')}"
    enabled = told.after.get("enabled")
    if told.change["action"] == "update" and enabled is not None and len(told.after) == 1:
        return f"{told.actor} turned policy {name} {'on' if enabled else 'off'}"
    return _object(told, name, "policy")


def _run(told: _Told) -> str:
    name, status = told.known.get("name") or ids.short(told.change["object_id"]), told.after.get("status")
    if told.change["action"] == "create":
        return f"{told.actor} {'started' if status in (None, 'running') else 'recorded'} run {name}"
    if told.change["action"] == "update" and status is not None:
        seconds = told.after.get("duration_s")
        after = f" after {display.seconds(seconds)}" if isinstance(seconds, (int, float)) else ""
        return f"run {name} {status}{after}" if status != "running" else f"run {name} goes on"
    return _object(told, name, "run")


def _param(told: _Told) -> str:
    value, before = told.after.get("value"), told.before.get("value")
    was = f" (was {_value(before)})" if before is not None else ""
    return f"{told.actor} set param {told.known.get('key')} of run {told.title('run')} to {_value(value)}{was}"


def _tag(told: _Told) -> str:
    key, value, before = told.known.get("key"), told.after.get("value"), told.before.get("value")
    was = f" (was {_value(before)})" if before is not None else ""
    if value is None:
        return f"{told.actor} took tag {key} of {told.owner()} away{was}"
    return f"{told.actor} set tag {key} of {told.owner()} to {_value(value)}{was}"


def _note(told: _Told) -> str:
    said = text.line(str(told.known.get("text") or ""), 160)
    if told.change["action"] == "create":
        return f"{told.actor} noted on {told.owner()}: {said}"
    return f"{told.did} a note on {told.owner()}: {said}"


def _artifact(told: _Told) -> str:
    name = told.known.get("name") or ids.short(told.change["object_id"])
    of = f" of {told.owner()}" if told.known.get("owner_id") else ""
    if told.change["action"] == "update":
        return _object(told, f"{name}{of}", "artifact")
    size = told.after.get("size")
    return f"{told.did} artifact {name}{of}" + (f" ({display.size(size)})" if isinstance(size, int) else "")


def _checkpoint(told: _Told) -> str:
    verb = {"create": "kept"}.get(told.change["action"], _PAST.get(told.change["action"], told.change["action"]))
    return f"{told.actor} {verb} checkpoint of step {told.known.get('step', '?')} of run {told.title('run')}"


def _decision(told: _Told) -> str:
    what = str(told.known.get("decision") or told.after.get("decision") or "decided on")
    return f"{told.actor} {_DECIDED.get(what, what)} {told.title('model_version')}: {told.after.get('reason') or ''}"


def _snapshot(told: _Told) -> str:
    name = told.known.get("label") or told.known.get("message") or ids.short(told.change["object_id"])
    if told.change["action"] == "create":
        return f"{told.actor} took snapshot {name}"
    return _object(told, name, "snapshot")


def _in_namespace(noun: str) -> Callable[[_Told], str]:
    def say(told: _Told) -> str:
        name = "/".join(str(each) for each in (told.known.get("namespace"), told.known.get("name")) if each)
        return _object(told, name, noun)

    return say


_SENTENCES: Mapping[str, Callable[[_Told], str]] = {
    "aliases": _named("alias"),
    "labels": _named("label"),
    "models": _in_namespace("model"),
    "experiments": _in_namespace("experiment"),
    "model_versions": _version,
    "policy_results": _verdict,
    "policies": _policy,
    "runs": _run,
    "params": _param,
    "tags": _tag,
    "notes": _note,
    "artifacts": _artifact,
    "checkpoints": _checkpoint,
    "decisions": _decision,
    "snapshots": _snapshot,
    "metric_definitions": lambda told: _object(told, told.change["object_id"], "metric"),
    "evaluations": lambda told: _object(told, f"of {told.owner()} on {told.known.get('dataset')}", "evaluation"),
}
