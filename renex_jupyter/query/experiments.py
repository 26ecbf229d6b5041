"""Questions about namespaces and the experiments in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from renex_jupyter import ids
from renex_jupyter.errors import ambiguous, not_found
from renex_jupyter.query.notes import notes_of
from renex_jupyter.query.tags import tags_of, with_tags
from renex_jupyter.records.experiments import Experiment, Namespace
from renex_jupyter.store.reader import Reader

if TYPE_CHECKING:
    import pandas as pd

LISTING = "%renex ls experiments"
# Runs, snapshots and versions say by these columns where they belong; the first of a table is its id.
_ARCHIVED = "coalesce(archived, false)"
_PLACE = "namespace || '/' || name"
_EXPERIMENTS = f"""
    select experiment_id, namespace, name, coalesce(r.runs, 0) as runs, r.last_run_at, description, owner, framework,
           external_id, link, metadata, coalesce(starred, false) as starred, {_ARCHIVED} as archived, created_at
    from inside.experiments left join (
        select namespace, experiment as name, count(*) as runs, max(started_at) as last_run_at
        from inside.runs group by all) r using (namespace, name)"""
_NAMESPACES = f"""
    select namespace_id, name, coalesce(e.n, 0) as experiments, coalesce(r.n, 0) as runs, r.last_run_at,
           coalesce(m.n, 0) as models, description, owner, metadata, {_ARCHIVED} as archived, created_at
    from inside.namespaces
    left join (select namespace as name, count(*) as n from inside.experiments group by all) e using (name)
    left join (select namespace as name, count(*) as n, max(started_at) as last_run_at from inside.runs group by all) r
        using (name)
    left join (select namespace as name, count(*) as n from inside.models group by all) m using (name)"""


def namespace_called(read: Reader, name: str) -> str | None:
    """Return the id of the namespace of this name."""
    rows = read.rows(
        "select namespace_id as id from inside.namespaces where name = ? order by created_at, id limit 1", [name]
    )
    return rows[0]["id"] if rows else None


def name_of_namespace(read: Reader, namespace_id: str) -> str | None:
    """Return how a namespace is called; None: there is none of this id any more."""
    rows = read.rows("select name from inside.namespaces where namespace_id = ?", [namespace_id])
    return rows[0]["name"] if rows else None


def experiment_called(read: Reader, namespace: str, name: str) -> str | None:
    """Return the id of the experiment of this name in this namespace."""
    query = """
        select experiment_id as id from inside.experiments where namespace = ? and name = ?
        order by created_at, id limit 1"""
    rows = read.rows(query, [namespace, name])
    return rows[0]["id"] if rows else None


def place_of_experiment(read: Reader, experiment_id: str) -> tuple[str, str] | None:
    """Return the namespace and the name of an experiment; None: there is none of this id any more."""
    rows = read.rows("select namespace, name from inside.experiments where experiment_id = ?", [experiment_id])
    return (rows[0]["namespace"], rows[0]["name"]) if rows else None


def place_of_run(read: Reader, run_id: str) -> tuple[str, str] | None:
    """Return the namespace and the experiment of a run."""
    rows = read.rows("select namespace, experiment from inside.runs where run_id = ?", [run_id])
    return (rows[0]["namespace"], rows[0]["experiment"]) if rows else None


def in_use(read: Reader, namespace: str, name: str) -> dict[str, Any] | None:
    """Return experiment_id, namespace_id, and whether lists pass over the experiment of this name, or its namespace."""
    query = """
        select experiment_id, namespace_id, coalesce(e.archived, false) or coalesce(n.archived, false) as is_archived
        from inside.experiments e left join inside.namespaces n on n.name = e.namespace
        where e.namespace = ? and e.name = ? order by e.created_at, experiment_id limit 1"""
    rows = read.rows(query, [namespace, name])
    return rows[0] if rows else None


def find_namespace(read: Reader, word: str) -> str:
    """Return the id of a namespace by its name, or by its id where nothing has that name.

    Raises
    ------
    RenexError : `not_found`.
    """
    found = namespace_called(read, word)
    if found is None and name_of_namespace(read, word) is not None:
        found = word
    if found is None:
        known = [row["name"] for row in read.rows("select name from inside.namespaces")]
        raise not_found("namespace", word, known, listing="%renex ls namespaces")
    return found


def find_experiment(read: Reader, word: str, namespace: str) -> str:
    """Return the id of the experiment that `NAME`, `NAMESPACE/NAME`, an id or a unique prefix means, in this order.

    Parameters
    ----------
    namespace : in which a name alone is looked for.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`.
    """
    found = experiment_called(read, namespace, word)
    if found is not None:
        return found
    named = f"select experiment_id as id from inside.experiments where {_PLACE} = ? order by created_at, id"
    rows = read.rows(named, [word])[:1]
    prefix = ids.prefix(word)
    if not rows and prefix:
        begin = "select experiment_id as id from inside.experiments where starts_with(experiment_id, ?) order by id"
        rows = read.rows(begin, [prefix])
        if len(rows) > 1:
            raise ambiguous("id", word, [f"experiment {ids.short(row['id'])}" for row in rows])
    if not rows:
        known = [row["place"] for row in read.rows(f"select {_PLACE} as place from inside.experiments")]
        raise not_found("experiment", f"{namespace}/{word}", known, listing=LISTING)
    return str(rows[0]["id"])


def get_namespace(read: Reader, namespace_id: str) -> Namespace:
    """Return a namespace, with how much is in it."""
    row = read.rows(f"select * from ({_NAMESPACES}) where namespace_id = ?", [namespace_id])[0]
    return Namespace(**_loaded(row, without=("last_run_at",)))


def get_experiment(read: Reader, experiment_id: str) -> Experiment:
    """Return an experiment with its tags and notes, and how many runs are in it."""
    row = read.rows(f"select * from ({_EXPERIMENTS}) where experiment_id = ?", [experiment_id])[0]
    return Experiment(
        **_loaded(row, without=("last_run_at",)),
        tags=tags_of(read, experiment_id),
        notes=notes_of(read, experiment_id),
    )


def list_namespaces(read: Reader, *, archived: bool) -> pd.DataFrame:
    """Return the namespaces, by name; `archived`: also those that are."""
    return read.frame(f"select * from ({_NAMESPACES}) where {_listed(archived=archived)} order by name")


def list_experiments(read: Reader, namespace: str | None, *, archived: bool) -> pd.DataFrame:
    """Return the experiments with a column `tags.KEY` per tag: starred ones first, then by their newest run.

    Parameters
    ----------
    namespace : only those in it; None: those of every namespace that is not archived.
    archived : also those that are.
    """
    clauses = [_listed(archived=archived)]
    if namespace is not None:
        clauses.append("namespace = $namespace")
    elif not archived:
        clauses.append(f"namespace not in (select name from inside.namespaces where {_ARCHIVED})")
    query = f"""
        select * from ({_EXPERIMENTS}) where {" and ".join(clauses)}
        order by starred desc, coalesce(last_run_at, created_at) desc, namespace, name"""
    frame = read.frame(query, {"namespace": namespace} if namespace is not None else None)
    return with_tags(read, frame, "experiment")


def within(read: Reader, namespace: str) -> dict[str, int]:
    """Return how many objects of each kind a namespace holds, of those kinds of which it holds any."""
    kinds = ("experiments", "runs", "models", "snapshots", "datasets")
    counts = ", ".join(f"(select count(*) from inside.{kind} where namespace = $name) as {kind}" for kind in kinds)
    return {kind: n for kind, n in read.rows(f"select {counts}", {"name": namespace})[0].items() if n}


def runs_in(read: Reader, namespace: str, experiment: str) -> list[str]:
    """Return the ids of the runs in an experiment, the oldest first."""
    query = "select run_id from inside.runs where namespace = ? and experiment = ? order by started_at, run_id"
    return [row["run_id"] for row in read.rows(query, [namespace, experiment])]


def _listed(*, archived: bool) -> str:
    return "true" if archived else "not archived"


def _loaded(row: dict[str, Any], without: tuple[str, ...]) -> dict[str, Any]:
    found = {key: value for key, value in row.items() if value is not None and key not in without}
    return {key: json.loads(value) if key == "metadata" else value for key, value in found.items()}
