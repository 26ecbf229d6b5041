"""Namespaces: create, find, describe, rename, archive and delete them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from renex_jupyter.errors import RenexError, invalid_argument, text_argument
from renex_jupyter.query import experiments as query
from renex_jupyter.records import display
from renex_jupyter.records.changes import Change, fields
from renex_jupyter.records.experiments import Namespace
from renex_jupyter.session import belongings
from renex_jupyter.session.alone import alone
from renex_jupyter.session.current import current
from renex_jupyter.session.described import changed, described
from renex_jupyter.session.first_use import namespace_changes
from renex_jupyter.session.points import checked_name
from renex_jupyter.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = 'rx.create_namespace("vision")'
# Kinds that say in a column where they are.
_INSIDE = {
    "experiments": "experiment_id",
    "runs": "run_id",
    "models": "model_id",
    "snapshots": "snapshot_id",
    "datasets": "dataset_id",
}


def create_namespace(
    name: str,
    *,
    description: str | None = None,
    owner: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Namespace:
    """Create a namespace, which groups and owns experiments, models and datasets, or return the one of this name.

    Nobody must: `set_experiment`, `start_run` and `register_model` create what they name.

    Parameters
    ----------
    name : 1 to 500 characters; it may hold slashes.
    metadata : what JSON can say.

    Raises
    ------
    RenexError : `conflict` where there is one of which something else is said; `invalid_argument`, `locked`.
    """
    name = checked_name("namespace", name, EXAMPLE)
    given = described("namespace", {"description": description, "owner": owner, "metadata": metadata})
    session = current()
    session.begin()
    store = session.store
    with alone(store, what="the namespaces"):
        changes = namespace_changes(store, name)
        if changes:
            created = {**changes[0].after, **given}
            store.write(Change("namespaces", changes[0].id, "create", created, namespace=name))
        record = query.get_namespace(store.reader, query.find_namespace(store.reader, name))
    check_same(record, given)
    return record


def get_namespace(name: str | Namespace) -> Namespace:
    """Return a namespace by its name, also one that is archived.

    Raises
    ------
    RenexError : `not_found`, `invalid_argument`.
    """
    read = current().store.reader
    return query.get_namespace(read, query.find_namespace(read, _word(name)))


def list_namespaces(*, archived: bool = False) -> pd.DataFrame:
    """Return the namespaces, by name, with the numbers of their experiments, runs and models.

    Parameters
    ----------
    archived : also those that are archived.
    """
    return query.list_namespaces(current().store.reader, archived=bool(archived))


def update_namespace(
    name: str | Namespace,
    *,
    new_name: str | None = None,
    description: str | None = None,
    owner: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    archived: bool | None = None,
) -> Namespace:
    """Change what is said of a namespace, rename it with all that is in it, or archive it.

    Whoever logs into it meanwhile goes on: what is open keeps its points, the next run goes into the renamed one.

    Parameters
    ----------
    description, owner, metadata : an empty text, or mapping, takes it away; None leaves it.
    archived : whether lists pass it over, with the experiments and runs in it.

    Raises
    ------
    RenexError : `conflict` for a name that another one has; `not_found`, `invalid_argument`, `locked`.
    """
    said = {"description": description, "owner": owner, "metadata": metadata, "archived": archived}
    given = described("namespace", said)
    if new_name is not None:
        given["name"] = checked_name("namespace", new_name, EXAMPLE)
    if not given:
        raise invalid_argument("nothing to change.", "Give a new_name, a description, or whether it is archived.")
    session = current()
    store = session.store
    found = get_namespace(name).namespace_id
    session.begin()
    with alone(store, what="the namespaces"):
        record = query.get_namespace(store.reader, query.find_namespace(store.reader, get_namespace(name).name))
        after = changed(given, record)
        new = after.get("name")
        if new and query.namespace_called(store.reader, new):
            hint = "Take another name. Experiments, models and datasets are moved one by one, with namespace=."
            raise RenexError("conflict", f"there is a namespace '{new}' already.", hint)
        if after:
            was = {key: getattr(record, key) for key in after}
            moved = _moved(store, record.name, new) if new else []
            store.write(Change("namespaces", found, "update", after, was, namespace=record.name), *moved)
        while new and (late := _moved(store, record.name, new)):  # of who had just looked for the name
            store.write(*late)
    if new and session.namespace == record.name:
        session.namespace = new
    return query.get_namespace(store.reader, found)


def delete_namespace(name: str | Namespace) -> Namespace:
    """Delete an empty namespace, and return what it was. Its name can be used again.

    Raises
    ------
    RenexError : `conflict` where something is in it; `not_found`, `invalid_argument`, `locked`.
    """
    session = current()
    store = session.store
    found = get_namespace(name).namespace_id
    session.begin()
    with alone(store, what="the namespaces"):
        record = query.get_namespace(store.reader, found)
        held = query.within(store.reader, record.name)
        if held:
            counts = ", ".join(display.count(n, kind.removesuffix("s")) for kind, n in held.items())
            hint = "Delete or move these first, or only hide it: rx.update_namespace(..., archived=True)."
            raise RenexError("conflict", f"namespace '{record.name}' holds {counts}.", hint)
        store.write(
            Change("namespaces", found, "delete", {}, fields(record), record.name),
            *belongings.deletions(store.reader, [("namespace", found)], record.name),
        )
    return record


def check_same(record: Namespace | Any, given: Mapping[str, Any]) -> None:
    """Refuse to create what is there already where something else is said of it.

    Raises
    ------
    RenexError : `conflict`.
    """
    for name, value in changed(given, record).items():
        kind = type(record).__name__.lower()
        fact = f"{record.title} is there already; its {name} is {getattr(record, name)!r}, not {value!r}."
        raise RenexError("conflict", fact, f"Change it with rx.update_{kind}(...).")


def _moved(store: Store, namespace: str, new: str) -> list[Change]:
    """Return the changes that say of all that is in a namespace that it is in one of another name."""
    before, after = {"namespace": namespace}, {"namespace": new}
    return [
        Change(kind, row["id"], "update", after, before, namespace)
        for kind, key in _INSIDE.items()
        for row in store.reader.rows(f"select {key} as id from inside.{kind} where namespace = ?", [namespace])
    ]


def _word(name: str | Namespace) -> str:
    if isinstance(name, Namespace):
        return name.namespace_id
    return text_argument(name, "the name of a namespace", "Use a text, such as 'vision'.")
