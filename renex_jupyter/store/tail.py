"""The tail: what the journals hold that no generation has yet, in the memory of one reader.

Each line is read once: its CRC is checked, and only the bytes that were appended since are looked at next time.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from renex_jupyter.store import archive, journal, lines, tables

TABLES = f"""
create schema tail;
create table tail.changes as select null::varchar as name, * from ({tables.changes_of(archive.NO_CHANGES)}) where false;
create table tail.points as {tables.points_of(archive.NO_POINTS, "name")};
"""


@dataclass(slots=True)
class _Position:
    """How far a journal file was read."""

    end: int = 0  # bytes
    size: int = -1  # bytes, when it was looked at


class Tail:
    """The tables `tail.changes` and `tail.points` of a reader's connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._positions: dict[str, _Position] = {}
        connection.execute(TABLES)

    def update(self, files: Iterable[os.DirEntry[str]]) -> tuple[bool, bool]:
        """Read what was appended to some journal files, and forget all others.

        Returns
        -------
        whether there is something new, or something gone, of changes and of points.

        Raises
        ------
        FileNotFoundError : a file was folded and removed meanwhile.
        """
        found = {entry.name: entry for entry in files}
        gone = self._positions.keys() - found.keys()
        grown = [entry for entry in found.values() if self._has_grown(entry)]
        self._forget(gone)
        parts = {entry.name: (entry.stat().st_size, self._part(entry)) for entry in grown}
        changes = {name: part.lines for name, (_, part) in parts.items() if not _holds_points(name) and part.lines}
        points = {name: part.lines for name, (_, part) in parts.items() if _holds_points(name) and part.lines}
        if changes:
            self._take_changes(changes)
        if points:
            self._take_points(points)
        for name, (size, part) in parts.items():
            self._positions[name] = _Position(part.end, size)
        return (
            bool(changes) or any(not _holds_points(name) for name in gone),
            bool(points) or any(_holds_points(name) for name in gone),
        )

    def _has_grown(self, entry: os.DirEntry[str]) -> bool:
        known = self._positions.get(entry.name)
        return known is None or known.size != entry.stat().st_size

    def _part(self, entry: os.DirEntry[str]) -> lines.Part:
        known = self._positions.get(entry.name)
        return lines.read_part(Path(entry.path), known.end if known else 0)

    def _forget(self, names: Iterable[str]) -> None:
        gone = list(names)
        for table in {"points" if _holds_points(name) else "changes" for name in gone}:
            kept = f"select * from tail.{table} where name not in (select unnest($gone::varchar[]))"
            self._connection.execute(f"create or replace table tail.{table} as {kept}", {"gone": gone})
        for name in gone:
            del self._positions[name]

    def _take_changes(self, parts: dict[str, list[bytes]]) -> None:
        for name, found in parts.items():
            texts = [line.decode("utf-8", "replace") for line in found if not line.startswith(journal.GONE)]
            source = tables.changes_of("select $name as name, unnest($texts::varchar[]) as text")
            self._connection.execute(
                f"insert into tail.changes select $name, * from ({source})", {"name": name, "texts": texts}
            )

    def _take_points(self, parts: dict[str, list[bytes]]) -> None:
        """Hand the lines to DuckDB's own JSON reader, through files that bear the journals' names."""
        with tempfile.TemporaryDirectory(prefix="renex-") as folder:
            paths = []
            for name, found in parts.items():
                path = Path(folder) / name
                path.write_bytes(b"\n".join(found) + b"\n")
                paths.append(str(path))
            self._connection.execute(f"insert into tail.points {tables.points_of(tables.points_in(paths), 'name')}")


def _holds_points(name: str) -> bool:
    return name.endswith(journal.POINTS)
