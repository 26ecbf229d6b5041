"""Rebuilding: segments and generation are made again, and what is damaged on one side is mended from the other.

The index is made from the archive. A pack that is damaged is made again from the index, if that is sound; else it is
set aside, and what it held is lost.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import duckdb

from renex_jupyter.records.changes import to_json
from renex_jupyter.records.keeping import Rebuilt
from renex_jupyter.store import archive, generation, parquet, sweep, tables
from renex_jupyter.store.building import Building
from renex_jupyter.store.fold import finish, folding, sealed_files, switch
from renex_jupyter.store.journal import seal_line
from renex_jupyter.store.layout import FORMAT, Layout

SALVAGED_POINTS = "salvaged-"  # what the name of a journal file begins with for points that were made again
SALVAGED = "900000"  # stands for the number of the journal file in the name of lines that were made again


def rebuild(layout: Layout) -> Rebuilt:
    """Make the index anew; the one in force stays until the new one is whole.

    Raises
    ------
    RenexError : `locked` while another process folds, `disk_full` and its like; nothing is changed then.
    """
    began = time.monotonic()
    with folding(layout), tempfile.TemporaryDirectory(prefix="renex-") as folder:
        before = generation.usable(layout)
        packs = _packs(layout, before)
        whole = [path for path in packs if parquet.is_whole(path)]
        damaged = [path for path in packs if path not in whole]
        sealed = sealed_files(layout, before)
        lost = _salvage(layout, before, whole, Path(folder)) if damaged and before else None
        salvaged = 0

        def take(building: Building) -> None:
            nonlocal salvaged
            building.take_packs(whole, overlap=before is None)
            salvaged = sum(building.take_lines(*lost)) if lost else 0
            building.take_journals(sealed, known=whole)

        made = switch(layout, None, take)
        for path in damaged:
            sweep.set_aside(layout, path)
        finish(layout, changed=True)
        return _counted(layout, made, time.monotonic() - began, salvaged, tuple(path.name for path in damaged))


def _packs(layout: Layout, before: str | None) -> list[Path]:
    """Return the packs that belong to the store: those in the books, else all that lie in the archive."""
    if before is None:
        return archive.packs_in(layout)
    with generation.connect(layout.generations / before, read_only=True) as connection:
        return [layout.archive / name for name in generation.books(connection).packs]


def _salvage(layout: Layout, before: str, whole: list[Path], folder: Path) -> tuple[str, str]:
    """Return, as relations with the columns of the packs, the lines that only damaged packs held, made from the index."""
    changes, points = folder / "changes.parquet", folder / "points.parquet"
    with generation.connect(layout.generations / before, read_only=True) as connection:
        known = f"select writer, seq from ({tables.changes_of(archive.changes_in(whole))})"
        rows = connection.execute(f"from inside.changes anti join ({known}) using (writer, seq)").fetchall()
        lines = [(f"{row[0]}.{SALVAGED}.jsonl", row[1], _line(*row[1:])) for row in rows]
        connection.execute("create temp table lines (name varchar, line bigint, text varchar)")
        if lines:
            columns = [list(column) for column in zip(*lines, strict=True)]
            connection.execute("insert into lines select unnest(?), unnest(?), unnest(?)", columns)
        _copy(connection, "from lines", changes)
        segments = [str(layout.segments / name) for name in generation.books(connection).segments]
        indexed, packed = tables.points_of_segments(segments), tables.points_of(archive.points_in(whole))
        name = f"{SALVAGED_POINTS}{before.partition('.')[0]}.{SALVAGED}.points.jsonl"
        missing = f"from ({_told_apart(indexed)}) anti join ({_told_apart(packed)}) using (content, nth)"
        _copy(connection, tables.lines_of(missing, name), points)
    read = "select * from read_parquet({})"
    return read.format(tables.literal(str(changes))), read.format(tables.literal(str(points)))


def _line(
    seq: int,
    at: int,
    actor: str,
    action: str,
    kind: str,
    id_: str,
    namespace: str | None,
    before: str | None,
    after: str,
) -> str:
    """Return a change as the journal writes it; what it sets is JSON already."""
    fields = {"v": FORMAT, "n": seq, "at": at, "u": actor, "a": action, "t": kind, "i": id_, "ns": namespace}
    body = f'{to_json(fields)[:-1]},"b":{before or "null"},"d":{after}}}'
    return seal_line(body).decode().rstrip("\n")


def _told_apart(points: str) -> str:
    """Return points with their content as text, in which 0.0 is not -0.0, and their number among equal ones."""
    return f"""
        select *, row_number() over (partition by content) as nth
        from (select *, concat_ws(' ', to_json(t)::varchar, value::varchar) as content from ({points}) t)"""


def _copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    connection.execute(f"copy ({query}) to {tables.literal(str(path))} (format parquet)")


def _counted(layout: Layout, made: str, seconds: float, salvaged: int, damaged: tuple[str, ...]) -> Rebuilt:
    with generation.connect(layout.generations / made, read_only=True) as connection:
        books = generation.books(connection)
        row = connection.execute(
            "select (select count(*) from inside.folded), (select count(*) from inside.changes)"
        ).fetchone()
    journals, changes = row or (0, 0)
    points = sum(books.segments.values())
    return Rebuilt(journals, changes, points, len(books.segments), seconds, salvaged, damaged)
