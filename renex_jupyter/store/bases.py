"""What a reader stands on: the generation in force with its segments, or, where there is none to trust, the archive."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import duckdb

from renex_jupyter.errors import warn
from renex_jupyter.store import archive, generation, journal, losses, parquet, tables
from renex_jupyter.store.layout import Layout
from renex_jupyter.store.loading import Fresh
from renex_jupyter.store.scratch import scratch_folder

_number = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Base:
    """Everything that is folded, as relations of a reader's connection."""

    generation: str | None  # the one in force when this was made, whether it is used or not
    database: str  # the schema that holds the tables
    points: str  # SELECT, public columns
    latest: str  # SELECT, columns of inside.latest
    packs: tuple[Path, ...] = ()  # what was read instead of a generation

    def folded(self, connection: duckdb.DuckDBPyConnection, names: list[str]) -> set[str]:
        """Return which of some journal files are folded."""
        if self.database == EMPTY.database:
            return set()
        return generation.folded_among(connection, names, self.database.removesuffix("inside"))


EMPTY = Base(None, "empty", tables.NO_POINTS, "from empty.latest")


def attach(connection: duckdb.DuckDBPyConnection, layout: Layout, name: str | None) -> Base | None:
    """Attach a generation read-only; None when there is none, or it is damaged, incomplete or not ours."""
    if name is None:
        return None
    alias = f"g{next(_number)}"
    try:
        connection.execute(f"attach {tables.literal(str(layout.generations / name))} as {alias} (read_only)")
    except duckdb.Error:
        return None  # superseded between our two looks, or damaged
    try:
        if generation.is_sound(connection, alias) and generation.has_its_segments(connection, layout, f"{alias}."):
            segments = generation.books(connection, f"{alias}.").segments
            points = tables.points_of_segments([str(layout.segments / each) for each in segments])
            return Base(name, f"{alias}.inside", points, f"from {alias}.inside.latest")
    except duckdb.Error:
        pass
    connection.execute(f"detach {alias}")
    return None


def from_archive(connection: duckdb.DuckDBPyConnection, layout: Layout, name: str | None) -> Base:
    """Make the tables from the packs, in memory; a pack that is damaged is left out, with a warning."""
    known = [layout.archive / each for each in losses.known_packs(layout, generation.readable(layout))]
    packs = sorted({*archive.packs_in(layout), *known})
    if not packs:
        _create_tables(connection, "empty")
        return Base(name, EMPTY.database, EMPTY.points, EMPTY.latest)
    whole = [path for path in packs if parquet.is_whole(path)]
    for path in packs:
        if path not in whole:
            what = "is damaged" if path.exists() else "is gone"
            warn(f"{path} {what}, and what it holds is missing; see: renex fsck")
    alias = f"a{next(_number)}"
    connection.execute(f"attach ':memory:' as {alias}")
    _create_tables(connection, f"{alias}.inside")
    changes, lines, folded = _lines_of(connection, layout, whole)
    connection.execute(f"insert into {alias}.inside.changes {tables.changes_of(changes)}")
    for kind, table in tables.schema().tables.items():
        mine = f"select * from {alias}.inside.changes where kind = {tables.literal(kind)}"
        connection.execute(f"insert into {alias}.inside.{kind} by name {tables.rows_from_changes(table, mine)}")
    points = tables.points_of(f"from ({lines})")
    names = tables.literal(sorted(folded))
    connection.execute(f"create table {alias}.inside.folded as select unnest({names}::varchar[]) as name")
    return Base(name, f"{alias}.inside", points, tables.latest_of(points), tuple(packs))


def _lines_of(connection: duckdb.DuckDBPyConnection, layout: Layout, packs: list[Path]) -> tuple[str, str, set[str]]:
    """Return all changes and points of packs, each once, and the journals that are read with them.

    A journal that a killed fold has packed may still be there, and have lines that the pack has not.
    """
    names = archive.journals_in(connection, packs)
    there = [Path(entry.path) for entry in journal.files_in(layout.journal) if entry.name in names]
    with scratch_folder() as folder:
        Fresh(connection, folder).read([path for path in there if path.stat().st_size])
    changes = f"({archive.changes_in(packs)}) union all by name from scratch.changes"
    points = f"({archive.points_in(packs)}) union all by name from scratch.points"
    return archive.once(changes), archive.once(points), {path.name for path in there}


def _create_tables(connection: duckdb.DuckDBPyConnection, database: str) -> None:
    connection.execute(f"create schema if not exists {database}")
    for statement in tables.schema().create_tables:
        connection.execute(statement.replace("create table inside.", f"create table if not exists {database}.", 1))


def let_go(connection: duckdb.DuckDBPyConnection, base: Base) -> None:
    """Detach what a base stands on."""
    if base.database != EMPTY.database:
        connection.execute(f"detach database if exists {base.database.removesuffix('.inside')}")
