"""What belongs to some runs: every object without which they could not be shown, compared, checked out or run again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from renex_jupyter.store import tables
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.tables import Table

Objects = dict[str, set[str]]  # kind -> ids

_CHILDREN = """
with recursive family as (
    select unnest($ids::varchar[]) as run_id
    union select r.run_id from inside.runs r join family f on r.parent_run_id = f.run_id
)
select run_id as id from family"""
APART = (  # kinds that name the run which they come from, and live on without it
    "model_versions",
    "dataset_versions",
    "prediction_sets",
    "pattern_searches",
    "failure_patterns",
    "drift_reports",
)
WHENCE = ("before_", "after_")  # `before_snapshot_id` names a snapshot as `snapshot_id` does
# How a row names another one other than by the id of its kind; `s` is the row, `t` the one it names.
_BY_OTHER_COLUMNS = {
    "file_parts": ("parts", """list_contains(from_json(s.parts, '["VARCHAR"]'), t.part_id)"""),
    "tasks": ("task", "t.name = s.task"),
    "namespaces": ("namespace", "t.name = s.namespace"),
    "experiments": ("experiment", "t.namespace = s.namespace and t.name = s.experiment"),
}


@dataclass(frozen=True, slots=True)
class Reference:
    """One way in which rows of one kind name rows of another."""

    kind: str
    column: str
    condition: str = ""  # between rows; empty: the column has ids


def belonging_to(read: Reader, runs: Sequence[str]) -> Objects:
    """Return the runs, their child runs, and all that these own or name, by kind.

    What is owned says so by its `run_id` (or as an owner); what is named stands in a column such as `snapshot_id`. The
    run of a named snapshot, the parent of a run and the run that it repeats are not followed: they are other stories.

    Parameters
    ----------
    runs : whole ids.
    """
    family = {row["id"] for row in read.rows(_CHILDREN, {"ids": list(runs)})}
    found: Objects = {"runs": family}
    for table in tables.schema().tables.values():
        if table.kind not in ("runs", *APART) and "run_id" in _names(table):
            found[table.kind] = _ids(read, table, "run_id", family)
    _follow(read, found)
    sessions = found.get("sessions", set())
    found["cell_executions"] = _ids(read, tables.schema().tables["cell_executions"], "session_id", sessions)
    everything = set().union(*found.values())
    for table in tables.schema().tables.values():
        if "owner_id" in _names(table):
            found[table.kind] = found.get(table.kind, set()) | _ids(read, table, "owner_id", everything)
    found["links"] = _ids(read, tables.schema().tables["links"], "from_id", everything)
    found["dataset_versions"] = found.get("dataset_versions", set()) | _datasets_of(read, found["links"])
    _follow(read, found)
    return {kind: ids for kind, ids in found.items() if ids}


def _datasets_of(read: Reader, links: set[str]) -> set[str]:
    """Return the dataset versions that some links lead to: what a run used."""
    query = """
        select distinct to_id as id from inside.links
        where to_kind = 'dataset_version' and link_id in (select unnest($links::varchar[]))"""
    return {row["id"] for row in read.rows(query, {"links": list(links)})}


def _follow(read: Reader, found: Objects) -> None:
    """Add what the objects name, and what that names, until there is nothing new."""
    fresh = {kind: set(ids) for kind, ids in found.items()}
    while fresh:
        kind, ids = fresh.popitem()
        for reference in _references(tables.schema().tables[kind]):
            known = found.setdefault(reference.kind, set())
            new = _named(read, kind, ids, reference) - known
            if new:
                known |= new
                fresh.setdefault(reference.kind, set()).update(new)


def _references(table: Table) -> Iterator[Reference]:
    columns = _names(table)
    for target in tables.schema().tables.values():
        named = [f"{whence}{target.key}" for whence in ("", *WHENCE) if f"{whence}{target.key}" in columns]
        if target.kind not in (table.kind, "runs") and target.key.endswith("_id"):
            for column in named:
                yield Reference(target.kind, column)
        column, condition = _BY_OTHER_COLUMNS.get(target.kind, ("", ""))
        if column in columns and target.kind != table.kind:
            yield Reference(target.kind, column, condition)


def _named(read: Reader, kind: str, ids: set[str], reference: Reference) -> set[str]:
    """Return the ids that some rows name; also those of what was deleted or purged, so that nobody misses it."""
    source, target = tables.schema().tables[kind], tables.schema().tables[reference.kind]
    named, naming = f"s.{reference.column}", f"inside.{kind} s"
    if reference.condition:
        named, naming = f"t.{target.key}", f"{naming} join inside.{target.kind} t on {reference.condition}"
    rows = read.rows(
        f"select distinct {named} as id from {naming} "
        f"where {named} is not null and s.{source.key} in (select unnest($ids::varchar[]))",
        {"ids": list(ids)},
    )
    return {row["id"] for row in rows}


def _ids(read: Reader, table: Table, column: str, values: set[str]) -> set[str]:
    query = f"select {table.key} as id from inside.{table.kind} where {column} in (select unnest($values::varchar[]))"
    return {row["id"] for row in read.rows(query, {"values": list(values)})}


def _names(table: Table) -> set[str]:
    return {name for name, _ in table.columns}
