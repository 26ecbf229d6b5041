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


def ensure_namespace(store: Store, name: str) -> str:
    """Create a namespace unless there is one of this name, and return its id. The caller is not `alone`."""
    found = query.namespace_called(store.reader, name)
    if found is None:
        with alone(store, what="the namespaces"):
            store.write(*namespace_changes(store, name))
        found = query.namespace_called(store.reader, name)
    return found or content_id(["namespace", name])[:32]


def ensure_experiment(store: Store, namespace: str, name: str) -> str:
    """Create an experiment, and its namespace, unless there is one of this name, and return its id; see above."""
    found = query.experiment_called(store.reader, namespace, name)
    if found is None:
        with alone(store, what="the experiments"):
            store.write(*experiment_changes(store, namespace, name))
        found = query.experiment_called(store.reader, namespace, name)
    return found or experiment_key(namespace, name)


def namespace_changes(store: Store, name: str) -> list[Change]:
    """Return what creates a namespace; nothing where there is one. The caller is `alone`."""
    if query.namespace_called(store.reader, name):
        return []
    record = Namespace(free_id(store, "namespaces", content_id(["namespace", name])[:32]), name, now())
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
        used = self._experiments.get((namespace, name))
        found = query.place_of_experiment(store.reader, used) if used else None
        if found is not None:
            return found
        home = self._namespaces.get(namespace)
        return (home and query.name_of_namespace(store.reader, home)) or namespace, name

    def ensure(self, store: Store, namespace: str, name: str) -> None:
        """Create what these names mean on its first use, and remember it; an archived one is told once."""
        used = self._experiments[namespace, name] = ensure_experiment(store, namespace, name)
        self._namespaces[namespace] = query.namespace_called(store.reader, namespace) or namespace
        if used not in self._told and query.is_archived(store.reader, used):
            self._told.add(used)
            warn(
                f"experiment '{namespace}/{name}' is archived, so lists pass its runs over. "
                "Bring it back with rx.update_experiment(..., archived=False)."
            )
