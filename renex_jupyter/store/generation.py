"""A generation: one DuckDB file that holds every table folded from the journals, and the books of what was folded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from renex_jupyter.store import parquet, tables
from renex_jupyter.store.layout import Layout, json_object

STORAGE_VERSION = "v1.5.0"
BLOCK = 16384  # bytes: DuckDB's smallest; twenty small tables take 6 MB with its default
MEMORY = "1GB"  # what a fold may use before it spills to disk
_BOOKS = """
create table inside.segments (name varchar, points bigint, size bigint, changed_ns bigint);
create table inside.packs (name varchar, lines bigint);
create table inside.folded (name varchar, lines bigint, bad_lines bigint, folded_at double);
create table inside.made (schema varchar);
"""


@dataclass(frozen=True, slots=True)
class Books:
    """The files that belong to a generation, with their rows."""

    segments: dict[str, int]
    packs: dict[str, int]


@cache
def schema_id() -> str:
    """Return what tells the tables of this program from those of every other version."""
    declared = tables.schema()
    text = "\n".join((_BOOKS, *declared.create_tables, *declared.create_views))
    return hashlib.sha256(text.encode()).hexdigest()


def connect(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a generation that nobody else has open for writing; a file that is not there is made, and holds nothing."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": MEMORY,
        "temp_directory": str(path.with_name(f".{path.name}.tmp.spill")),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "default_block_size": str(BLOCK),
        "storage_compatibility_version": STORAGE_VERSION,
    }
    is_new = not path.exists()
    connection = duckdb.connect(str(path), read_only=read_only, config=config)
    connection.execute("set TimeZone = 'UTC'")
    if is_new:
        _declare(connection)
    return connection


def _declare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of a generation, with nothing in them."""
    connection.execute("begin")
    connection.execute(f"create schema {tables.INSIDE}")
    connection.execute(_BOOKS)
    connection.execute(f"insert into inside.made values ('{schema_id()}')")
    for statement in tables.schema().create_tables:
        connection.execute(statement)
    connection.execute("commit")


@cache
def _declared() -> frozenset[str]:
    """Return the tables of a generation as DuckDB tells them, without quotes; to ask a database takes 25 ms."""
    books = (f"{each};" for each in _BOOKS.split(";") if each.strip())
    found = map(tables.declared, (*books, *tables.schema().create_tables))
    return frozenset(
        f"CREATE TABLE inside.{each.kind}({', '.join(f'{name} {type_}' for name, type_ in each.columns)});"
        for each in found
    )


def is_sound(connection: duckdb.DuckDBPyConnection, database: str) -> bool:
    """Say whether an attached generation holds our tables, of this version, as plain tables, and nothing else.

    What somebody else put there would be copied into every later generation and published, and a view of one of our
    names could read other files: such a file is made anew from the archive, like one that is damaged or was made by
    another version. Macros are left to `holds_macros`: only who opens the file as its own database could run one.
    """
    mine = f"where database_name = '{database}'"
    found = connection.execute(
        f"select replace(sql, '\"', '') from duckdb_tables() {mine} "  # with defaults, constraints and generated columns
        f"union all select 'view' from duckdb_views() {mine} and not internal "
        f"union all select 'index' from duckdb_indexes() {mine} "
        f"union all select 'sequence' from duckdb_sequences() {mine} "
        f"union all select 'type' from duckdb_types() {mine} and not internal "
        f"union all select 'schema' from duckdb_schemas() {mine} and not internal and schema_name <> 'inside'"
    ).fetchall()
    if len(found) != len(_declared()) or {sql for (sql,) in found} != _declared():
        return False
    return connection.execute(f'select schema from "{database}".inside.made').fetchall() == [(schema_id(),)]


def holds_macros(connection: duckdb.DuckDBPyConnection, database: str) -> bool:
    """Say whether a database holds macros, which could go before DuckDB's own functions; takes 60 ms."""
    query = f"select 1 from duckdb_functions() where database_name = '{database}' and not internal limit 1"
    return connection.execute(query).fetchone() is not None


def has_its_segments(connection: duckdb.DuckDBPyConnection, layout: Layout, prefix: str = "") -> bool:
    """Say whether every segment of a generation is there and what it was when it was written.

    A file of the same size and time of change is taken for the same; of any other the content is hashed.
    """
    rows = connection.execute(f"select name, size, changed_ns from {prefix}inside.segments").fetchall()
    for name, size, changed in rows:
        path = layout.segments / name
        try:
            found = path.stat()
        except OSError:
            return False
        if (found.st_size, found.st_mtime_ns) != (size, changed) and not parquet.is_whole(path):
            return False
    return True


def usable(layout: Layout, *, doubted: bool = False) -> str | None:
    """Return the generation in force, or None when everything must be folded anew.

    Its content is hashed, unless it looks as when it was published: DuckDB meets a damaged block only when it reads it,
    and the next generation is a copy.

    Parameters
    ----------
    doubted : hash it however it looks.
    """
    return _in_force(layout, complete=True, trusted=not doubted)


def readable(layout: Layout) -> str | None:
    """Return the generation in force if its tables can be trusted, also when segments of it are missing or damaged.

    Its content is hashed, however it looks.
    """
    return _in_force(layout, complete=False, trusted=False)


def _in_force(layout: Layout, *, complete: bool, trusted: bool) -> str | None:
    name = layout.generation_in_force()
    if name is None:
        return None
    try:
        path = layout.generations / name
        told = json_object(layout.published)
        seen = trusted and told.get("generation") == name and told.get("looks") == looks_of(path)
        if not seen and parquet.digest(path) != name.split(".")[1]:
            return None
        with duckdb.connect() as connection:
            connection.execute(f"attach {tables.literal(str(layout.generations / name))} as found (read_only)")
            sound = is_sound(connection, "found") and not holds_macros(connection, "found")
            if sound and (not complete or has_its_segments(connection, layout, "found.")):
                return name
    except (duckdb.Error, OSError):
        pass
    return None


def looks_of(path: Path) -> list[int]:
    """Return size and time of change of a file, by which it is taken for the same without looking into it."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def books(connection: duckdb.DuckDBPyConnection, prefix: str = "") -> Books:
    """Return the files that belong to a generation."""
    segments = connection.execute(f"select name, points from {prefix}inside.segments order by name").fetchall()
    packs = connection.execute(f"select name, lines from {prefix}inside.packs order by name").fetchall()
    return Books(dict(segments), dict(packs))


def folded_among(
    connection: duckdb.DuckDBPyConnection, names: list[str], prefix: str = "", *, whole: bool = False
) -> set[str]:
    """Return which of some journal files a generation holds.

    Parameters
    ----------
    whole : only those that had no damaged line when they were folded; of some others nobody knows.
    """
    if not names:
        return set()
    query = f"select name from {prefix}inside.folded where name in {tables.literal(tuple(names))}"
    if whole:
        query += " and bad_lines = 0"
    return {name for (name,) in connection.execute(query).fetchall()}


def enter_segment(connection: duckdb.DuckDBPyConnection, path: Path, points: int) -> None:
    """Put a segment into the books."""
    found = path.stat()
    row = f"{tables.literal(path.name)}, {points}, {found.st_size}, {found.st_mtime_ns}"
    connection.execute(f"insert into inside.segments values ({row})")
