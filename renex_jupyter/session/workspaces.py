"""Workspaces: save, open, list, change, compare and delete them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.ids import new_id
from renex_jupyter.query import datasets
from renex_jupyter.query import workspaces as query
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.datasets import DatasetVersion
from renex_jupyter.records.workspace_specs import LATEST, WorkspaceSpec, spec_to_json, version_from_json
from renex_jupyter.records.workspaces import SavedWorkspace, WorkspaceDiff, differences
from renex_jupyter.session.alone import alone
from renex_jupyter.session.belongings import deletions
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.described import described
from renex_jupyter.session.points import checked_name
from renex_jupyter.session.workspace import Workspace
from renex_jupyter.session.workspace_specs import compared_on, made_spec

if TYPE_CHECKING:
    import pandas as pd

WHAT = "the workspaces"  # as a message names what cannot be changed
EXAMPLE = "'night errors'"
PARTS = ("filter", "selection", "charts", "compare", "columns", "sort", "notes")


def save_workspace(
    name: str,
    dataset: object,
    *,
    filter: Any = None,  # noqa: A002  its name in the interface
    selection: Any = None,
    charts: Iterable[Any] | None = None,
    compare: Iterable[Any] | None = None,
    columns: Iterable[str] | None = None,
    sort: Iterable[Any] | None = None,
    notes: str | None = None,
    version: int | str | None = None,
    message: str | None = None,
    description: str | None = None,
    owner: str | None = None,
) -> Workspace:
    """Save a view on a dataset under a name; of a name that there is it is the next version.

    It keeps rules, never the samples: it is drawn anew whenever it is opened. One that says what its newest version says is
    that version.

    Parameters
    ----------
    name : in the namespace of the dataset.
    dataset : `[namespace/]name`, `name:3`, a record, or another workspace, which is saved under this name as it is.
    filter : which samples, such as "age >= 30 and sex = 'F'", a failure pattern, or plain values.
    selection : samples that are marked: their keys as a list, or a rule as for `filter`.
    charts : mappings such as {"type": "histogram", "columns": ["age"], "bins": 20}, or types alone; see docs/workspaces.md.
    compare : predictions or model versions that charts of errors are drawn of. None: the newest predictions, where a chart
        needs some.
    columns : of the samples in tables; None: all.
    sort : columns, or pairs such as ("age", "desc").
    notes : what you want to remember, as Markdown.
    version : a number keeps it on that version of the dataset; "latest" follows. None: as `dataset` says it.

    Raises
    ------
    RenexError : `invalid_argument` for what the dataset does not have, with the nearest names; `not_found`; `conflict` for
        a name that is taken on another dataset; `locked`.
    """
    session = current()
    if isinstance(dataset, Workspace):
        given = {"filter": filter, "selection": selection, "charts": charts, "compare": compare, "columns": columns,
                 "sort": sort, "notes": notes, "version": version}  # fmt: skip
        live = _changed(session, dataset, given)
    else:
        live = view_dataset(dataset, filter=filter, selection=selection, charts=charts, compare=compare, columns=columns,
                            sort=sort, notes=notes, version=version)  # fmt: skip
    said = described("workspace", {"description": description, "owner": owner})
    return keep_workspace(session, checked_name("workspace", name, EXAMPLE), live, said, message)


def view_dataset(
    dataset: object,
    *,
    filter: Any = None,  # noqa: A002
    selection: Any = None,
    charts: Iterable[Any] | None = None,
    compare: Iterable[Any] | None = None,
    columns: Iterable[str] | None = None,
    sort: Iterable[Any] | None = None,
    notes: str | None = None,
    version: int | str | None = None,
) -> Workspace:
    """Return a view on a dataset that is not saved; everything as in `save_workspace`."""
    session = current()
    record, meant = _version(session, dataset, version)
    spec, sets = made_spec(
        session, record, meant,
        {"filter": filter, "selection": selection, "charts": charts, "compare": compare, "columns": columns,
         "sort": sort, "notes": notes},
    )  # fmt: skip
    live = Workspace(session.store, spec, record, sets)
    _check_keys(live)
    return live


def open_workspace(name: object, *, version: int | None = None) -> Workspace:
    """Open a workspace, on the dataset version that it is kept on, or the newest one if it follows.

    `.changed` says how that differs from what it was saved on. Nothing is read before the first question.

    Parameters
    ----------
    name : `[namespace/]name`, `name:3`, an id or the beginning of one, or what `save_workspace` returned.
    version : of the workspace; None: the newest, or what `name` says.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`; `newer_store` for one that a newer program saved.
    """
    session = current()
    return _open(session, find_saved(session, name, version))


def find_saved(session: Session, name: object, version: int | None = None) -> SavedWorkspace:
    """Return what is saved of a workspace; as in `open_workspace`."""
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        raise invalid_argument(f"{shown(version)} is no version of a workspace.", "Give its number, such as version=2.")
    row, meant = query.find_workspace(session.store.reader, name, session.namespace)
    return query.saved_workspace(session.store.reader, row, meant if version is None else version)


def list_workspaces(dataset: object = None, *, archived: bool = False) -> pd.DataFrame:
    """Return the workspaces as a DataFrame, the newest saved first.

    Parameters
    ----------
    dataset : only those on it; None: all.
    archived : also those that are archived.
    """
    session = current()
    read = session.store.reader
    row = None if dataset is None else datasets.find_dataset(read, dataset, session.namespace)
    return query.list_workspaces(read, dataset_id=None if row is None else row["dataset_id"], archived=bool(archived))


def list_workspace_versions(name: object) -> pd.DataFrame:
    """Return the versions of a workspace as a DataFrame, the newest first. Raises as `open_workspace`."""
    session = current()
    row, _ = query.find_workspace(session.store.reader, name, session.namespace)
    return query.list_workspace_versions(session.store.reader, row["workspace_id"])


def update_workspace(
    workspace: object,
    *,
    name: str | None = None,
    description: str | None = None,
    owner: str | None = None,
    archived: bool | None = None,
    message: str | None = None,
    **parts: Any,
) -> Workspace:
    """Rename, describe or archive a workspace, or save its next version with some parts of it changed.

    Parameters
    ----------
    workspace : as in `open_workspace`.
    name, description, owner, archived : of the workspace as a whole; an empty text takes one away.
    parts : filter, selection, charts, compare, columns, sort, notes, version as in `save_workspace`; None takes one away.

    Raises
    ------
    RenexError : as `save_workspace`.
    """
    unknown = sorted(parts.keys() - {*PARTS, "version"})
    if unknown:
        raise invalid_argument(
            f"a workspace has no {shown(unknown[0])}.", f"Change one of {', '.join(PARTS)}, version."
        )
    given = described("workspace", {"description": description, "owner": owner, "archived": archived})
    given |= {} if name is None else {"name": redact_text(checked_name("workspace", name, EXAMPLE))}
    if not given and not parts:
        raise invalid_argument("nothing to change.", "Give a name, a description, or a part such as filter='age > 30'.")
    session = current()
    saved = find_saved(session, workspace)
    session.begin()
    if given:
        _describe(session, saved, given)
        saved = find_saved(session, saved.workspace_id)
    if not parts:
        return _open(session, saved)
    return keep_workspace(session, saved.name, _changed(session, _open(session, saved), parts), {}, message)


def diff_workspaces(a: object, b: object) -> WorkspaceDiff:
    """Return what differs between two workspaces, or two versions of one: `diff_workspaces("errors:1", "errors:2")`.

    Raises
    ------
    RenexError : as `open_workspace`.
    """
    session = current()
    one, two = find_saved(session, a), find_saved(session, b)
    other = [("dataset", one.dataset, two.dataset)] if one.dataset_id != two.dataset_id else []
    return WorkspaceDiff(one.reference, two.reference, (*other, *differences(one.spec, two.spec)))


def delete_workspace(workspace: object) -> SavedWorkspace:
    """Delete a workspace with all its versions, and return what its newest said. Raises as `open_workspace`."""
    session = current()
    saved = find_saved(session, workspace)
    session.begin()
    with alone(session.store, what=WHAT):
        read = session.store.reader
        row, _ = query.find_workspace(read, saved.workspace_id)
        changes = [Change("workspaces", row["workspace_id"], "delete", {}, _told(row), saved.namespace)]
        changes += [Change("workspace_versions", each, "delete", {}, namespace=saved.namespace)
                    for each in query.version_ids(read, row["workspace_id"])]  # fmt: skip
        changes += deletions(read, [("workspace", row["workspace_id"])], saved.namespace)
        session.store.write(*changes)
    return saved


def _version(session: Session, dataset: object, version: int | str | None) -> tuple[DatasetVersion, int | str]:
    """Return the record of the dataset version that is meant, and what to keep of it: its number, or "latest"."""
    read = session.store.reader
    row = datasets.find_dataset_version(read, dataset, session.namespace)
    record = datasets.as_dataset_version(read, row)
    if version is None:
        said = isinstance(dataset, str) and datasets.parse_reference(dataset).version == record.version
        return record, record.version if said or isinstance(dataset, DatasetVersion) else LATEST
    return on_version(session, record, version_from_json(version)), version


def on_version(session: Session, record: DatasetVersion, version: int | str) -> DatasetVersion:
    """Return another version of the dataset of a version. Raises `not_found`."""
    whole = f"{record.namespace}/{record.dataset}"
    return datasets.get_dataset_version(session.store.reader, whole if version == LATEST else f"{whole}:{version}")


def _open(session: Session, saved: SavedWorkspace) -> Workspace:
    read = session.store.reader
    versions = datasets.versions_of(read, saved.dataset_id)
    meant = next((each for each in versions if saved.spec.version in (LATEST, each.version)), None)
    if meant is None:
        fact = f"{saved.dataset}:{saved.spec.version}, which {saved.title} is on, is gone."
        raise RenexError(
            "not_found", fact, f"Follow the newest: rx.update_workspace('{saved.reference}', version='latest')."
        )
    sets, missing = compared_on(read, meant, saved.spec.compare)
    return Workspace(session.store, saved.spec, meant, sets, missing=missing, saved=saved)


def _changed(session: Session, live: Workspace, parts: Mapping[str, Any]) -> Workspace:
    """Return a workspace with some of its parts changed; nothing is saved."""
    version = parts.get("version") or live.spec.version
    record = on_version(session, live.dataset_version, version_from_json(version))
    old = live.spec
    kept = {"filter": old.filter, "selection": old.selection, "charts": old.charts, "compare": old.compare,
            "columns": old.columns, "sort": old.sort, "notes": old.notes}  # fmt: skip
    given = {name: value for name, value in parts.items() if name != "version"}
    spec, sets = made_spec(session, record, version, {**kept, **given})
    made = Workspace(session.store, spec, record, sets)
    _check_keys(made)
    return made


def _check_keys(live: Workspace) -> None:
    """Refuse keys that no sample has."""
    ids = live.spec.selection.ids if live.spec.selection is not None else None
    if ids:
        live.check_keys(ids)


def keep_workspace(
    session: Session, name: str, live: Workspace, said: Mapping[str, Any], message: str | None
) -> Workspace:
    """Write a view as the next version of the workspace of a name, and return it as that."""
    name = redact_text(name)
    told = described("workspace", {"message": message}).get("message")
    spec = dataclasses.replace(live.spec, seen=live.seen())
    version = live.dataset_version
    session.begin()
    store = session.store
    with alone(store, what=WHAT):
        dataset = datasets.find_dataset(store.reader, version.dataset_id)  # it may be renamed, or deleted, by now
        home = dataset["namespace"]
        there = query.workspaces_called(store.reader, home, name)
        if any(each["dataset_id"] != version.dataset_id for each in there):
            fact = f"there is a workspace '{home}/{name}' already, on {there[0]['dataset']}."
            raise RenexError("conflict", fact, "Take another name, or delete that one.")
        newest = query.saved_workspace(store.reader, there[0]) if there else None
        if newest is not None and newest.spec == spec and told is None:
            saved = newest
            changes = list[Change]()
        else:
            changes, saved = _next_version(session, there, newest, name, spec, told, version, home)
        if there and said:
            was = {key: there[0][key] for key in said}
            changes.append(Change("workspaces", there[0]["workspace_id"], "update", dict(said), was, home))
        elif changes and not there:
            changes[0] = dataclasses.replace(changes[0], after={**changes[0].after, **said})
        if changes:
            store.write(*changes)
    final = query.saved_workspace(
        store.reader, query.find_workspace(store.reader, saved.workspace_id)[0], saved.version
    )
    live.saved, live.spec = final, spec
    return live


def _next_version(
    session: Session, there: list[dict[str, Any]], newest: SavedWorkspace | None, name: str, spec: WorkspaceSpec,
    message: str | None, on: DatasetVersion, home: str,
) -> tuple[list[Change], SavedWorkspace]:  # fmt: skip
    moment, actor = now(), session.store.journal.actor
    workspace_id = there[0]["workspace_id"] if there else new_id()
    number = newest.version + 1 if newest is not None else 1
    head = {
        "workspace_id": workspace_id,
        "dataset_id": on.dataset_id,
        "name": name,
        "owner": actor,
        "created_at": moment,
    }
    body = {"workspace_version_id": new_id(), "workspace_id": workspace_id, "version": number, "spec": spec_to_json(spec),
            "message": message, "saved_by": actor, "created_at": moment}  # fmt: skip
    body = {key: value for key, value in body.items() if value is not None}
    first = [] if there else [Change("workspaces", workspace_id, "create", head, namespace=home)]
    changes = [*first, Change("workspace_versions", str(body["workspace_version_id"]), "create", body, namespace=home)]
    return changes, SavedWorkspace(workspace_id, name, on.dataset_id, "", number, spec, moment)


def _describe(session: Session, saved: SavedWorkspace, given: dict[str, Any]) -> None:
    store = session.store
    with alone(store, what=WHAT):
        row, _ = query.find_workspace(store.reader, saved.workspace_id)
        wanted = given.get("name", row["name"])
        taken = [e for e in query.workspaces_called(store.reader, row["namespace"], wanted)
                 if e["workspace_id"] != row["workspace_id"]]  # fmt: skip
        if taken:
            fact = f"there is a workspace '{row['namespace']}/{wanted}' already."
            raise RenexError("conflict", fact, "Take another name, or delete that one.")
        after = {key: value for key, value in given.items() if value != row[key]}
        if after:
            was = {key: row[key] for key in after}
            store.write(Change("workspaces", row["workspace_id"], "update", after, was, row["namespace"]))


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("workspace_id", "dataset_id", "name", "owner", "description", "archived", "created_at")
    return {name: row[name] for name in names if row[name] is not None}
