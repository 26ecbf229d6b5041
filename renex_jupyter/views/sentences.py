"""Change events in words: who did what to which object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from renex_jupyter import ids
from renex_jupyter.query.feeds import CHANGE
from renex_jupyter.query.pattern_lists import count_patterns
from renex_jupyter.query.titles import telling, title_of, titles
from renex_jupyter.records import display
from renex_jupyter.records.events import FINISH, START
from renex_jupyter.store.reader import Reader
from renex_jupyter.views import dataset_sentences, text
from renex_jupyter.views.told import PAST, Told, of_object, value_of

LONGEST = 400  # characters of a sentence
_DECIDED = {"retire": "retired", "restore": "restored", "replace": "replaced"}
_DECISIONS = {"keep": "keep", "investigate": "look into", "recalibrate": "recalibrate", "retrain": "retrain"}
# kind of an object -> columns that name one of it; the others are KIND_id
_ROLES = {"dataset_version": ("reference_version_id", "current_version_id")}


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
    searches = [each["object_id"] for each in changes if each["object_kind"] == "pattern_searches"]
    found = count_patterns(read, searches) if searches else {}
    for each in changes:
        if each["object_id"] in found:
            told[each["id"]]["found"] = found[each["object_id"]]
    names = titles(read, [reference for fields in told.values() for reference in _references(fields)])
    return [
        text.line(_sentence(Told(each, told[each["id"]], names)) if each["what"] == CHANGE else _event(each), LONGEST)
        for each in entries
    ]


def owners(read: Reader, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what each event belongs to, in words."""
    known = titles(read, [(each.get("owner_kind") or "", each.get("owner_id") or "") for each in entries])
    return [text.line(title_of(known, each.get("owner_kind"), each.get("owner_id"))) for each in entries]


def _given(fields: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (fields or {}).items() if value is not None}


