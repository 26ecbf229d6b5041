"""The archive: the lines of folded journals, kept for ever in packs, from which everything else can be made again.

A pack of changes holds the lines as they were written, a pack of points their fields. Each line bears the name of its
journal file and its number among the whole lines there: by these two, two stores know that they mean the same point.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from renex_jupyter.store import parquet, tables
from renex_jupyter.store.layout import Layout

CHANGES, POINTS = ".changes", ".points"
JOURNAL_FILE = re.compile(r"[\w-]{1,100}\.\d{6,12}(\.points)?\.jsonl")
_CHANGE_FIELDS = ("name", "line", "text")
_POINT_FIELDS = ("name", "line", *tables.POINT_LINE)
NO_CHANGES = "select null::varchar as name, null::bigint as line, null::varchar as text where false"
NO_POINTS = (
    "select null::varchar as name, null::bigint as line, "
    + ", ".join(f"null::{type_} as {field}" for field, type_ in tables.POINT_LINE.items())
    + " where false"
)


def packs_in(layout: Layout) -> list[Path]:
    """Return every pack that lies in the archive, those of a fold that was killed among them."""
    return [*parquet.files_in(layout.archive, CHANGES), *parquet.files_in(layout.archive, POINTS)]


def changes_in(packs: list[Path]) -> str:
    """Return a SELECT of name, line, text of packs of changes."""
    chosen = [str(path) for path in packs if kind_of(path.name) == CHANGES]
    return f"select {', '.join(_CHANGE_FIELDS)} from read_parquet({tables.literal(chosen)})" if chosen else NO_CHANGES


def points_in(packs: list[Path]) -> str:
    """Return a SELECT of name, line and the fields of packs of points."""
    chosen = [str(path) for path in packs if kind_of(path.name) == POINTS]
    return f"select {', '.join(_POINT_FIELDS)} from read_parquet({tables.literal(chosen)})" if chosen else NO_POINTS


def once(lines: str) -> str:
    """Return the same relation, each line once: what lies in an old pack and in the one it was merged into is one."""
    return f"select distinct on (name, line) * from ({lines})"


def journals_in(connection: duckdb.DuckDBPyConnection, packs: list[Path]) -> set[str]:
    """Return the names of the journal files whose lines are in some packs."""
    parts = [f"select name from ({read(packs)})" for read in (changes_in, points_in)]
    return {
        name for (name,) in connection.execute(f"select distinct name from ({' union all '.join(parts)})").fetchall()
    }


def kind_of(name: str) -> str:
    """Return what a pack of this name holds, CHANGES or POINTS; "" for a name that is no pack's."""
    found = parquet.parse(name)
    return found.kind if found else ""
