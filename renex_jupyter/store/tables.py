"""The tables: read from `schema.sql`, and the SQL that turns changes into rows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import duckdb

from renex_jupyter.store.format import LONGEST_LINE

FEW = 100  # texts that a condition lists: a page of runs has no more
POINT_COLUMNS = {
    "owner_kind": "varchar",
    "owner_id": "varchar",
    "run_id": "varchar",  # the owner once more, if it is a run: a column of its own lets DuckDB pass over other runs
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

_CHANGE_FIELDS = {
    "n": "BIGINT",
    "at": "BIGINT",
    **dict.fromkeys(("u", "a", "t", "i", "ns"), "VARCHAR"),
    "b": "JSON",
    "d": "JSON",
}
_CHANGE_LINE = json.dumps(_CHANGE_FIELDS)
POINT_LINE = {
    "o": "VARCHAR",
    "i": "VARCHAR",
    "k": "VARCHAR",
    "s": "BIGINT",
    "w": "BIGINT",
    "y": "DOUBLE",
    "x": "VARCHAR",
    "t": "VARCHAR",
    "h": "VARCHAR",
    "b": "VARCHAR",
}
NO_OBJECTS = ("changes", "latest")  # tables of the schema `inside` that hold no objects
TYPES = {
    "varchar": "VARCHAR",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "json": "JSON",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
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

    @property
    def views(self) -> dict[str, str]:
        """The statement that creates each public table, by its name, in order."""
        return {_view_name(statement): statement for statement in self.create_views}


def _view_name(statement: str) -> str:
    found = re.search(r"^create view (\w+)", statement, re.MULTILINE)  # a comment may stand before it
    assert found is not None, statement
    return found[1]


@cache
def schema() -> Schema:
    """Return the declared tables, with their columns as DuckDB understands them."""
    text = files("renex_jupyter.store").joinpath("schema.sql").read_text(encoding="utf-8")
    statements = [statement.query.strip() for statement in duckdb.extract_statements(text)]
    tables = tuple(each for each in statements if "create table" in each)
    views = tuple(each for each in statements if "create view" in each)
    kinds = {table.kind: table for table in map(declared, tables) if table.kind not in NO_OBJECTS}
    return Schema(kinds, tables, views)


def declared(statement: str) -> Table:
    """Return the table that a statement declares, as DuckDB would tell it; to ask a database takes 25 ms."""
    found = re.search(r"create table inside\.(\w+)\s*\((.*)\)", re.sub(r"--.*", "", statement), re.DOTALL)
    assert found is not None, statement
    columns = [column.split() for column in found[2].split(",")]
    return Table(found[1], tuple((name.strip('"'), TYPES[type_]) for name, type_ in columns))


def rows_from_changes(table: Table, changes: str) -> str:
    """Return a SELECT that merges changes of one kind into rows: per field, the last change that sets it wins.

    What was deleted stays so: another process may write a change a moment later that does not know of it.

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
        having not bool_or(action = 'delete')"""


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
    """Return a string, a list of strings as a list, or a tuple of them as what follows `in`, as a SQL literal.

    Parameters would do the same, but the first of them loads pandas, which a fold has no use for.
    """
    if isinstance(value, (list, tuple)):
        begin, end = "[]" if isinstance(value, list) else "()"
        return begin + ", ".join(literal(each) for each in value) + end
    text = "'" + str(value).replace("'", "''") + "'"
    return "(" + text.replace("\0", "' || chr(0) || '") + ")" if "\0" in text else text  # else the statement ends there


def among(column: str, texts: Sequence[str]) -> str:
    """Return a condition that a column is one of some texts.

    A few literals tell DuckDB which parts of a file to read, also below an aggregation; to plan with many takes longer
    than the question.
    """
    few = 0 < len(texts) <= FEW
    return f"{column} in {literal(tuple(texts)) if few else f'(select unnest({literal(list(texts))}::varchar[]))'}"


def changes_of(lines: str) -> str:
    """Return a SELECT of the changes in whole lines.

    Parameters
    ----------
    lines : a relation with `name`, the journal file, and `text`, the line.
    """
    return f"""
        select split_part(name, '.', 1) as writer, l.n as seq, l."at" as at_us, l.u as actor, l.a as action, l.t as kind,
               l.i as id, l.ns as namespace, nullif(l.b, 'null'::json) as before, l.d as after
        from (select name, json_transform(text, '{_CHANGE_LINE}') as l from ({lines}))"""


def points_in(paths: list[str], *more: str) -> str:
    """Return a SELECT of `name`, the journal file, and the fields of each line, in order, from files of whole lines.

    Parameters
    ----------
    more : further columns that DuckDB knows of a row, such as `file_index`, the place of its file in `paths`.
    """
    shape = "{" + ", ".join(f"{name}: '{type_}'" for name, type_ in POINT_LINE.items()) + "}"
    return (
        f"select parse_filename(filename) as name, {', '.join((*more, *POINT_LINE))} from read_json({literal(paths)}, "
        f"format = 'newline_delimited', columns = {shape}, ignore_errors = true, filename = true, "
        f"maximum_object_size = {LONGEST_LINE})"
    )


def points_of(lines: str, *more: str) -> str:
    """Return a SELECT of metric points in public columns, after `more` columns, from the fields of their lines."""
    return f"""
        select {"".join(f"{name}, " for name in more)}o as owner_kind, i as owner_id, case when o = 'run' then i end as run_id,
               k as key, s as step,
               make_timestamptz(w) as wallclock, y as value, x as text_value, from_base64(b) as bytes_value, t as dtype,
               h as shape
        from ({lines}) where i is not null and k is not null and s is not null and w is not null"""


def lines_of(points: str, name: str) -> str:
    """Return a SELECT with the columns of a pack, numbered as the lines of the journal file `name`: `points_of` undone."""
    return f"""
        select {literal(name)} as name, row_number() over () - 1 as line, owner_kind as o, owner_id as i, key as k, step as s,
               epoch_us(wallclock) as w, value as y, text_value as x, dtype as t, shape as h, to_base64(bytes_value) as b
        from ({points})"""


def points_of_segments(segments: list[str]) -> str:
    """Return a SELECT of the metric points in segments."""
    return f"select * from read_parquet({literal(segments)})" if segments else NO_POINTS


def latest_of(points: str) -> str:
    """Return a SELECT of what `inside.latest` keeps of metric points in public columns."""
    return merged_latest(
        "select owner_kind, owner_id, key, value, step, wallclock, wallclock as value_at, value as min_value, "
        f"value as max_value, 1 as points from ({points}) where value is not null"
    )


def merged_latest(latest: str) -> str:
    """Return a SELECT of one row per series from several parts of `inside.latest`, whatever the parts and their order.

    Of several values at the highest step, that with the last wallclock counts, and of those the greatest, because
    nothing else is known of them in every part; NaN goes behind the numbers, and is no extreme beside one.
    """
    return f"""
        select owner_kind, owner_id, key,
               arg_max(value, {{step: step, last: value_at, number: not isnan(value), value: value}}) as value,
               max(step) as step, max(wallclock) as wallclock, max({{step: step, last: value_at}})['last'] as value_at,
               min(min_value) as min_value,
               coalesce(max(max_value) filter (where not isnan(max_value)), max(max_value)) as max_value,
               sum(points)::bigint as points
        from ({latest}) group by owner_kind, owner_id, key"""
