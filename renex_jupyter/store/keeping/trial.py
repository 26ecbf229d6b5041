"""Lines from elsewhere, tried out: would they make rows and views here, each of them, as our own lines do?

A line that no fold can take, or that makes a public table fail, would lame the whole store for good, since lines are
kept for ever. So they are folded in memory first, into tables that nobody else sees.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import duckdb

from renex_jupyter.errors import RenexError
from renex_jupyter.store import archive, sample_rows, tables
from renex_jupyter.store.format import LONGEST_LINE, POINTS, line_is_whole
from renex_jupyter.store.layout import FORMAT

BATCH = 10_000  # lines in memory at one time
HINT = "Was it cut off or changed on its way? Export it again, or copy it again."
KIND = re.compile(r"[a-z_]{1,60}")
NUMBERS = ("v", "n", "at")
TEXTS = ("a", "t", "i")
TEXTS_OR_NONE = ("u", "ns")
MANY = 2**63


def check_lines(changes: Path, points: Path) -> dict[str, int]:
    """Check two Parquet files of lines; return how many `changes` and `points` they hold.

    Raises
    ------
    RenexError : `corrupt`, `newer_store`.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "temp_directory": str(changes.with_name("spill")),
        "autoload_known_extensions": False,
    }
    with duckdb.connect(config=config) as connection:
        connection.execute("set TimeZone = 'UTC'")
        try:
            _check_columns(connection, changes, archive.NO_CHANGES)
            _check_columns(connection, points, archive.NO_POINTS)
            _check_names(connection, changes, points=False)
            _check_names(connection, points, points=True)
            _check_texts(connection, changes)
            _try_out(connection, _read(changes), _read(points))
            return {"changes": _count(connection, changes), "points": _count(connection, points)}
        except duckdb.Error as error:
            _refuse(str(error).splitlines()[0])


def _check_columns(connection: duckdb.DuckDBPyConnection, path: Path, like: str) -> None:
    found, wanted = (
        [(name, type_) for name, type_, *_ in connection.execute(f"describe {query}").fetchall()]
        for query in (_read(path), like)
    )
    if found != wanted:
        _refuse(f"{path.name} has the columns {found}")


def _check_names(connection: duckdb.DuckDBPyConnection, path: Path, *, points: bool) -> None:
    """Check what identifies lines, and that nothing is null which every line has."""
    never_null = ("name", "line", "o", "i", "k", "s", "w") if points else ("name", "line", "text")
    nulls = " or ".join(f"{column} is null" for column in never_null)
    if connection.execute(f"from ({_read(path)}) where {nulls} or line < 0 limit 1").fetchone():
        _refuse(f"{path.name} has a line without a name or a value")
    for (name,) in connection.execute(f"select distinct name from ({_read(path)})").fetchall():
        if not archive.JOURNAL_FILE.fullmatch(name) or name.endswith(POINTS) is not points:
            _refuse(f"{path.name} has lines of {name[:100]!r}, which is no name of a journal")
    if connection.execute(f"select 1 from ({_read(path)}) group by name, line having count(*) > 1 limit 1").fetchone():
        _refuse(f"{path.name} has a line twice")


def _check_texts(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    seen: set[tuple[str, int]] = set()
    result = connection.cursor().execute(_read(path))
    while rows := result.fetchmany(BATCH):
        for name, line, text in rows:
            key = (name.split(".")[0], _sequence_of(f"line {line} of {name}", text))
            if key in seen:
                _refuse(f"change {key[1]} of {key[0]} is there twice")
            seen.add(key)


def _sequence_of(where: str, text: str) -> int:
    """Check a change as a journal writes it, and return its number among those of its writer."""
    data = text.encode()
    if b"\n" in data or len(data) > LONGEST_LINE or not line_is_whole(data):
        _refuse(f"{where} is damaged")
    try:
        said = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        _refuse(f"{where} is not JSON")
    if not isinstance(said, dict) or not _is_change(said):
        _refuse(f"{where} is no change")
    if said["v"] > FORMAT:
        raise RenexError(
            "newer_store", f"{where} has format {said['v']}, this program knows {FORMAT}.", "Upgrade renex_jupyter."
        )
    return int(said["n"])


def _is_change(said: Mapping[str, Any]) -> bool:
    return (
        all(type(said.get(name)) is int and 0 <= said[name] < MANY for name in NUMBERS)
        and all(isinstance(said.get(name), str) for name in TEXTS)
        and all(isinstance(said.get(name), (str, type(None))) for name in TEXTS_OR_NONE)
        and isinstance(said.get("d"), dict)
        and isinstance(said.get("b"), (dict, type(None)))
        and KIND.fullmatch(said["t"]) is not None
    )


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _try_out(connection: duckdb.DuckDBPyConnection, changes: str, points: str) -> None:
    """Make the rows of all objects, and read all public views over them."""
    connection.execute(f"create schema {tables.INSIDE}")
    for statement in tables.schema().create_tables:
        connection.execute(statement)
    connection.execute(f"insert into inside.changes {tables.changes_of(changes)}")
    for kind, table in tables.schema().tables.items():
        mine = f"select * from inside.changes where kind = {tables.literal(kind)}"
        # Each change as an object of its own: no bad value is hidden by a later one that this store may know already.
        alone = f"select * replace ((row_number() over ())::varchar as id, 'create' as action) from ({mine})"
        connection.execute(f"create or replace temp table alone as {tables.rows_from_changes(table, alone)}")
        connection.execute(f"insert into inside.{kind} by name {tables.rows_from_changes(table, mine)}")
    connection.execute(f"create table inside.points as {tables.points_of(points)}")
    connection.execute(f"insert into inside.latest {tables.latest_of('from inside.points')}")
    sample_rows.show(connection)  # contents come later, and each is left out where it cannot be read
    for statement in tables.schema().create_views:
        connection.execute(statement)
    for (view,) in connection.execute(
        "select view_name from duckdb_views() where not internal and schema_name = 'main'"
    ).fetchall():
        connection.execute(f"create or replace temp table seen as from {view}")


def _count(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    row = connection.execute(f"select count(*) from ({_read(path)})").fetchone()
    return int(row[0]) if row else 0


def _read(path: Path) -> str:
    return f"select * from read_parquet({tables.literal(str(path))})"


def _refuse(fact: str) -> NoReturn:
    raise RenexError("corrupt", f"the exported lines cannot be taken in: {fact}.", HINT)
