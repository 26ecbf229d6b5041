"""Experiments: create, find, describe, rename, move, archive and delete them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from renex_jupyter.errors import RenexError, invalid_argument, text_argument
from renex_jupyter.query import experiments as query
from renex_jupyter.records import display
from renex_jupyter.records.changes import Change, fields
from renex_jupyter.records.deleted_runs import DeletedExperiment
from renex_jupyter.records.experiments import Experiment
from renex_jupyter.records.owners import Owner
from renex_jupyter.session import belongings
from renex_jupyter.session.alone import alone
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.described import changed, described
from renex_jupyter.session.first_use import experiment_changes, namespace_changes
from renex_jupyter.session.found_runs import mark_vanished
from renex_jupyter.session.namespaces import check_same
from renex_jupyter.session.points import checked_name
from renex_jupyter.session.run_edits import deletion_of_runs
from renex_jupyter.session.tags import checked_tags, tag_changes
from renex_jupyter.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = 'rx.create_experiment("digits")'
IN = 'set_experiment("digits", namespace="vision")'


def create_experiment(
    name: str,
    *,
    namespace: str | None = None,
    description: str | None = None,
    owner: str | None = None,
    framework: str | None = None,
    external_id: str | None = None,
    link: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Experiment:
    """Create an experiment, which groups runs with one aim, or return the one of this name.

    Nobody must: `set_experiment` and `start_run` create what they name. The runs go on into the experiment that was set.

    Parameters
    ----------
    namespace : None: that of this session.
    owner : None: who calls.
    framework : what it is written with, such as "pytorch".
    external_id, link : of the same thing in another system, and to it there.
    metadata : what JSON can say.
    tags : texts by key.

    Raises
    ------
    RenexError : `conflict` where there is one of which something else is said; `invalid_argument`, `locked`.
    """
    name = checked_name("experiment", name, EXAMPLE)
    session = current()
    home = session.namespace if namespace is None else checked_name("namespace", namespace, IN)
    said = {
        "description": description,
        "owner": owner,
        "framework": framework,
        "external_id": external_id,
        "link": link,
    }
    given = described("experiment", {**said, "metadata": metadata})
    told = checked_tags(tags or {})
    session.begin()
    store = session.store
    with alone(store, what="the experiments"):
        changes = experiment_changes(store, home, name)
        if changes:
            *others, created = changes
            after = {**created.after, **given}
            tagged = tag_changes(store, Owner("experiment", created.id, home, name), told)
            store.write(*others, Change("experiments", created.id, "create", after, namespace=home), *tagged)
        record = _called(store, home, name)
    check_same(record, given)
    for key, value in told.items():
        if record.tags.get(key) != value:
            fact = f"{record.title} is there already; its tag '{key}' is {record.tags.get(key)!r}, not {value!r}."
            raise RenexError("conflict", fact, "Change it with rx.set_tag(..., on=...).")
    return record


def get_experiment(experiment: str | Experiment, namespace: str | None = None) -> Experiment:
    """Return an experiment with its tags and notes, also one that is archived.

    Parameters
    ----------
    experiment : `NAME`, `NAMESPACE/NAME`, an id or the beginning of one, or a record.
    namespace : in which a name alone is looked for; None: that of this session.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    session = current()
    return query.get_experiment(session.store.reader, _find(session, experiment, namespace))


def list_experiments(namespace: str | None = None, *, archived: bool = False) -> pd.DataFrame:
    """Return the experiments as a DataFrame: starred ones first, then by their newest run.

    Parameters
    ----------
    namespace : only those in it; None: of all that are not archived.
    archived : also those that are archived.

    Returns
    -------
    The columns of `experiments` with `runs`, `last_run_at` and a column `tags.KEY` for each tag.
    """
    if namespace is not None:
        checked_name("namespace", namespace, IN)
    return query.list_experiments(current().store.reader, namespace, archived=bool(archived))


