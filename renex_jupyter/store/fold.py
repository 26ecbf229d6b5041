"""Folding: sealed journals become the next generation, built beside the one in force and switched by rename.

Whoever has a reason may fold; `fold.lock` lets one do it at a time. No file that somebody else may have open is ever
written: a crash at any point leaves the old or the new generation in force, and garbage that the next fold removes.
Run as `python -m renex_jupyter.store.fold FOLDER` it folds until nothing sealed is left.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

import duckdb

from renex_jupyter.errors import RenexError
from renex_jupyter.store import journal, locks, tables
from renex_jupyter.store.layout import Layout, os_errors, put_in_place, sync_file, write_whole

STORAGE_VERSION = "v1.5.0"
BLOCK = 16384  # bytes: DuckDB's smallest; twenty small tables take 6 MB with its default
CHECKED = ".checked"  # folder of copies without the lines that are damaged
_BOOKS = """
create table inside.segments (name varchar, points bigint);
create table inside.folded (name varchar, lines bigint, bad_lines bigint, folded_at double);
"""


def fold(layout: Layout, *, timeout: float = 30.0) -> int:
    """Fold every sealed journal file that is not yet in the index; return how many.

    Raises
    ------
    RenexError : `locked` when another process folds for longer than `timeout` seconds; `disk_full` and its like.
    """
    with locks.hold(layout.fold_lock, timeout=timeout), os_errors("the journals cannot be folded"):
        before = _usable(layout)
        _remove_garbage(layout, before)
        sealed = _sealed(layout, before)
        if sealed:
            after = _build(layout, before, sealed)
            write_whole(layout.current, after.encode())
        if sealed or not layout.history.exists() or layout.has_moved():
            _publish(layout)
        _drop_superseded(layout)
        return len(sealed)


def is_sound(connection: duckdb.DuckDBPyConnection, database: str) -> bool:
    """Say whether an attached generation holds our tables as plain tables.

    A file that somebody else made could hold views of those names that read other files: it is rebuilt from the
    journal instead, like one that is damaged.
    """
    found = connection.execute(
        "select table_name from duckdb_tables() where database_name = ? and schema_name = 'inside'", [database]
    ).fetchall()
    wanted = {*tables.schema().tables, "changes", "segments", "folded"}
    return wanted <= {name for (name,) in found}


def folded_files(connection: duckdb.DuckDBPyConnection, prefix: str = "") -> set[str]:
    """Return the journal files that a generation holds."""
    return {name for (name,) in connection.execute(f"select name from {prefix}inside.folded").fetchall()}


def _usable(layout: Layout) -> str | None:
    """Return the generation in force, or None when everything must be folded anew."""
    name = layout.generation_in_force()
    if name is None:
        return None
    try:
        with duckdb.connect() as connection:
            path = tables.literal(str(layout.generations / name))
            connection.execute(f"attach {path} as found (read_only)")
            return name if is_sound(connection, "found") else None
    except duckdb.Error:
        return None


def _sealed(layout: Layout, generation: str | None) -> list[Path]:
    done: set[str] = set()
    if generation:
        with _open(layout.generations / generation, read_only=True) as connection:
            done = folded_files(connection)
    waiting = [Path(each.path) for each in journal.files_in(layout.journal) if each.name not in done]
    return [each for each in waiting if not locks.is_held(each)]


def _build(layout: Layout, before: str | None, sealed: list[Path]) -> str:
    """Write the next generation and its segment under temporary names, then give them their names."""
    number = _highest(layout) + 1
    name, segment = f"{number:010d}.duckdb", f"L0-{number:010d}.parquet"
    temporary = layout.generations / f".{name}.tmp"
    if before:
        shutil.copyfile(layout.generations / before, temporary)
    else:
        _create(temporary)
    checked = [_checked(layout, path) for path in sealed]
    with _open(temporary) as connection:
        connection.execute("begin")
        points = [str(path) for path, *_ in checked if path.name.endswith(journal.POINTS)]
        changes = [str(path) for path, *_ in checked if not path.name.endswith(journal.POINTS)]
        if points:
            _write_segment(connection, layout, segment, points)
        if changes:
            _fold_changes(connection, changes)
        for original, (_, lines, bad) in zip(sealed, checked, strict=True):
            connection.execute(
                "insert into inside.folded values (?, ?, ?, ?)", [original.name, lines, bad, time.time()]
            )
        connection.execute("commit")
        connection.execute("checkpoint")
    shutil.rmtree(layout.generations / CHECKED, ignore_errors=True)
    temporary.chmod(0o600)
    sync_file(temporary)
    put_in_place(temporary, layout.generations / name)
    return name


def _checked(layout: Layout, path: Path) -> tuple[Path, int, int]:
    """Return a file with only its whole lines (itself, where all are), how many those are, and how many are not."""
    good: list[bytes] = []
    bad = 0
    with path.open("rb") as lines:
        for line in lines:
            if len(line) <= journal.LONGEST_LINE and journal.line_is_whole(line):
                good.append(line)
            else:
                bad += 1
    if not bad:
        return path, len(good), 0
    copy = layout.generations / CHECKED / path.name  # the name tells the writer
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(b"".join(line.removesuffix(b"\n") + b"\n" for line in good))
    return copy, len(good), bad


def _write_segment(connection: duckdb.DuckDBPyConnection, layout: Layout, name: str, files: list[str]) -> None:
    temporary = layout.segments / f".{name}.tmp"
    row = connection.execute(
        f"copy (select * from ({tables.points_in(files)}) order by owner_id, key, step, wallclock) "
        f"to {tables.literal(str(temporary))} (format parquet, parquet_version v2, compression zstd)"
    ).fetchone()
    temporary.chmod(0o600)
    sync_file(temporary)
    put_in_place(temporary, layout.segments / name)
    connection.execute("insert into inside.segments values (?, ?)", [name, row[0] if row else 0])


def _fold_changes(connection: duckdb.DuckDBPyConnection, files: list[str]) -> None:
    connection.execute(f"create temp table fresh as {tables.changes_in(files)}")
    connection.execute("insert into inside.changes select * from fresh")
    kinds = [kind for (kind,) in connection.execute("select distinct kind from fresh").fetchall()]
    for kind in kinds:
        table = tables.schema().tables.get(kind)
        if table is None:
            continue  # written by a newer program: kept in inside.changes
        ids = f"select id from fresh where kind = {tables.literal(kind)}"
        connection.execute(f"delete from inside.{kind} where {table.key} in ({ids})")
        changes = f"select * from inside.changes where kind = {tables.literal(kind)} and id in ({ids})"
        connection.execute(f"insert into inside.{kind} by name {tables.rows_from_changes(table, changes)}")


def _create(path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"attach {tables.literal(str(path))} as made (storage_version '{STORAGE_VERSION}', block_size {BLOCK})"
        )
        connection.execute("use made")
        connection.execute(f"create schema {tables.INSIDE}")
        connection.execute(_BOOKS)
        for statement in tables.schema().create_tables:
            connection.execute(statement)
        connection.execute("use memory")
        connection.execute("detach made")


def _publish(layout: Layout) -> None:
    """Put a private copy of the generation in place as `history.duckdb`, its views naming segments by absolute path."""
    temporary = layout.root / f".history.{os.getpid()}.tmp"
    generation = layout.generation_in_force()
    if generation:
        shutil.copyfile(layout.generations / generation, temporary)
    else:
        _create(temporary)
    with _open(temporary) as connection:
        segments = [str(layout.segments.resolve() / name) for name in segment_files(connection)]
        connection.execute(f"create view inside.points as {tables.points_of(segments)}")
        for statement in tables.schema().create_views:
            connection.execute(statement)
        connection.execute("checkpoint")
    temporary.chmod(0o400)
    sync_file(temporary)
    # An outside client that opened the old file read-write may have left a log that would keep the new one from opening.
    stray = layout.history.with_name(layout.history.name + ".wal")
    stray.unlink(missing_ok=True)
    put_in_place(temporary, layout.history)
    stray.unlink(missing_ok=True)
    write_whole(layout.published, str(layout.root.resolve()).encode())


def segment_files(connection: duckdb.DuckDBPyConnection, prefix: str = "") -> list[str]:
    """Return the segments that belong to a generation."""
    return [
        name for (name,) in connection.execute(f"select name from {prefix}inside.segments order by name").fetchall()
    ]


def _remove_garbage(layout: Layout, known: str | None) -> None:
    """Remove what an earlier fold that was killed left behind (we hold the lock: nobody is writing it)."""
    shutil.rmtree(layout.generations / CHECKED, ignore_errors=True)
    left = [*layout.generations.glob(".*.tmp*"), *layout.segments.glob(".*.tmp"), *layout.root.glob(".history.*.tmp*")]
    for path in left:
        path.unlink(missing_ok=True)
    for path in layout.generations.glob("*.duckdb"):
        if path.name > (known or "9") and path.name != known:  # built, but never switched to
            path.unlink()


def _highest(layout: Layout) -> int:
    """Return the highest number that a generation or a segment bears, so that no name is given twice."""
    names = [*layout.generations.glob("*.duckdb"), *layout.segments.glob("L0-*.parquet")]
    return max((int(path.stem.removeprefix("L0-")) for path in names), default=0)


def _drop_superseded(layout: Layout) -> None:
    """Remove all generations but the one in force and the one before it.

    A reader that comes too late for one finds everything in the journal, or the new one at its next question.
    """
    known = layout.generation_in_force() or ""
    for path in sorted(path for path in layout.generations.glob("*.duckdb") if path.name < known)[:-1]:
        with suppress(PermissionError):  # Windows keeps what is open
            path.unlink(missing_ok=True)


def _open(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path), read_only=read_only, config={"threads": 1})
    connection.execute("set TimeZone = 'UTC'")
    return connection


def main(folder: str) -> None:
    """Fold until nothing sealed is left; a failure is left behind in `fold.error`, for `renex doctor` to tell."""
    layout = Layout(Path(folder))
    try:
        while fold(layout):
            pass
        layout.fold_error.unlink(missing_ok=True)
    except (RenexError, duckdb.Error, OSError) as error:
        if isinstance(error, RenexError) and error.code == "locked":  # somebody else is at it
            return
        with suppress(OSError):
            layout.fold_error.write_text(f"{error}\n")
        raise


if __name__ == "__main__":
    main(sys.argv[1])
