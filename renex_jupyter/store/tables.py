"""The tables: read from `schema.sql`, and the SQL that turns changes into rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import duckdb

from renex_jupyter.store.journal import LONGEST_LINE

POINT_COLUMNS = {
    "owner_kind": "varchar",
    "owner_id": "varchar",
    "key": "varchar",
    "step": "bigint",
    "wallclock": "timestamptz",
    "value": "double",
    "text_value": "varchar",
    "bytes_value": "blob",
    "dtype": "varchar",
    "shape": "varchar",
}
NO_POINTS = "select " + ", ".join(f"null::{type_} as {name}" for name, type_ in POINT_COLUMNS.items()) + " where false"

_JOURNAL_CHANGES = {
    "n": "BIGINT",
    '"at"': "BIGINT",
    "u": "VARCHAR",
    "a": "VARCHAR",
    "t": "VARCHAR",
    "i": "VARCHAR",
    "ns": "VARCHAR",
    "b": "JSON",
    "d": "JSON",
}
_JOURNAL_POINTS = {
    "o": "VARCHAR",
    "i": "VARCHAR",
    "k": "VARCHAR",
    "s": "BIGINT",
    "w": "BIGINT",
    "y": "DOUBLE",
    "x": "VARCHAR",
}
INSIDE = "inside"  # the schema of the folded tables; `main` holds the public views


@dataclass(frozen=True, slots=True)
class Table:
    """One folded table: objects of one kind, keyed by its first column."""

    kind: str  # "runs", the name of its table in the schema `inside`
    columns: tuple[tuple[str, str], ...]  # name, type

    @property
    def key(self) -> str:
        """The column that holds the object's id."""
        return self.columns[0][0]


@dataclass(frozen=True, slots=True)
class Schema:
    """What `schema.sql` declares."""

    tables: dict[str, Table]  # by kind
    create_tables: tuple[str, ...]
    create_views: tuple[str, ...]


@cache
def schema() -> Schema:
    """Return the declared tables, with their columns as DuckDB understands them."""
    text = files("renex_jupyter.store").joinpath("schema.sql").read_text(encoding="utf-8")
    statements = [statement.query.strip() for statement in duckdb.extract_statements(text)]
    tables = tuple(each for each in statements if "create table" in each)
    views = tuple(each for each in statements if "create view" in each)
    with duckdb.connect() as connection:
        connection.execute(f"create schema {INSIDE}")
        for each in tables:
            connection.execute(each)
        rows = connection.execute(
            "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'inside' "
            "order by table_name, column_index"
        ).fetchall()
    columns: dict[str, list[tuple[str, str]]] = {}
    for table, column, type_ in rows:
        columns.setdefault(table, []).append((column, type_))
    kinds = {name: Table(name, tuple(found)) for name, found in columns.items() if name != "changes"}
    return Schema(kinds, tables, views)


def rows_from_changes(table: Table, changes: str) -> str:
    """Return a SELECT that merges changes of one kind into rows: per field, the last change that sets it wins.

    Parameters
    ----------
    changes : a relation with the columns of `inside.changes`, all of this table's kind.
    """
    fields = ",\n".join(
        f"{_typed(f'arg_max_null({_extract(column, type_)}, ord) filter (where json_exists(after, {path(column)}))', type_)}"
        f" as {column}"
        for column, type_ in table.columns[1:]
    )
    return f"""
        select id as {table.key}, {fields}
        from (select id, action, after, row_number() over (order by at_us, writer, seq) as ord from ({changes}))
        group by id
        having arg_max(action, ord) <> 'delete'"""


def path(column: str) -> str:
    """Return a JSON path literal for a column."""
    return f"'$.{column}'"


def _extract(column: str, type_: str) -> str:
    return f"json_extract(after, {path(column)})" if type_ == "JSON" else f"json_extract_string(after, {path(column)})"


def _typed(expression: str, type_: str) -> str:
    if type_ == "JSON":
        return f"nullif({expression}, 'null'::json)"
    if type_ == "VARCHAR":
        return expression
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return f"make_timestamptz(({expression})::bigint)"
    return f"({expression})::{type_}"


def literal(value: Any) -> str:
    """Return a string, or a list of strings, as a SQL literal."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(literal(each) for each in value) + "]"
    return "'" + str(value).replace("'", "''") + "'"


def changes_in(paths: list[str]) -> str:
    """Return a SELECT of the changes in journal files; a torn last line is passed over."""
    return f"""
        select split_part(parse_filename(filename), '.', 1) as writer, n as seq, "at" as at_us, u as actor, a as action,
               t as kind, i as id, ns as namespace, nullif(b, 'null'::json) as before, d as after
        from {_read(paths, _JOURNAL_CHANGES)} where t is not null and d is not null"""


def points_in(paths: list[str]) -> str:
    """Return a SELECT of the metric points in journal files."""
    return f"""
        select o as owner_kind, i as owner_id, k as key, s as step, make_timestamptz(w) as wallclock, y as value,
               x as text_value, null::blob as bytes_value, null::varchar as dtype, null::varchar as shape
        from {_read(paths, _JOURNAL_POINTS)} where i is not null and w is not null"""


def points_of(segments: list[str]) -> str:
    """Return a SELECT of the metric points in segments."""
    return f"select * from read_parquet({literal(segments)})" if segments else NO_POINTS


def _read(paths: list[str], columns: dict[str, str]) -> str:
    shape = "{" + ", ".join(f"{name}: '{type_}'" for name, type_ in columns.items()) + "}"
    return (
        f"read_json({literal(paths)}, format = 'newline_delimited', columns = {shape}, ignore_errors = true, "
        f"filename = true, maximum_object_size = {LONGEST_LINE})"
    )
