"""Models: what the trained versions that solve one task have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.ids import new_id
from renex_jupyter.query import model_tables
from renex_jupyter.query import models as query
from renex_jupyter.records import display
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.model_words import checked_word, parse
from renex_jupyter.records.models import Model, ModelVersion
from renex_jupyter.session.alone import alone
from renex_jupyter.session.belongings import deletions
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.described import described
from renex_jupyter.session.first_use import namespace_changes
from renex_jupyter.session.named_places import named_place, write_edit
from renex_jupyter.session.points import checked_name
from renex_jupyter.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

WHAT = "the models"  # as a message names what cannot be changed
_PARTS = {  # tables of what is a model's own, their keys, and what their deletion says they were
    "aliases": ("alias_id", "alias, version"),
    "labels": ("label_id", "label, version"),
    "decisions": ("decision_id", "decision"),
    "policy_results": ("result_id", "verdict"),
    "policies": ("policy_id", "name"),
    "model_versions": ("model_version_id", "version"),
}


def create_model(
    name: str,
    *,
    namespace: str | None = None,
    task: str | None = None,
    description: str | None = None,
    owner: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Model:
    """Create a model, or return the one that is there if nothing that is given differs from it.

    `register_model` creates one on its first use: this is for what is to be said of it.

    Parameters
    ----------
    name : 1 to 500 characters without any of `/ : @`; or with its namespace, `vision/digits`.
    namespace : created on first use; None: that of `set_experiment`.
    owner : None: who creates it.

    Raises
    ------
    RenexError : `conflict` when a model of this name says something else, `invalid_argument`, `locked`.
    """
    session = current()
    namespace, name = place_of(session, name, namespace)
    given = {"task": task, "description": description, "owner": owner, "metadata": metadata}
    facts = {field: value for field, value in described("model", given).items() if value is not None}
    session.begin()
    with alone(session.store, what=WHAT):
        there = named(session.store, namespace, name)
        if there is None:
            row, changes = new_model(session, namespace, name, facts)
            session.store.write(*changes)
        else:
            row = there
            _check_same(query.as_model(session.store.reader, row), facts)
    return query.as_model(session.store.reader, query.find_model(session.store.reader, row["model_id"]))


def get_model(model: str | Model | ModelVersion, namespace: str | None = None) -> Model:
    """Return a model by `[namespace/]name`, id or unique prefix.

    Parameters
    ----------
    namespace : of a name without one; None: that of `set_experiment`.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    session = current()
    read = session.store.reader
    return query.as_model(read, query.find_model(read, model, given_namespace(session, namespace)))


def list_models(namespace: str | None = None, *, archived: bool = False) -> pd.DataFrame:
    """Return models as a DataFrame: starred ones first, then those with the newest version.

    Parameters
    ----------
    namespace : None: of all of them.
    archived : also those that are archived.

    Returns
    -------
    Columns: namespace, name, versions [count], latest [number of the newest active version], aliases [{alias: number}],
    task, description, owner, starred, archived, created_at, registered_at [UTC, of the newest version], model_id.
    """
    if namespace is not None:
        checked_name("namespace", namespace, 'list_models("vision")')
    return model_tables.list_models(current().store.reader, namespace, archived=archived)


def update_model(
    model: str | Model,
    *,
    name: str | None = None,
    namespace: str | None = None,
    task: str | None = None,
    description: str | None = None,
    owner: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    starred: bool | None = None,
    archived: bool | None = None,
) -> Model:
    """Change what is said of a model; rename it, or move it to another namespace. Its versions and aliases stay.

    Parameters
    ----------
    name, namespace : the new ones.
    task, description, owner, metadata : an empty one takes away what was said.
    archived : whether lists pass it over unless they are asked for archived ones.

    Raises
    ------
    RenexError : `conflict` for a name that another model of the namespace has; `not_found`, `ambiguous`,
        `invalid_argument`, `locked`.
    """
    given = {"task": task, "description": description, "owner": owner, "metadata": metadata}
    after = described("model", {**given, "starred": starred, "archived": archived})
    if name is not None:
        after["name"] = checked_word("model", name)
    if namespace is not None:
        after["namespace"] = checked_name("namespace", namespace, 'update_model("digits", namespace="vision")')
    if not after:
        raise invalid_argument("nothing to change.", 'Give what is to be said of it, such as description="...".')
    session = current()
    store = session.store
    found = query.find_model(store.reader, model, session.namespace)
    session.begin()
    with alone(store, what=WHAT):
        before = query.as_model(store.reader, query.find_model(store.reader, found["model_id"]))
        write_edit(store, "model", before, after, named)
    return query.as_model(store.reader, query.find_model(store.reader, found["model_id"]))