def update_experiment(
    experiment: str | Experiment,
    *,
    name: str | None = None,
    namespace: str | None = None,
    description: str | None = None,
    owner: str | None = None,
    framework: str | None = None,
    external_id: str | None = None,
    link: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    starred: bool | None = None,
    archived: bool | None = None,
) -> Experiment:
    """Change what is said of an experiment; rename it, or move it to another namespace, with the runs in it.

    Whoever logs into it meanwhile goes on: the open run keeps its points, the next run goes into the renamed one.

    Parameters
    ----------
    experiment : as in `get_experiment`.
    name, namespace : the new ones; a namespace is created on its first use.
    description, owner, framework, external_id, link, metadata : an empty text, or mapping, takes it away; None leaves it.
    starred : whether lists begin with it.
    archived : whether lists pass it over, with the runs in it.

    Raises
    ------
    RenexError : `conflict` for a name that another one has there; `not_found`, `ambiguous`, `invalid_argument`, `locked`.
    """
    said = {
        "description": description,
        "owner": owner,
        "framework": framework,
        "external_id": external_id,
        "link": link,
    }
    given = described("experiment", {**said, "metadata": metadata, "starred": starred, "archived": archived})
    given |= {} if name is None else {"name": checked_name("experiment", name, EXAMPLE)}
    given |= {} if namespace is None else {"namespace": checked_name("namespace", namespace, IN)}
    if not given:
        raise invalid_argument(
            "nothing to change.", "Give a name, a namespace, a description, or whether it is starred."
        )
    session = current()
    found = _find(session, experiment, None)
    session.begin()
    store = session.store
    with alone(store, what="the experiments"):
        record = query.get_experiment(store.reader, _find(session, found, None))
        after = changed(given, record)
        place = {"namespace": record.namespace, "experiment": record.name}
        new = {"namespace": after.get("namespace", record.namespace), "experiment": after.get("name", record.name)}
        if new != place and query.experiment_called(store.reader, new["namespace"], new["experiment"]):
            fact = f"there is an experiment '{new['namespace']}/{new['experiment']}' already."
            raise RenexError(
                "conflict", fact, "Take another name, or move runs into it: rx.update_run(..., experiment=...)."
            )
        if after:
            was = {key: getattr(record, key) for key in after}
            store.write(
                *namespace_changes(store, new["namespace"]),
                Change("experiments", found, "update", after, was, record.namespace),
                *(_moved(store, place, new) if new != place else ()),
            )
        while new != place and (late := _moved(store, place, new)):  # of who had just looked for the name
            store.write(*late)
    if (session.namespace, session.experiment) == tuple(place.values()):
        session.namespace, session.experiment = new.values()
    return query.get_experiment(store.reader, found)


def delete_experiment(experiment: str | Experiment, *, runs: bool = False, dry_run: bool = False) -> DeletedExperiment:
    """Delete an experiment with its notes, tags, artifacts and events. Its name can be used again.

    Parameters
    ----------
    experiment : as in `get_experiment`.
    runs : delete the runs in it, as `delete_run` does; without, an experiment that has runs is refused.
    dry_run : only say what would go.

    Raises
    ------
    RenexError : `conflict` for one that has runs, or in which one runs; `not_found`, `ambiguous`, `locked`.
    """
    session = current()
    found = _find(session, experiment, None)
    if not dry_run:
        session.begin()
    mark_vanished(session)
    store = session.store
    with alone(store, what="the experiments"):
        record = query.get_experiment(store.reader, _find(session, found, None))
        inside = query.runs_in(store.reader, record.namespace, record.name)
        if inside and not runs and not dry_run:
            hint = "Delete them with it (runs=True), or only hide it: rx.update_experiment(..., archived=True)."
            raise RenexError("conflict", f"{record.title} holds {display.count(len(inside), 'run')}.", hint)
        gone = deletion_of_runs(session, inside)
        own = belongings.deletions(store.reader, [("experiment", found)], record.namespace)
        counts = belongings.counted([*gone.changes, *own])
        if not dry_run:
            store.write(
                Change("experiments", found, "delete", {}, fields(record), record.namespace), *own, *gone.changes
            )
    return DeletedExperiment(dry_run, record, counts, gone.kept)


def _called(store: Store, namespace: str, name: str) -> Experiment:
    found = query.experiment_called(store.reader, namespace, name)
    assert found is not None, (namespace, name)
    return query.get_experiment(store.reader, found)


def _find(session: Session, experiment: object, namespace: str | None) -> str:
    found = getattr(experiment, "experiment_id", None)
    hint = "Give its name, its id, or what rx.create_experiment() returned."
    word = found if isinstance(found, str) else text_argument(experiment, "the word for an experiment", hint)
    if not word.strip():
        raise invalid_argument("an empty text means no experiment.", hint)
    home = session.namespace if namespace is None else checked_name("namespace", namespace, IN)
    read = session.store.reader
    if query.place_of_experiment(read, word):  # a whole id, which no name hides
        return word
    return query.find_experiment(read, word, home)


def _moved(store: Store, place: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """Return the changes that say of the runs in an experiment, and their states, that it is called so, or is elsewhere."""
    after = {key: value for key, value in new.items() if value != place[key]}
    inside = query.runs_in(store.reader, place["namespace"], place["experiment"])
    changes = [_change("runs", each, after, place) for each in inside]
    if "namespace" in after and inside:
        home = {"namespace": new["namespace"]}
        of_runs = "select snapshot_id from inside.snapshots where namespace = ? and list_contains(?::varchar[], run_id)"
        rows = store.reader.rows(of_runs, [place["namespace"], inside])
        changes += [_change("snapshots", row["snapshot_id"], home, place) for row in rows]
    return changes


def _change(kind: str, object_id: str, after: Mapping[str, str], place: Mapping[str, str]) -> Change:
    before = {key: place[key] for key in after}
    return Change(kind, object_id, "update", after, before, place["namespace"])
