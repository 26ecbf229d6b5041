"""What objects are called: short names for sentences about them, found with one question per kind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from renex_jupyter import ids
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.tables import among, schema

# kind of an owner -> table, key, and its name
_NAMES = {
    "run": ("runs", "run_id", "name"),
    "experiment": ("experiments", "experiment_id", "namespace || '/' || name"),
    "namespace": ("namespaces", "namespace_id", "name"),
    "model": ("models", "model_id", "namespace || '/' || name"),
    "model_version": ("model_versions", "model_version_id", "namespace || '/' || model || ' v' || version"),
    "snapshot": ("snapshots", "snapshot_id", "coalesce(label, message)"),
    "artifact": ("artifacts", "artifact_id", "name"),
    "checkpoint": ("checkpoints", "checkpoint_id", "'of step ' || step"),
    "evaluation": ("evaluations", "evaluation_id", "'on ' || dataset"),
    "policy": ("policies", "policy_id", "name"),
    "dataset": ("datasets", "dataset_id", "namespace || '/' || name"),
    "dataset_version": ("dataset_versions", "dataset_version_id", "namespace || '/' || dataset || ' v' || version"),
    "workspace": ("workspaces", "workspace_id", "namespace || '/' || name"),
    "drift_report": (
        "drift_reports join dataset_versions on dataset_version_id = coalesce(current_version_id, reference_version_id)",
        "drift_report_id",
        "namespace || '/' || dataset || ' v' || version",
    ),
    "prediction_set": (
        "prediction_sets",
        "prediction_set_id",
        (
            "coalesce(name, model || ' v' || model_version, left(prediction_set_id, 8)) || ' on ' || dataset || ' v' || "
            "dataset_version"
        ),
    ),
}
# What of an object, beside what a change set, a sentence about it may need.
_TELLING = (
    "name", "namespace", "label", "message", "key", "alias", "kind", "text", "version", "model_id", "model_version_id",
    "run_id", "dataset_id", "dataset_version_id", "owner_kind", "owner_id", "policy_id", "step", "dataset", "experiment",
    "decision", "predicate_text", "proposal", "workspace_id", "drift_report_id", "reference_version_id", "current_version_id",
)  # fmt: skip

Titles = Mapping[tuple[str, str], str]


def titles(read: Reader, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return (kind, id) -> what the object is called, of those that have a name; kind as in `owner_kind`, or policy."""
    by_kind: dict[str, set[str]] = {}
    for kind, object_id in wanted:
        if kind in _NAMES and object_id:
            by_kind.setdefault(kind, set()).add(object_id)
    found: dict[tuple[str, str], str] = {}
    for kind, object_ids in by_kind.items():
        table, key, name = _NAMES[kind]
        query = f"select {key} as id, {name} as title from {table} where {among(key, sorted(object_ids))}"
        found |= {(kind, row["id"]): row["title"] for row in read.rows(query) if row["title"]}
    return found


def telling(read: Reader, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return (table, id) -> the fields that tell which object it is, also of one that was deleted.

    Parameters
    ----------
    wanted : tables, as `object_kind` of a change says them, and ids. One that is no table is left out.
    """
    by_table: dict[str, set[str]] = {}
    for table, object_id in wanted:
        if table in schema().tables:
            by_table.setdefault(table, set()).add(object_id)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for table, object_ids in by_table.items():
        about = schema().tables[table]
        columns = [name for name, _ in about.columns if name in _TELLING]
        if columns:
            listed = ", ".join([f"{about.key} as object_id", *columns])
            query = f"select {listed} from inside.{table} where {among(about.key, sorted(object_ids))}"
            found |= {(table, row.pop("object_id")): row for row in read.rows(query)}
    gone = [each for each in ((table, one) for table, some in by_table.items() for one in some) if each not in found]
    return {**_as_made(read, gone), **found}


def _as_made(read: Reader, wanted: list[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what was said of objects, that are no more, when they were made."""
    if not wanted:
        return {}
    query = f"""
        select object_kind, object_id, after from change_events
        where {among("object_id", sorted({each for _, each in wanted}))} and after is not null
        order by "at" desc"""
    made: dict[tuple[str, str], dict[str, Any]] = {}
    for row in read.rows(query):
        said = json.loads(row["after"])
        if isinstance(said, dict):
            known = made.setdefault((row["object_kind"], row["object_id"]), {})
            known |= {name: value for name, value in said.items() if name in _TELLING}
    return made


def title_of(known: Titles, kind: str | None, object_id: str | None) -> str:
    """Return `run baseline`, or `run 1a2b3c4d` for one without a name."""
    said = known.get((kind or "", object_id or "")) or ids.short(object_id)
    return " ".join(each for each in ((kind or "").replace("_", " "), said) if each)
