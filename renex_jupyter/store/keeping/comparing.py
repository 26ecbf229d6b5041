"""The index against the archive: does a generation say what its packs say?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb

from renex_jupyter.store import archive, sample_rows, tables
from renex_jupyter.store.generation import Books
from renex_jupyter.store.layout import Layout

_SUMMED_UP = "owner_kind, owner_id, key, value, step, wallclock, value_at, min_value, max_value, points"


def differences(connection: duckdb.DuckDBPyConnection, layout: Layout, books: Books) -> Iterator[str]:
    """Yield in what the generation that is open differs from its packs and segments, all of which must be whole."""
    packs = [layout.archive / name for name in books.packs]
    yield from _changes(connection, packs)
    yield from _points(connection, layout, packs, books)
    yield from _rows(connection)
    yield from _counts(connection, packs)


def differences_of_published(published: duckdb.DuckDBPyConnection, generation: Path) -> Iterator[str]:
    """Yield in what a published database, which is open, differs from the generation that it is a copy of.

    Tables that somebody added to it are not compared, and every public view is asked for all of its rows.
    """
    published.execute(f"attach {tables.literal(str(generation))} as original (read_only)")
    for (table,) in published.execute(
        "select table_name from duckdb_tables() where database_name = 'original' and schema_name = 'inside'"
    ).fetchall():
        try:
            same = _sums(published, f"from inside.{table}") == _sums(published, f"from original.inside.{table}")
        except duckdb.CatalogException:
            same = False
        if not same:
            yield f"its table {table} differs from the index"
    for view in tables.schema().views:
        try:
            if view in sample_rows.KINDS:  # contents are verified by themselves
                published.execute(f'from "{view}" limit 0')
            else:
                _sums(published, f'from "{view}"')
        except duckdb.CatalogException:
            yield f"its view {view} is missing"
        except duckdb.IOException:
            yield f"its view {view} names a content that is gone"


def _changes(connection: duckdb.DuckDBPyConnection, packs: list[Path]) -> Iterator[str]:
    kept, indexed = (
        _sums(connection, tables.changes_of(archive.changes_in(packs))),
        _sums(connection, "from inside.changes"),
    )
    if kept != indexed:
        yield f"its changes differ from the archive: {indexed[0]:,} here, {kept[0]:,} there"


def _points(connection: duckdb.DuckDBPyConnection, layout: Layout, packs: list[Path], books: Books) -> Iterator[str]:
    segments = tables.points_of_segments([str(layout.segments / name) for name in books.segments])
    kept, indexed = _sums(connection, tables.points_of(archive.points_in(packs))), _sums(connection, segments)
    if kept != indexed:
        yield f"its points differ from the archive: {indexed[0]:,} here, {kept[0]:,} there"
    latest = f"select {_SUMMED_UP} from ({tables.latest_of(segments)})"
    if _sums(connection, latest) != _sums(connection, f"select {_SUMMED_UP} from inside.latest"):
        yield "the last values of its series differ from its points"


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Make the rows of every table anew from the changes."""
    for kind, table in tables.schema().tables.items():
        changes = f"select * from inside.changes where kind = {tables.literal(kind)}"
        names = ", ".join(name for name, _ in table.columns)
        made = f"select {names} from ({tables.rows_from_changes(table, changes)})"
        if _sums(connection, made) != _sums(connection, f"select {names} from inside.{kind}"):
            yield f"its table {kind} differs from its changes"


def _counts(connection: duckdb.DuckDBPyConnection, packs: list[Path]) -> Iterator[str]:
    """Compare the number of lines of each journal file with what was counted when it was folded."""
    lines = f"select name from ({archive.changes_in(packs)}) union all select name from ({archive.points_in(packs)})"
    query = f"""
        select f.name, f.lines, coalesce(p.lines, 0) from inside.folded f
        left join (select name, count(*) as lines from ({lines}) group by name) p using (name)
        where f.lines <> coalesce(p.lines, 0) order by f.name"""
    for name, counted, kept in connection.execute(query).fetchall():
        yield f"of {name}, {counted:,} lines were folded and {kept:,} are in the archive"


def _sums(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, object]:
    """Return the number of rows and a sum that tells two sets of rows apart, whatever their order."""
    row = connection.execute(f"select count(*), sum(hash(r)::hugeint) from ({query}) as r").fetchone()
    return row or (0, None)
