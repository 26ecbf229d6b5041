"""What is said of a dataset and of a version of it: their heads, their buttons and their sections."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from renex_jupyter import ids
from renex_jupyter.records import display
from renex_jupyter.records.failure_patterns import rate, two_rates
from renex_jupyter.views import text

MOST = 60  # fields, classes or splits that are listed
_SAMPLES = 100  # rows that a cell asks for


def name_of(dataset: Mapping[str, Any]) -> str:
    """Return the word that means a dataset everywhere."""
    return f"{dataset['namespace']}/{dataset['name']}"


def reference_of(version: Mapping[str, Any]) -> str:
    """Return the word that means a version everywhere."""
    return f"{version['namespace']}/{version['dataset']}:{version['version']}"


def code_of_dataset(dataset: Mapping[str, Any]) -> str:
    """Return the code that lists the versions of a dataset in a notebook; a name of any characters stays a text."""
    return f"import renex_jupyter as rx\n\nrx.list_dataset_versions({json.dumps(name_of(dataset))})"


def code_of_version(version: Mapping[str, Any]) -> str:
    """Return the code that fetches samples of a version in a notebook."""
    return f"import renex_jupyter as rx\n\nrx.dataset_samples({json.dumps(reference_of(version))}, limit={_SAMPLES})"


def code_of_search(version: Mapping[str, Any], search: Mapping[str, Any] | None = None) -> str:
    """Return the code that searches for failure patterns again, or for the first time."""
    arguments = [json.dumps(reference_of(version))]
    if search and search["model"]:
        arguments.append(f"model={json.dumps(search['model'])}")
    elif search and search["prediction_set_id"]:
        arguments.append(f"predictions={json.dumps(search['prediction_set_id'])}")
    if search and search["error"] and search["error"] != "error":
        arguments.append(f"error={json.dumps(search['error'])}")
    return f"import renex_jupyter as rx\n\nrx.failure_patterns({', '.join(arguments)})"


def code_of_pattern(version: Mapping[str, Any], pattern: Mapping[str, Any]) -> str:
    """Return the code that fetches the samples of a pattern."""
    reference, where = json.dumps(reference_of(version)), repr(pattern["predicate"])
    return f"import renex_jupyter as rx\n\nrx.dataset_samples({reference}, where={where}, limit={_SAMPLES})"


def actions(own_id: str, name: str, codes: Mapping[str, str], *, hosted: bool) -> list[dict[str, Any]]:
    """Return the buttons of an object: one for each code, and one for its name.

    Parameters
    ----------
    codes : label -> code; where cells can be inserted, the action that comes back is `insert:LABEL`.
    """
    buttons = [
        {"name": f"insert:{label}", "label": label, "of": own_id, "hint": "Insert a cell"}
        if hosted
        else {"name": "copy", "label": f"Copy: {label}", "text": code}
        for label, code in codes.items()
    ]
    return [*buttons, {"name": "copy", "label": "Copy name", "text": name}]


def codes_of_dataset(dataset: Mapping[str, Any]) -> dict[str, str]:
    """Return what a notebook can ask of a dataset: label -> code."""
    return {"List versions": code_of_dataset(dataset)}


def codes_of_version(version: Mapping[str, Any]) -> dict[str, str]:
    """Return what a notebook can ask of a version: label -> code."""
    return {"Show samples": code_of_version(version), "Find failures": code_of_search(version)}


def head_of(
    dataset: Mapping[str, Any], kept: Sequence[Mapping[str, Any]], notes: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what stands above the versions."""
    return {
        "title": {
            "wraps": True,
            "text": text.line(name_of(dataset)),
            "id": ids.short(dataset["dataset_id"]),
            "status": "archived" if dataset["archived"] else "",
            "closable": True,
        },
        "facts": told(
            [
                ("task", dataset["task"]),
                ("description", dataset["description"]),
                ("owner", dataset["owner"]),
                ("versions", f"{dataset['versions']:,}"),
                ("created", display.moment(dataset["created_at"])),
            ]
        ),
        "metadata": _metadata(dataset["metadata"]),
        "said": [
            each
            for each in (
                {"label": "Kept patterns", "open": True, "items": [_kept(each) for each in kept]},
                {"label": "Notes", "open": False, "items": [_note(each) for each in notes]},
            )
            if each["items"]
        ],
    }


