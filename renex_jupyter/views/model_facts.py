"""What is said of a model and of a version of it: their heads, their buttons and their sections."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from renex_jupyter import ids
from renex_jupyter.records import display
from renex_jupyter.records.models import ACTIVE
from renex_jupyter.views import text
from renex_jupyter.views.models import alias_chips

Said = Mapping[str, Sequence[Mapping[str, Any]]]

_DECIDED = {"retire": "retired", "restore": "restored", "replace": "replaced"}


def name_of(model: Mapping[str, Any]) -> str:
    """Return the word that means a model everywhere."""
    return f"{model['namespace']}/{model['name']}"


def reference_of(version: Mapping[str, Any]) -> str:
    """Return the word that means a version everywhere."""
    return f"{version['namespace']}/{version['model']}:{version['version']}"


def code_of_model(model: Mapping[str, Any]) -> str:
    """Return the code that lists the versions of a model in a notebook; a name of any characters stays a text."""
    return f"import renex_jupyter as rx\n\nrx.list_model_versions({json.dumps(name_of(model))})"


def code_of_version(version: Mapping[str, Any]) -> str:
    """Return the code that fetches the files of a version in a notebook."""
    return f"import renex_jupyter as rx\n\npath = rx.load_model({json.dumps(reference_of(version))})\npath"


def actions_of_model(model: Mapping[str, Any], *, hosted: bool) -> list[dict[str, Any]]:
    """Return the buttons of a model."""
    return _actions(model["model_id"], name_of(model), code_of_model(model), hosted=hosted)


def actions_of_version(version: Mapping[str, Any], *, hosted: bool) -> list[dict[str, Any]]:
    """Return the buttons of a version."""
    own_id = version["model_version_id"]
    run = [{"name": "show-run", "label": "Show run", "of": own_id}] if version["run_id"] else []
    return [*run, *_actions(own_id, reference_of(version), code_of_version(version), hosted=hosted)]


def _actions(own_id: str, name: str, code: str, *, hosted: bool) -> list[dict[str, Any]]:
    copy_name = {"name": "copy", "label": "Copy name", "text": name}
    if hosted:
        return [{"name": "insert", "label": "Insert code", "of": own_id}, copy_name]
    return [{"name": "copy", "label": "Copy code", "text": code}, copy_name]


def head_of(model: Mapping[str, Any], said: Said) -> dict[str, Any]:
    """Return what stands above the versions."""
    return {
        "title": {
            "text": text.line(name_of(model)),
            "id": ids.short(model["model_id"]),
            "status": "archived" if model["archived"] else "",
            "closable": True,
        },
        "chips": alias_chips(model),
        "facts": _told(
            [
                ("task", model["task"]),
                ("description", model["description"]),
                ("owner", model["owner"]),
                ("versions", f"{model['versions']:,}"),
                ("created", display.moment(model["created_at"])),
            ]
        ),
        "metadata": _pairs(model["metadata"]),
        "said": sections(said, of_model=True),
    }


def version_chips(version: Mapping[str, Any]) -> list[list[str]]:
    """Return the names that a version bears."""
    return [
        *([text.line(each, 60), f"alias {text.line(each)}", ""] for each in version["aliases"]),
        *([text.line(each, 60), f"label {text.line(each)}", "label"] for each in version["labels"]),
    ]


def version_of(version: Mapping[str, Any], said: Said) -> dict[str, Any]:
    """Return what stands below the versions: the one that is selected."""
    run = " ".join(each for each in (version["run_name"], f"({ids.short(version['run_id'])})") if each)
    return {
        "title": {
            "text": f"{text.line(version['model'])} v{version['version']}",
            "id": ids.short(version["model_version_id"]),
            "status": version["status"] or ACTIVE,
            "closable": True,
        },
        "chips": version_chips(version),
        "values": [[text.line(key), text.number(value)] for key, value in version["metrics"].items()],
        "facts": _told(
            [
                ("description", version["description"]),
                ("run", run if version["run_id"] else ""),
                ("dataset", version["dataset"]),
                ("framework", version["framework"]),
                ("registered", display.moment(version["created_at"])),
                ("by", version["registered_by"]),
                ("checkpoint", ids.short(version["checkpoint_id"])),
                ("artifact", ids.short(version["artifact_id"])),
                ("snapshot", ids.short(version["snapshot_id"])),
                ("environment", ids.short(version["environment_id"])),
            ]
        ),
        "params": _pairs(version["params"]),
        "metadata": _pairs(version["metadata"]),
        "said": sections(said),
    }


def sections(said: Said, *, of_model: bool = False) -> list[dict[str, Any]]:
    """Return verdicts, decisions and notes as sections; of a model most are closed, since its versions come below."""
    found = {
        "Verdicts": [
            {"text": text.plain(text.clipped(each["reason"] or "")), "state": text.line(each["verdict"] or "", 20),
             "by": _by(each, f"policy {each['policy']}" if each["policy"] else "")}
            for each in said["verdicts"]
        ],
        "Decisions": [
            {"text": _decision(each, of_model=of_model), "by": _by(each, each["author"])} for each in said["decisions"]
        ],
        "Notes": [{"text": text.plain(text.clipped(each["text"] or "", 4000)), "by": _by(each, each["author"])}
                  for each in said["notes"]],
    }  # fmt: skip
    return [
        {"label": label, "open": label == "Verdicts" or not of_model, "items": items}
        for label, items in found.items()
        if items
    ]


def _decision(each: Mapping[str, Any], *, of_model: bool) -> str:
    what = _DECIDED.get(each["decision"], each["decision"] or "")
    which = f"v{each['version']} " if of_model and each["version"] is not None else ""
    by = f" by v{each['replaced_by']}" if each["replaced_by"] is not None else ""
    return text.plain(text.clipped(f"{which}{what}{by}: {each['reason'] or ''}"))


def _by(each: Mapping[str, Any], who: str | None) -> str:
    return " · ".join(part for part in (text.line(who or "", 80), display.moment(each["created_at"])) if part)


def _told(facts: Sequence[tuple[str, str | None]]) -> list[list[str]]:
    return [[label, text.plain(text.clipped(each))] for label, each in facts if each]


def _pairs(kept: str | None) -> list[list[str]]:
    """Return the pairs of a mapping that the store keeps as JSON."""
    found = json.loads(kept) if kept else {}
    return (
        [[text.line(key), text.plain(text.value(each))] for key, each in found.items()]
        if isinstance(found, dict)
        else []
    )
