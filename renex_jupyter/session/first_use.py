"""Namespaces and experiments come to be by their first use. A name is that of one at a time; whoever used one that was
renamed meanwhile goes on with it under its new name.
"""

from __future__ import annotations

from renex_jupyter.errors import warn
from renex_jupyter.ids import content_id, new_id
from renex_jupyter.query import experiments as query
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.experiments import Experiment, Namespace
from renex_jupyter.session.alone import alone
from renex_jupyter.store.store import Store


def namespace_changes(store: Store, name: str) -> list[Change]:
    """Return what creates a namespace; nothing where there is one. The caller is `alone`."""
    if query.namespace_called(store.reader, name):
        return []
    record = Namespace(free_id(store, "namespaces", namespace_key(name)), name, now())
    return [Change("namespaces", record.namespace_id, "create", fields(record), namespace=name)]


def experiment_changes(store: Store, namespace: str, name: str) -> list[Change]:
    """Return what creates an experiment, and its namespace; nothing where there is one. The caller is `alone`."""
    if query.experiment_called(store.reader, namespace, name):
        return []
    key = free_id(store, "experiments", experiment_key(namespace, name))
    record = Experiment(key, namespace, name, now(), owner=store.journal.actor)
    return [
        *namespace_changes(store, namespace),
        Change("experiments", key, "create", fields(record), namespace=namespace),
    ]


def namespace_key(name: str) -> str:
    """Return the id that the first namespace of a name gets, by whoever it is created."""
    return content_id(["namespace", name])[:32]


def experiment_key(namespace: str, name: str) -> str:
    """Return the id that the first experiment of a name gets, by whoever it is created."""
    return content_id([namespace, name])[:32]


def free_id(store: Store, kind: str, wanted: str) -> str:
    """Return the wanted id, or a new one where an object that was renamed or deleted has it."""
    return new_id() if store.having(kind, [wanted]) else wanted


class Used:
    """What one process has used by which name."""

    def __init__(self) -> None:
        self._experiments: dict[tuple[str, str], str] = {}  # namespace and name -> id
        self._namespaces: dict[str, str] = {}
        self._told: set[str] = set()  # ids of archived ones that were warned of

    def forget(self, namespace: str | None, name: str) -> None:
        """Mean by these names, from now on, what bears them: they were said again. None: the namespace was not."""
        if namespace is not None:
            self._namespaces.pop(namespace, None)
        self._experiments = {
            key: value for key, value in self._experiments.items() if key[1] != name or namespace not in (None, key[0])
        }

    def names_now(self, store: Store, namespace: str, name: str) -> tuple[str, str]:
        """Return how the namespace and the experiment are called that were used by these names."""
        found = self._found_again(store, namespace, name)
        return found or (self._namespace_now(store, namespace), name)

    def ensure(self, store: Store, namespace: str, name: str) -> tuple[str, str]:
        """Return what `names_now` does; what nobody used yet is created, and one that is archived is told."""
        found = self._found_again(store, namespace, name)
        if found is not None:
            return found
        place = (self._namespace_now(store, namespace), name)
        row = query.in_use(store.reader, *place)
        if row is None:
            with alone(store, what="the experiments"):
                store.write(*experiment_changes(store, *place))
            row = query.in_use(store.reader, *place) or {}
        used = self._experiments[place] = row.get("experiment_id") or experiment_key(*place)
        self._namespaces[place[0]] = row.get("namespace_id") or namespace_key(place[0])
        if row.get("is_archived") and used not in self._told:
            self._told.add(used)
            warn(
                f"experiment '{'/'.join(place)}' is archived, so lists pass its runs over. "
                "Bring it back with rx.update_experiment(..., archived=False)."
            )
        return place

    def _found_again(self, store: Store, namespace: str, name: str) -> tuple[str, str] | None:
        """Return where the experiment is now that was used by these names; None: none was, or it was deleted."""
        used = self._experiments.get((namespace, name))
        found = query.place_of_experiment(store.reader, used) if used else None
        if used and found:
            self._experiments[found] = used
        return found

    def _namespace_now(self, store: Store, namespace: str) -> str:
        used = self._namespaces.get(namespace)
        return (used and query.name_of_namespace(store.reader, used)) or namespace