def version_of(
    version: Mapping[str, Any], sets: Sequence[Mapping[str, Any]], notes: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what stands below the versions: the one that is selected, else the newest."""
    run = " ".join(each for each in (version["run_name"], f"({ids.short(version['run_id'])})") if each)
    return {
        "title": {
            "wraps": True,
            "text": f"{text.line(version['dataset'])} v{version['version']}",
            "id": ids.short(version["dataset_version_id"]),
        },
        "facts": told(
            [
                ("message", version["message"]),
                ("samples", f"{version['n_samples']:,}" if version["n_samples"] is not None else ""),
                ("annotations", f"{version['n_annotations']:,}" if version["n_annotations"] else ""),
                ("splits", _splits(version["splits"])),
                ("classes", _listed(version["classes"])),
                ("size", display.size(version["size"])),
                ("digest", ids.short(version["digest"] or "")),
                ("source", version["source"]),
                ("run", run if version["run_id"] else ""),
                ("by", version["created_by"]),
                ("created", display.moment(version["created_at"])),
            ]
        ),
        "said": [
            each
            for each in (
                {"label": "Predictions", "open": True, "items": [_set(each) for each in sets]},
                {"label": "Fields", "open": False, "items": _fields(version["fields"])},
                {"label": "Notes", "open": False, "items": [_note(each) for each in notes]},
            )
            if each["items"]
        ],
    }


def search_of(version: Mapping[str, Any], search: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what is said of a search for failure patterns, or how to begin one."""
    title = {"text": "Failure patterns", "id": ids.short(search["pattern_search_id"]) if search else ""}
    if search is None:
        told_of = "none was searched for" if version["sets"] else "there are no predictions yet"
        how = "rx.failure_patterns(...)" if version["sets"] else "rx.log_predictions(...)"
        return {"title": title, "facts": [["not yet", f"{told_of}: {how}"]]}
    base = rate(search["base_rate"], search["error"] or "error")
    count = f" of {search['n_samples']:,}" if search["n_samples"] is not None else ""
    return {
        "title": title,
        "facts": told(
            [
                ("model", search["title"]),
                ("error", search["error"]),
                ("all samples", f"{base}{count}"),
                ("found", f"{search['patterns']:,}"),
                ("outcome", search["outcome"]),
                ("search", "complete" if search["complete"] else "the time was over: there may be others"),
                ("when", display.moment(search["created_at"])),
            ]
        ),
    }


def pattern_of(pattern: Mapping[str, Any], error: str) -> dict[str, Any]:
    """Return what is said of the pattern that is selected."""
    halves = [(label, _half(pattern, half, error)) for label, half in (("found on", ""), ("tested on", "holdout_"))]
    adjusted = pattern["adjusted_p_value"]
    return {
        "title": {
            "text": text.line(pattern["predicate_text"] or "every sample"),
            "id": ids.short(pattern["failure_pattern_id"]),
            "closable": True,
            "wraps": True,
        },
        "facts": told(
            [
                ("status", pattern["status"]),
                *halves,
                ("p, adjusted", "" if adjusted is None else f"{adjusted:.3g}"),
                ("divergence", "" if pattern["divergence"] is None else f"{pattern['divergence']:+.4g}"),
                ("score", "" if pattern["score"] is None else f"{pattern['score']:.4g}"),
            ]
        ),
    }


def _half(pattern: Mapping[str, Any], half: str, error: str) -> str:
    value, support = pattern[f"{half}error_rate"], pattern[f"{half}support"]
    if value is None:
        return ""
    base = rate(pattern[f"{half}base_rate"], error)
    return f"{rate(value, error)} of {support or 0:,}" + (f", all {base}" if base else "")


def told(facts: Sequence[tuple[str, str | None]]) -> list[list[str]]:
    """Return the facts that there are, as a page can show them."""
    return [[label, text.plain(text.clipped(each))] for label, each in facts if each]


def _splits(splits: Any) -> str:
    if not isinstance(splits, dict):
        return ""
    more = f" and {len(splits) - MOST:,} more" if len(splits) > MOST else ""
    return ", ".join(f"{text.line(str(name), 60)} {count:,}" for name, count in list(splits.items())[:MOST]) + more


def _listed(names: Any) -> str:
    if not isinstance(names, list) or not names:
        return ""
    return f"{len(names):,}: {', '.join(text.line(str(each), 60) for each in names[:MOST])}"


def _fields(fields: Any) -> list[dict[str, str]]:
    if not isinstance(fields, list):
        return []
    some = [each for each in fields if isinstance(each, dict)][:MOST]
    items = [
        {"text": text.line(str(each.get("name"))), "by": text.line(f"{each.get('type')} · {each.get('role')}", 80)}
        for each in some
    ]
    more = len(fields) - len(some)
    return [*items, *([{"text": f"and {more:,} more", "by": ""}] if more else [])]


def _set(each: Mapping[str, Any]) -> dict[str, str]:
    count = display.count(each["n_predictions"] or 0, "prediction")
    return {"text": text.line(each["title"]), "by": f"{count} · {display.moment(each['created_at'])}"}


def _kept(each: Mapping[str, Any]) -> dict[str, str]:
    name, rule = text.line(each["name"] or "", 100), text.line(each["predicate_text"] or "")
    if each["error_rate"] is None:
        return {"text": f"{name}: {rule}", "by": "not measured yet", "state": "waiting"}
    rates = rate(each["error_rate"], each["error"] or "error")
    if each["previous_rate"] is not None:
        rates = " to ".join(two_rates(each["previous_rate"], each["error_rate"], each["error"] or "error"))
    change = each["change"] or "measured"
    of = " · ".join(part for part in (text.line(each["model"] or "", 80), display.moment(each["measured_at"])) if part)
    return {"text": f"{change} on {name}: {rates} ({rule})", "by": of, "state": change}


def _note(each: Mapping[str, Any]) -> dict[str, str]:
    who = " · ".join(part for part in (text.line(each["author"] or "", 80), display.moment(each["created_at"])) if part)
    return {"text": text.plain(text.clipped(each["text"] or "", 4000)), "by": who}


def _metadata(kept: str | None) -> list[list[str]]:
    found = json.loads(kept) if kept else {}
    if not isinstance(found, dict):
        return []
    return [[text.line(key), text.plain(text.value(each))] for key, each in found.items()]
