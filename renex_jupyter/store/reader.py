"""Reading: the generation in force, the segments and the tail of the journals behind one set of tables.

A reader always sees everything that was logged before its call. Its DuckDB is its own, in memory; no query ever waits
for a writer, a fold or an outside client, and none of them waits for it.
"""

from __future__ import annotations

import os
import re
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from renex_jupyter.errors import RenexError
from renex_jupyter.store import journal, tables
from renex_jupyter.store.fold import folded_files, is_sound, segment_files
from renex_jupyter.store.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
Params = Sequence[Any] | Mapping[str, Any] | None
EXPLAIN = re.compile(r"\s*explain\s+(analyze\s+|\([^)]*\)\s*)?", re.IGNORECASE)


class Reader:
    """SQL text and parameters in, frames out; safe for threads. A forked child needs one of its own."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._lock = threading.RLock()
        self.pid = os.getpid()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._generation: str | None = None
        self._folded: set[str] = set()
        self._segments: list[str] = []
        self._attached: str | None = None  # the name under which the generation is attached
        self._number = 0
        self._seen_changes: tuple[tuple[str, int], ...] | None = None
        self._seen_points: tuple[str, ...] | None = None

    def frame(self, query: str, params: Params = None) -> pd.DataFrame:
        """Return the rows of a query of ours as a DataFrame; times are UTC."""
        return self._ask(query, params, _as_frame)

    def rows(self, query: str, params: Params = None) -> list[dict[str, Any]]:
        """Return the rows of a query of ours as dicts of Python values."""
        return self._ask(query, params, _as_dicts)

    def ask(self, query: str, params: Params = None, frames: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return the rows of a user's query, which may name `frames` beside the public tables.

        Raises
        ------
        RenexError : `invalid_argument` when the text is not one statement that reads, or DuckDB refuses it.
        """
        _check_reading(query)
        with self._lock:
            self._refresh()
            connection = self._own()
            # More words than tables: only a query that binds would tell its tables, and a frame costs nothing to offer.
            words = set(re.findall(r"\w+", query))
            given = [name for name in frames or {} if name in words and not self._has_table(name)]
            for name in given:
                connection.register(name, frames[name])  # type: ignore[index]
            try:
                return self._ask(query, params, _as_frame)
            except duckdb.Error as error:
                raise _refused(error) from error
            finally:
                for name in given:
                    connection.unregister(name)

    def marker(self) -> tuple[Any, ...]:
        """Return something that changes whenever the store does; costs one look at a folder."""
        files = tuple((entry.name, entry.stat().st_size) for entry in journal.files_in(self.layout.journal))
        return (self.layout.generation_in_force(), files)

    def _ask(self, query: str, params: Params, fetch: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        with self._lock:
            for attempt in range(5):
                self._refresh()
                try:
                    return fetch(self._own().execute(query, params))
                except duckdb.IOException:
                    # A segment or journal was superseded under a slow reader: look again, at the new generation.
                    self._seen_points = self._seen_changes = None
                    if attempt == 4:
                        raise
                    time.sleep(0.02)
                except RuntimeError as error:
                    if "interrupted" in str(error).lower():
                        raise KeyboardInterrupt from error
                    raise
        raise AssertionError("unreachable")

    def _own(self) -> duckdb.DuckDBPyConnection:
        """Return the connection, made at the first question."""
        if self._connection is None:
            self._connection = duckdb.connect(
                config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
            )
            self._connection.execute("set TimeZone = 'UTC'; set python_enable_replacements = false")
            self._start_empty()
        return self._connection

    def _start_empty(self) -> None:
        assert self._connection is not None
        self._connection.execute("create schema inside; create schema empty")
        for statement in tables.schema().create_tables:
            self._connection.execute(statement.replace("create table inside.", "create table empty.", 1))
        self._connection.execute(f"create view inside.points as {tables.NO_POINTS}")
        self._connection.execute("create view inside.changes as from empty.changes")
        for kind in tables.schema().tables:
            self._connection.execute(f"create view inside.{kind} as from empty.{kind}")
        for statement in tables.schema().create_views:
            self._connection.execute(statement)

    def _refresh(self) -> None:
        """Bring the views up to what the store holds now."""
        connection = self._own()
        generation = self.layout.generation_in_force()
        if generation != self._generation:
            self._take(connection, generation)
        files = [entry for entry in journal.files_in(self.layout.journal) if entry.name not in self._folded]
        changes = tuple((e.path, e.stat().st_size) for e in files if not e.name.endswith(journal.POINTS))
        points = tuple(e.path for e in files if e.name.endswith(journal.POINTS))
        if points != self._seen_points:
            parts = [tables.points_of(self._segments)] + ([tables.points_in(list(points))] if points else [])
            connection.execute(f"create or replace view inside.points as {' union all '.join(parts)}")
            self._seen_points = points
        if changes != self._seen_changes:
            self._take_tail(connection, [path for path, _ in changes])
            self._seen_changes = changes

    def _take(self, connection: duckdb.DuckDBPyConnection, generation: str | None) -> None:
        """Attach a generation read-only and let go of the one before.

        One that cannot be used, because it is damaged or not ours, is passed over: the journal has everything, and
        the next fold builds a new one from it.
        """
        before, self._attached = self._attached, None
        self._folded, self._segments = set(), []
        self._generation = generation
        self._seen_changes = self._seen_points = None
        if generation:
            self._attached = self._attach(connection, generation)
        if self._attached:
            self._folded = folded_files(connection, f"{self._attached}.")
            names = segment_files(connection, f"{self._attached}.")
            self._segments = [str(self.layout.segments / name) for name in names]
        if before:
            connection.execute(f"detach database if exists {before}")

    def _attach(self, connection: duckdb.DuckDBPyConnection, generation: str) -> str | None:
        self._number += 1
        alias = f"g{self._number}"
        path = tables.literal(str(self.layout.generations / generation))
        try:
            connection.execute(f"attach {path} as {alias} (read_only)")
        except duckdb.Error:
            return None  # superseded between our two looks, or damaged
        if is_sound(connection, alias):
            return alias
        connection.execute(f"detach {alias}")
        return None

    def _take_tail(self, connection: duckdb.DuckDBPyConnection, paths: list[str]) -> None:
        """Merge the changes that no generation holds yet into the tables of their kinds."""
        base = f"{self._attached}.inside" if self._attached else "empty"
        connection.execute("drop schema if exists tail cascade; create schema tail")
        source = tables.changes_in(paths) if paths else "from empty.changes"
        connection.execute(f"create table tail.changes as {source}")
        connection.execute(f"create or replace view inside.changes as from {base}.changes union all from tail.changes")
        kinds = {kind for (kind,) in connection.execute("select distinct kind from tail.changes").fetchall()}
        for kind, table in tables.schema().tables.items():
            view = f"from {base}.{kind}"
            if kind in kinds:
                ids = f"select id from tail.changes where kind = '{kind}'"
                touched = f"select * from inside.changes where kind = '{kind}' and id in ({ids})"
                connection.execute(f"create table tail.{kind} as {tables.rows_from_changes(table, touched)}")
                view = f"from {base}.{kind} where {table.key} not in ({ids}) union all by name from tail.{kind}"
            connection.execute(f"create or replace view inside.{kind} as {view}")

    def _has_table(self, name: str) -> bool:
        found = self._own().execute("select 1 from duckdb_views() where schema_name = 'main' and view_name = ?", [name])
        return found.fetchone() is not None


def _check_reading(query: str) -> None:
    """Refuse what is not one statement that reads, also behind EXPLAIN, which runs what it analyses."""
    try:
        statements = duckdb.extract_statements(EXPLAIN.sub("", query, count=1) if EXPLAIN.match(query) else query)
    except duckdb.Error as error:
        raise _refused(error) from error
    if len(statements) != 1 or statements[0].type.name != "SELECT":
        raise RenexError("invalid_argument", "the history is asked with one SELECT.", "To change it, use %renex or rx.")


def _as_frame(result: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The inplace keyword in DataFrame.drop")  # duckdb 1.5 with pandas 3.1
        return result.df()


def _as_dicts(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _refused(error: duckdb.Error) -> RenexError:
    text = str(error).split("\n\nLINE")[0].strip()
    return RenexError(
        "invalid_argument", text, "The tables are described in docs/schema.md; list them with SHOW TABLES."
    )
