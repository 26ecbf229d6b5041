"""What a reader shows: the public tables, and those below them, as views that are made when a question names them.

Planning the views of twenty tables takes longer than most questions, so each is made when it is first asked for, and
again when what is below it has changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import duckdb

from renex_jupyter.store import bases, sample_rows, tables
from renex_jupyter.store.bases import Base
from renex_jupyter.store.blobs import Blobs

# Words of questions that ask which tables there are, or name one with a text that is made by the question itself.
CATALOG = re.compile(
    r"\b(show|describe|summarize|query|query_table|information_schema|(duckdb|pg|sqlite)_\w+)\b", re.IGNORECASE
)


class Shown:
    """The views of a reader's connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, blobs: Blobs) -> None:
        self._connection = connection
        self._blobs = blobs
        self._base: Base = bases.EMPTY
        self._stale = set(_inside())  # names of the schema `inside` that must be made before they are asked
        self._public: set[str] = set()  # names of public tables that are made
        self._summed = 0  # points of the tail that are in `tail.latest`

    def switch(self, base: Base) -> None:
        """Take note that all that is folded lies elsewhere now."""
        self._base = base
        self._stale = set(_inside())

    def changed(self, kinds: Iterable[str], *, points: bool, forgot: bool) -> None:
        """Take note that the tail has other changes of some kinds, or other points, and whether some are gone."""
        changed = set(kinds)
        self._stale.update(each for each in changed if each in _inside())
        self._stale.update(rows for rows, kind in sample_rows.KINDS.items() if kind in changed)
        if points:
            self._stale |= {"points", "latest"}
        if forgot:
            self._summed = 0

    def make(self, query: str | None) -> None:
        """Make what a query may name, or all (None)."""
        words = None if query is None or CATALOG.search(query) else set(re.findall(r"\w+", query.lower()))
        names = _needed(frozenset(_needs() if words is None else words & _needs().keys()))
        self._make_inside(names & self._stale)
        for name, statement in tables.schema().views.items():
            if name in names and name not in self._public:
                self._connection.execute(statement)
                self._public.add(name)

    def _make_inside(self, names: set[str]) -> None:
        if "points" in names:
            self._show_points()
        if "latest" in names:
            self._show_latest()
        kinds = [kind for kind in tables.schema().tables if kind in names]
        waiting = self._waiting() if kinds else set()
        if "changes" in self._stale and ("changes" in names or waiting.intersection(kinds)):
            self._show_all_changes()
        for kind in kinds:
            self._show_changes(kind, waits=kind in waiting)
            self._stale.remove(kind)
        for rows in sample_rows.KINDS:
            if rows in names and sample_rows.show(self._connection, self._blobs, (rows,)):
                self._stale.remove(rows)  # else a file is missing, which may be there the next time

    def _waiting(self) -> set[str]:
        """Return the kinds of the changes in the tail."""
        found = self._connection.execute("select distinct kind from tail.changes").fetchall()
        return {kind for (kind,) in found}

    def _show_points(self) -> None:
        """Make the view of points anew."""
        points = self._base.points
        if self._count_waiting():
            points = f"{points} union all by name select * exclude (name) from tail.points"
        self._connection.execute(f"create or replace view inside.points as {points}")
        self._stale.remove("points")

    def _show_latest(self) -> None:
        """Make the view of the series anew; what the tail adds is summed up once, not by every question."""
        latest = self._base.latest
        if waiting := self._count_waiting():
            fresh = tables.latest_of(f"from tail.points where rowid >= {self._summed}")  # no row is deleted in place
            known = "" if not self._summed else " union all by name from tail.latest"
            self._connection.execute(
                f"create or replace table tail.latest as {tables.merged_latest(f'({fresh}){known}')}"
            )
            self._summed = waiting
            latest = tables.merged_latest(f"({latest}) union all by name from tail.latest")
        self._connection.execute(f"create or replace view inside.latest as {latest}")
        self._stale.remove("latest")

    def _count_waiting(self) -> int:
        (waiting,) = self._connection.execute("select count(*) from tail.points").fetchone() or (0,)
        return int(waiting)

    def _show_all_changes(self) -> None:
        self._connection.execute(
            "create or replace view inside.changes as "
            f"from {self._base.database}.changes union all by name select * exclude (name) from tail.changes"
        )
        self._stale.remove("changes")

    def _show_changes(self, kind: str, *, waits: bool) -> None:
        """Merge the changes that no generation holds yet into the table of one kind."""
        table = tables.schema().tables[kind]
        view = f"from {self._base.database}.{kind}"
        if waits:
            ids = f"select id from tail.changes where kind = '{kind}'"
            touched = f"select * from inside.changes where kind = '{kind}' and id in ({ids})"
            rows = tables.rows_from_changes(table, touched)
            self._connection.execute(f"create or replace table tail.{kind} as {rows}")
            view = f"{view} where {table.key} not in ({ids}) union all by name from tail.{kind}"
        self._connection.execute(f"create or replace view inside.{kind} as {view}")


def is_public(name: str) -> bool:
    """Say whether there is a public table of this name."""
    return name.lower() in tables.schema().views


def _inside() -> frozenset[str]:
    """Return the names of the schema `inside`."""
    return frozenset({"points", "latest", "changes", *sample_rows.KINDS, *tables.schema().tables})


@cache
def _needs() -> dict[str, frozenset[str]]:
    """Return which names each name needs, those of the schema `inside` and of public tables alike."""
    views = tables.schema().views
    names = views.keys() | _inside()
    texts = {name: f"{views.get(name, name)} {sample_rows.KINDS.get(name, '')}" for name in names}
    return {name: frozenset(names & set(re.findall(r"\w+", text))) for name, text in texts.items()}


@cache
def _needed(names: frozenset[str]) -> set[str]:
    """Return names with all that they need."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        found |= waiting
        waiting = {each for name in waiting for each in _needs()[name]} - found
    return found