def delete_model(model: str | Model, *, versions: bool = False) -> Model:
    """Delete a model, and return what it was. Contents that nothing else has are freed by the next `gc`.

    Parameters
    ----------
    versions : also its versions, with their aliases, labels and artifacts. Their runs and checkpoints stay.

    Raises
    ------
    RenexError : `conflict` while it has versions, unless these go with it; `not_found`, `ambiguous`, `locked`.
    """
    session = current()
    store = session.store
    found = query.find_model(store.reader, model, session.namespace)
    session.begin()
    with alone(store, what=WHAT):
        record = query.as_model(store.reader, query.find_model(store.reader, found["model_id"]))
        if record.versions and not versions:
            raise RenexError(
                "conflict",
                f"model '{record.reference}' has {display.count(record.versions, 'version')}.",
                "versions=True (--versions) deletes these with it; archived=True (--archive) hides it from lists.",
            )
        store.write(
            *_of_it(store, record), Change("models", record.model_id, "delete", {}, fields(record), record.namespace)
        )
    return record


def _of_it(store: Store, record: Model) -> list[Change]:
    """Return the deletions of what a model has: versions, words, decisions, policies, and what belongs to these."""
    read = store.reader
    parts = [
        Change(kind, row.pop("its_id"), "delete", {}, row, record.namespace)
        for kind, (key, words) in _PARTS.items()
        for row in read.rows(
            f"select {key} as its_id, {words} from inside.{kind} where model_id = ? order by its_id", [record.model_id]
        )
    ]
    versions = [("model_version", each.id) for each in parts if each.kind == "model_versions"]
    return [*deletions(read, [("model", record.model_id), *versions], record.namespace), *parts]


def place_of(session: Session, name: object, namespace: str | None) -> tuple[str, str]:
    """Return namespace and name of a model that may be new, from its name with or without a namespace.

    Raises
    ------
    RenexError : `invalid_argument` for a name that is none, and for two namespaces.
    """

    def parted(word: str) -> tuple[str, str]:
        meant = parse(word, "")
        return meant.namespace, meant.model

    example = 'create_model("digits", namespace="vision")'
    return named_place(session, "model", name, namespace, parted=parted, example=example)


def given_namespace(session: Session, namespace: str | None) -> str:
    """Return the namespace in which a name without one is looked for: what was given, else that of the session."""
    if namespace is None:
        return session.namespace
    return checked_name("namespace", namespace, 'namespace="vision"')


def named(store: Store, namespace: str, name: str) -> dict[str, Any] | None:
    """Return the row of the model of this name, if there is one."""
    if not store.exists:
        return None
    found = "select * from inside.models where namespace = ? and name = ? order by created_at, model_id limit 1"
    return next(iter(store.reader.rows(found, [namespace, name])), None)


def new_model(
    session: Session, namespace: str, name: str, facts: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[Change]]:
    """Return the row of a new model, and the changes that create it and, on first use, its namespace.

    The caller is `alone` and has seen that there is none.
    """
    told = {"owner": session.store.journal.actor, **(facts or {})}
    record = Model(new_id(), name, now(), namespace, **told)
    change = Change("models", record.model_id, "create", fields(record), namespace=namespace)
    row = {"model_id": record.model_id, "namespace": namespace, "name": name}
    return row, [*namespace_changes(session.store, namespace), change]


def _check_same(there: Model, facts: Mapping[str, Any]) -> None:
    """Refuse to create what is there and says something else."""
    differing = [field for field, value in facts.items() if value != getattr(there, field)]
    if differing:
        fact = f"model '{there.reference}' exists, with another {' and another '.join(differing)}."
        raise RenexError("conflict", fact, "Change it: rx.update_model() (%renex model edit); or take another name.")
