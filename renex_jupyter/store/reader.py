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
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from renex_jupyter.errors import RenexError
from renex_jupyter.store import bases, journal
from renex_jupyter.store.bases import Base
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.store.database import interrupts
from renex_jupyter.store.format import POINTS
from renex_jupyter.store.layout import Layout
from renex_jupyter.store.showing import Shown, is_public
from renex_jupyter.store.tail import Tail

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
Params = Sequence[Any] | Mapping[str, Any] | None
EXPLAIN = re.compile(r"\s*explain\s+(analyze\s+|\([^)]*\)\s*)?", re.IGNORECASE)


class Reader:
    """SQL text and parameters in, frames out; safe for threads. A forked child needs one of its own."""

    def __init__(self, layout: Layout, on_broken: Callable[[], None] | None = None) -> None:
        self.layout = layout
        self._on_broken = on_broken  # called when the index must be made again
        self._lock = threading.RLock()
        self.pid = os.getpid()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._base = bases.EMPTY
        self._listed: list[str] = []  # journal files, when they were last listed
        self._folded: set[str] = set()  # those of them that are folded
        self._stale = True  # what is folded must be looked for anew
        self._unfinished = False  # a refresh was begun and did not end
        self._distrusted: set[str | None] = set()  # generations that turned out to be damaged
        self._purged_at = 0  # when something was last purged: lines that were read may say something else now

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
        return self._asked(query, params, frames, _as_frame)

    def ask_rows(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Return names and rows of a user's query as Python values: pandas has no HUGEINT, DATE or BIT.

        Raises
        ------
        RenexError : as `ask`.
        """
        return self._asked(query, None, None, _as_rows)

    def _asked(
        self,
        query: str,
        params: Params,
        frames: Mapping[str, Any] | None,
        fetch: Callable[[duckdb.DuckDBPyConnection], T],
    ) -> T:
        _check_reading(query)
        with self._lock, interrupts(self._stop):
            self._refresh(query)
            connection = self._own()
            # More words than tables: only a query that binds would tell its tables, and a frame costs nothing to offer.
            words = set(re.findall(r"\w+", query))
            given = [name for name in frames or {} if name in words and not is_public(name)]
            for name in given:
                connection.register(name, frames[name])  # type: ignore[index]
            try:
                return self._ask(query, params, fetch)
            except duckdb.Error as error:
                raise _refused(error) from error
            finally:
                for name in given:
                    connection.unregister(name)

    def marker(self, *, points: bool = True) -> tuple[Any, ...]:
        """Return something that changes whenever the store does; costs one look at a folder.

        Parameters
        ----------
        points : False: it stays as it is where only points of metrics are added.
        """
        entries = (each for each in journal.files_in(self.layout.journal) if points or not each.name.endswith(POINTS))
        files = []
        for entry in entries:
            with suppress(FileNotFoundError):  # it is sealed just now, and has another name
                files.append((entry.name, entry.stat().st_size))
        return (self.layout.generation_in_force(), tuple(files))

    def _ask(self, query: str, params: Params, fetch: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        with self._lock, interrupts(self._stop):
            shown: str | None = query
            for attempt in range(6):
                self._refresh(shown)
                try:
                    return fetch(self._own().execute(query, params))
                except duckdb.CatalogException:
                    if shown is None:
                        raise
                    shown = None  # it may name a table in a way that its words do not tell
                except duckdb.Error as error:
                    # A file was superseded under a slow reader, or is damaged: look again, at last only at the archive.
                    if attempt == 5 or not self._is_about_our_files(error):
                        raise
                    if attempt == 3:
                        self._distrusted.add(self._base.generation)
                    self._stale = True
                    self._unfinished = isinstance(error, duckdb.FatalException)
                    time.sleep(0.02)
        raise AssertionError("unreachable")

    def _stop(self) -> None:
        """Stop the query that was left; called by who holds the lock, so that it is nobody else's."""
        if self._connection is not None:
            self._connection.interrupt()

    def _is_about_our_files(self, error: duckdb.Error) -> bool:
        text = str(error)
        return isinstance(error, duckdb.IOException | duckdb.InvalidInputException | duckdb.FatalException) and (
            str(self.layout.root) in text or "checksum" in text.lower()
        )

    def _own(self) -> duckdb.DuckDBPyConnection:
        """Return the connection, made at the first question."""
        if self._connection is None:
            self._connection = duckdb.connect(
                config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
            )
            self._connection.execute("set TimeZone = 'UTC'; set python_enable_replacements = false")
            self._connection.execute("create schema inside")
            self._tail = Tail(self._connection)
            self._shown = Shown(self._connection, Blobs(self.layout.blobs))
        return self._connection

    def _refresh(self, query: str | None) -> None:
        """Bring what a query may name, or all (None), up to what the store holds now.

        What an interrupt left half done is begun anew.

        The journals are listed between two looks at `CURRENT`: a file that is missing in the list is then surely in
        the generation that was found, because files go only after the switch to the one that has them.
        """
        purged_at = self.layout.purged_at()
        if self._unfinished or purged_at != self._purged_at:
            self._begin_anew()
        self._unfinished, self._purged_at = True, purged_at
        self._own()
        failed: Counter[str | None] = Counter()
        for _ in range(50):
            generation = self.layout.generation_in_force()
            files = journal.files_in(self.layout.journal)
            if generation != self.layout.generation_in_force():
                continue
            try:
                self._look(generation, files)
                self._shown.make(query)
            except FileNotFoundError:  # a journal was folded and removed between the list and the reading
                self._stale = True
                continue
            except duckdb.Error as error:  # so was a segment, or the generation is damaged
                if not self._is_about_our_files(error):
                    raise
                if isinstance(error, duckdb.FatalException):
                    self._begin_anew()
                self._stale = True
                failed[generation] += 1
                if failed[generation] == 6:  # also without it
                    raise
                if failed[generation] == 3:
                    self._distrusted.add(generation)
                time.sleep(0.02)
                continue
            self._unfinished = False
            return
        raise RenexError("locked", f"{self.layout.root} changes faster than it can be read.", "Try again in a moment.")

    def _begin_anew(self) -> None:
        """Forget everything that was read."""
        connection, self._connection = self._connection, None
        self._base, self._stale = bases.EMPTY, True
        if connection is not None:
            connection.close()

    def _look(self, generation: str | None, files: list[os.DirEntry[str]]) -> None:
        connection = self._own()
        before = self._base
        switched = self._stale or before.generation != generation
        if switched:
            self._base = self._base_of(generation)
            self._shown.switch(self._base)
            self._stale = False
            bases.let_go(connection, before)
        names = [entry.name for entry in files]
        if switched or names != self._listed:
            self._folded, self._listed = self._base.folded(connection, names), names
        kinds, points = self._tail.update(entry for entry in files if entry.name not in self._folded)
        self._shown.changed(kinds, points=points, forgot=self._tail.forgot)

    def _base_of(self, generation: str | None) -> Base:
        """Return what the journals were folded into.

        A generation that cannot be used, because it is damaged, incomplete or not ours, is passed over: the archive
        has everything, and the next fold makes a new one from it.
        """
        base = bases.attach(self._own(), self.layout, generation) if generation not in self._distrusted else None
        if base is None:
            base = bases.from_archive(self._own(), self.layout, generation)
            if base.packs and self._on_broken:
                self._on_broken()
        return base


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


def _as_rows(result: duckdb.DuckDBPyConnection) -> tuple[list[str], list[tuple[Any, ...]]]:
    return [column[0] for column in result.description or ()], result.fetchall()


def _as_dicts(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _refused(error: duckdb.Error) -> RenexError:
    text = str(error).split("\n\nLINE")[0].strip()
    return RenexError(
        "invalid_argument", text, "The tables are described in docs/schema.md; list them with SHOW TABLES."
    )
