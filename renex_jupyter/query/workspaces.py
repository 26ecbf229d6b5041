"""Questions about workspaces and their versions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from renex_jupyter import ids
from renex_jupyter.errors import RenexError, ambiguous, invalid_argument, not_found, shown
from renex_jupyter.records.experiments import DEFAULT_NAMESPACE
from renex_jupyter.records.workspace_specs import spec_from_json
from renex_jupyter.records.workspaces import SavedWorkspace
from renex_jupyter.store.reader import Reader

if TYPE_CHECKING:
    import pandas as pd

LISTING = "%renex workspace ls"
HINT = "Write 'errors', 'errors:3', or 'vision/errors:3' with the namespace, an id, or give what rx.save_workspace() returned."
_REFERENCE = re.compile(r"(?:(?P<namespace>.+)/)?(?P<name>[^/:]+)(?::v?(?P<version>\d+))?")
_WORKSPACES = """
    (select w.*, d.namespace, d.namespace || '/' || d.name as dataset
     from inside.workspaces w join inside.datasets d using (dataset_id))"""


def find_workspace(
    read: Reader, wanted: object, namespace: str = DEFAULT_NAMESPACE
) -> tuple[dict[str, Any], int | None]:
    """Return the row of a workspace, and the number of the version that is meant; None: the newest.

    Parameters
    ----------
    wanted : `[namespace/]name[:version]`, an id or the beginning of one, or a record.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    record = getattr(wanted, "saved", wanted)
    if isinstance(record, SavedWorkspace):
        rows = _rows(read, "workspace_id = ?", [record.workspace_id])
        if not rows:
            raise not_found("workspace", record.reference, listing=LISTING)
        return rows[0], record.version
    match = _REFERENCE.fullmatch(wanted.strip()) if isinstance(wanted, str) else None
    if match is None:
        raise invalid_argument(f"{shown(wanted)} names no workspace.", HINT)
    name, home = match["name"].strip(), match["namespace"] or namespace
    version = int(match["version"][:18]) if match["version"] else None
    rows = _rows(read, "namespace = ? and name = ?", [home, name])
    prefix = ids.prefix(name) if not rows and match["namespace"] is None else None
    if prefix:
        rows = _rows(read, "starts_with(workspace_id, ?)", [prefix])
    if len(rows) > 1 and rows[0]["workspace_id"] != prefix:
        raise ambiguous(
            "workspace", name, [f"{ids.short(e['workspace_id'])} on {e['dataset']}" for e in rows], "Give its id."
        )
    if not rows:
        raise _unknown(read, home, name)
    return rows[0], version


def workspaces_called(read: Reader, namespace: str, name: str) -> list[dict[str, Any]]:
    """Return the rows of the workspaces of this name."""
    return _rows(read, "namespace = ? and name = ?", [namespace, name])


def saved_workspace(read: Reader, row: Mapping[str, Any], version: int | None = None) -> SavedWorkspace:
    """Return a version of a workspace; None: its newest.

    Raises
    ------
    RenexError : `not_found` for a version; `newer_store` for one that a newer program saved.
    """
    query = "select * from inside.workspace_versions where workspace_id = ? order by version desc, created_at desc"
    found = read.rows(query, [row["workspace_id"]])
    meant = next((each for each in found if version is None or each["version"] == version), None)
    said = f"{row['namespace']}/{row['name']}"
    if meant is None:
        newest = f"Its newest is '{said}:{found[0]['version']}'. " if found else "It has no versions. "
        raise RenexError("not_found", f"no workspace '{said}:{version or ''}'.", f"{newest}List with {LISTING}.")
    try:
        spec = spec_from_json(json.loads(meant["spec"]))
    except RenexError as error:
        raise RenexError(error.code, f"'{said}:{meant['version']}': {error.message}", error.hint) from error
    return SavedWorkspace(
        row["workspace_id"], row["name"], row["dataset_id"], row["dataset"], meant["version"], spec, row["created_at"],
        row["namespace"], row["owner"], row["description"], bool(row["archived"]), meant["message"], meant["saved_by"],
        meant["created_at"],
    )  # fmt: skip


def version_ids(read: Reader, workspace_id: str) -> list[str]:
    """Return the ids of all versions of a workspace."""
    query = "select workspace_version_id as id from inside.workspace_versions where workspace_id = ? order by version"
    return [row["id"] for row in read.rows(query, [workspace_id])]


def list_workspaces(read: Reader, *, dataset_id: str | None = None, archived: bool = False) -> pd.DataFrame:
    """Return workspaces as a DataFrame, the newest saved first; of one dataset, or of all."""
    where = ["true" if archived else "not coalesce(archived, false)"]
    where += ["dataset_id = $dataset"] if dataset_id is not None else []
    return read.frame(
        f"""
        select name, namespace, dataset, version,
            json_extract_string(spec, '$.version') as dataset_version,
            json_array_length(spec, '$.charts') as charts, description, owner, saved_by, saved_at, message,
            coalesce(archived, false) as archived, workspace_id
        from workspaces where {" and ".join(where)} order by saved_at desc, name""",
        {"dataset": dataset_id} if dataset_id is not None else {},
    )


def list_workspace_versions(read: Reader, workspace_id: str) -> pd.DataFrame:
    """Return the versions of a workspace, the newest first."""
    query = """
        select version, message, saved_by, created_at as saved_at, json_extract_string(spec, '$.version') as dataset_version,
            json_array_length(spec, '$.charts') as charts, workspace_version_id
        from inside.workspace_versions where workspace_id = ? order by version desc"""
    return read.frame(query, [workspace_id])


def _rows(read: Reader, where: str, params: list[Any]) -> list[dict[str, Any]]:
    return read.rows(f"select * from {_WORKSPACES} w where {where} order by created_at, workspace_id", params)


def _unknown(read: Reader, namespace: str, name: str) -> RenexError:
    rows = _rows(read, "true", [])
    names = [f"{row['namespace']}/{row['name']}" for row in rows]
    elsewhere = next((each for row, each in zip(rows, names, strict=True) if row["name"] == name), None)
    said = f"{namespace}/{name}"
    if elsewhere:
        return RenexError("not_found", f"no workspace '{said}'.", f"did you mean '{elsewhere}'? List with {LISTING}.")
    return not_found("workspace", said, names, listing=LISTING)
