"""What happened to datasets, in words: versions, predictions, searches, kept patterns, looks at drift and workspaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from renex_jupyter import ids
from renex_jupyter.records import display
from renex_jupyter.views import text
from renex_jupyter.views.told import Told, of_object

_RULE = 160  # characters of a pattern or a message in a sentence


def _dataset_version(told: Told) -> str:
    name = f"{told.title('dataset')} v{told.known.get('version', '?')}"
    if told.change["action"] != "create":
        return of_object(told, name, "dataset version")
    return f"{told.did} dataset version {name}{_count(told)}{_said(told, 'message')}"


def _predictions(told: Told) -> str:
    by = told.title("model_version") if told.known.get("model_version_id") else str(told.known.get("name") or "")
    of = " ".join(["predictions", *(["of", by] if by else []), "on", told.title("dataset_version")])
    if told.change["action"] != "create":
        return of_object(told, of.removeprefix("predictions "), "predictions")
    return f"{told.actor} logged {of}{_count(told)}"


def _search(told: Told) -> str:
    of = f" of {told.title('model_version')}" if told.known.get("model_version_id") else ""
    on = f"failure patterns{of} on {told.title('dataset_version')}"
    if told.change["action"] != "create":
        return of_object(told, f"for {on}", "search")
    found = told.known.get("found")  # status -> patterns
    some = ", ".join(f"{count:,} {status}" for status, count in found.items()) if isinstance(found, dict) else ""
    return f"{told.actor} searched for {on}: {some or 'none found'}"


def _kept_pattern(told: Told) -> str:
    name = f"{told.known.get('name')} of {told.title('dataset')}"
    if told.change["action"] != "create":
        return of_object(told, name, "kept pattern")
    return f"{told.actor} kept pattern {name}{_said(told, 'predicate_text')}"


def _drift(told: Told) -> str:
    name = told.title("dataset_version", "reference_version")
    if told.known.get("current_version_id") != told.known.get("reference_version_id"):
        name += f" to {told.title('dataset_version', 'current_version')}"
    if told.change["action"] != "create":
        return of_object(told, f"of {name}", "drift report")
    return f"{told.actor} looked at drift of {name}{_said(told, 'proposal')}"


def _workspace(told: Told) -> str:
    of = f" of {told.title('dataset')}" if told.known.get("dataset_id") else ""
    return of_object(told, f"{told.known.get('name') or ids.short(told.change['object_id'])}{of}", "workspace")


def _workspace_version(told: Told) -> str:
    name = f"{told.title('workspace')} v{told.known.get('version', '?')}"
    if told.change["action"] != "create":
        return of_object(told, name, "workspace")
    return f"{told.actor} saved workspace {name}{_said(told, 'message')}"


def _count(told: Told) -> str:
    samples = told.after.get("n_samples")
    return f" ({display.count(samples, 'sample')})" if isinstance(samples, int) else ""


def _said(told: Told, column: str) -> str:
    said = text.line(str(told.known.get(column) or ""), _RULE)
    return f": {said}" if said else ""


SENTENCES: Mapping[str, Callable[[Told], str]] = {
    "dataset_versions": _dataset_version,
    "prediction_sets": _predictions,
    "pattern_searches": _search,
    "named_patterns": _kept_pattern,
    "drift_reports": _drift,
    "workspaces": _workspace,
    "workspace_versions": _workspace_version,
}