def _references(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    kinds = ("run", "model", "model_version", "policy", "dataset", "dataset_version", "workspace", "drift_report")
    columns = [(kind, column) for kind in kinds for column in (f"{kind}_id", *_ROLES.get(kind, ()))]
    found = [(kind, fields.get(column)) for kind, column in columns] + [
        (fields.get("owner_kind"), fields.get("owner_id"))
    ]
    return [(kind, each) for kind, each in found if isinstance(kind, str) and isinstance(each, str)]


def _event(entry: Mapping[str, Any]) -> str:
    if entry["phase"] == FINISH:  # of which no start is known
        return f"{entry['name']} finished"
    if entry["phase"] == START and entry["ended"] is None:
        return f"{entry['name']} goes on" if entry["goes_on"] else f"{entry['name']}: no finish was logged"
    return str(entry["name"])


def _sentence(told: Told) -> str:
    say = _SENTENCES.get(told.change["object_kind"], of_object)
    try:
        return say(told)
    except (TypeError, ValueError, AttributeError):  # a field is not what we would write: the store is somebody else's
        return of_object(told, told.change["object_id"])


def _named(noun: str, prefix: str = "v") -> Callable[[Told], str]:
    """Return what says where a name, that moves, was set or taken away."""

    def say(told: Told) -> str:
        model, _, name = str(told.change["object_id"]).partition("/")
        of = told.titles.get(("model", model)) or ids.short(model)
        version, before = told.after.get("version"), told.before.get("version")
        was = f" (was {prefix}{before})" if before is not None else ""
        if version is None:
            return f"{told.actor} took {noun} {name} of {of} away{was}"
        return f"{told.actor} set {noun} {name} of {of} to {prefix}{version}{was}"

    return say


def _version(told: Told) -> str:
    name = f"{told.title('model')} v{told.known.get('version', '?')}"
    if told.change["action"] == "update" and told.after.get("status") == "retired":
        return f"{told.actor} retired {name}"
    if told.change["action"] == "update":
        return of_object(told, name, "version")
    return f"{told.did} {name}"


def _verdict(told: Told) -> str:
    return f"{told.title('model')}: {told.after.get('reason') or told.after.get('verdict')}"


def _policy(told: Told) -> str:
    name = f"{told.known.get('name')} of {told.title('model')}"
    enabled = told.after.get("enabled")
    if told.change["action"] == "update" and enabled is not None and len(told.after) == 1:
        return f"{told.actor} turned policy {name} {'on' if enabled else 'off'}"
    return of_object(told, name, "policy")


def _run(told: Told) -> str:
    name, status = told.known.get("name") or ids.short(told.change["object_id"]), told.after.get("status")
    if told.change["action"] == "create":
        return f"{told.actor} {'started' if status in (None, 'running') else 'recorded'} run {name}"
    if told.change["action"] == "update" and status is not None:
        seconds = told.after.get("duration_s")
        after = f" after {display.seconds(seconds)}" if isinstance(seconds, (int, float)) else ""
        return f"run {name} {status}{after}" if status != "running" else f"run {name} goes on"
    return of_object(told, name, "run")


def _param(told: Told) -> str:
    value, before = told.after.get("value"), told.before.get("value")
    was = f" (was {value_of(before)})" if before is not None else ""
    return f"{told.actor} set param {told.known.get('key')} of run {told.title('run')} to {value_of(value)}{was}"


def _tag(told: Told) -> str:
    key, value, before = told.known.get("key"), told.after.get("value"), told.before.get("value")
    was = f" (was {value_of(before)})" if before is not None else ""
    if value is None:
        return f"{told.actor} took tag {key} of {told.owner()} away{was}"
    return f"{told.actor} set tag {key} of {told.owner()} to {value_of(value)}{was}"


def _note(told: Told) -> str:
    said = text.line(str(told.known.get("text") or ""), 160)
    if told.change["action"] == "create":
        return f"{told.actor} noted on {told.owner()}: {said}"
    return f"{told.did} a note on {told.owner()}: {said}"


def _artifact(told: Told) -> str:
    name = told.known.get("name") or ids.short(told.change["object_id"])
    of = f" of {told.owner()}" if told.known.get("owner_id") else ""
    if told.change["action"] == "update":
        return of_object(told, f"{name}{of}", "artifact")
    size = told.after.get("size")
    return f"{told.did} artifact {name}{of}" + (f" ({display.size(size)})" if isinstance(size, int) else "")


def _checkpoint(told: Told) -> str:
    verb = {"create": "kept"}.get(told.change["action"], PAST.get(told.change["action"], told.change["action"]))
    return f"{told.actor} {verb} checkpoint of step {told.known.get('step', '?')} of run {told.title('run')}"


def _decision(told: Told) -> str:
    what = str(told.known.get("decision") or told.after.get("decision") or "decided on")
    of_version = told.title("model_version")
    about = f"drift of {told.title('drift_report')}" if told.known.get("drift_report_id") else ""
    if told.change["action"] != "create":
        return of_object(told, f"on {of_version or about}", "decision")
    if what in _DECISIONS:
        did = " after ".join(each for each in (f"decided to {_DECISIONS[what]} {of_version}".strip(), about) if each)
    else:
        did = f"{_DECIDED.get(what, what)} {of_version or about}"
    return f"{told.actor} {did}: {told.after.get('reason') or ''}"


def _snapshot(told: Told) -> str:
    name = told.known.get("label") or told.known.get("message") or ids.short(told.change["object_id"])
    if told.change["action"] == "create":
        return f"{told.actor} took snapshot {name}"
    return of_object(told, name, "snapshot")


def _in_namespace(noun: str) -> Callable[[Told], str]:
    def say(told: Told) -> str:
        name = "/".join(str(each) for each in (told.known.get("namespace"), told.known.get("name")) if each)
        return of_object(told, name, noun)

    return say


_SENTENCES: Mapping[str, Callable[[Told], str]] = {
    "aliases": _named("alias"),
    "labels": _named("label"),
    "models": _in_namespace("model"),
    "experiments": _in_namespace("experiment"),
    "datasets": _in_namespace("dataset"),
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
    "metric_definitions": lambda told: of_object(told, told.change["object_id"], "metric"),
    "evaluations": lambda told: of_object(told, f"of {told.owner()} on {told.known.get('dataset')}", "evaluation"),
    **dataset_sentences.SENTENCES,
}
