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

from renex_jupyter.store import archive, lines, tables
from renex_jupyter.store.format import GONE, POINTS

TABLES = f"""
create schema tail;
create table tail.changes as select null::varchar as name, * from ({tables.changes_of(archive.NO_CHANGES)}) where false;
create table tail.points as {tables.points_of(archive.NO_POINTS, "name")};
"""


@dataclass(slots=True)
class _Position:
    """How far a journal file was read."""

    end: int  # bytes
    size: int  # bytes, when it was looked at
    last: bytes  # what stands before `end`: the CRC of the last line that was read


class Tail:
    """The tables `tail.changes` and `tail.points` of a reader's connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._positions: dict[str, _Position] = {}
        self.forgot = False  # whether the last update dropped rows
        connection.execute(TABLES)

    def update(self, files: Iterable[os.DirEntry[str]]) -> tuple[frozenset[str], bool]:
        """Read what was appended to some journal files, and forget all others.

        A file that no longer holds what was read of it, because its writer took a part of a write back, is read anew.

        Returns
        -------
        the kinds of the changes, and whether there are points, that are new or gone; `forgot` says whether some are gone.

        Raises
        ------
        FileNotFoundError : a file was folded and removed meanwhile.
        """
        found = {entry.name: entry for entry in files}
        grown = [entry for entry in found.values() if self._has_grown(entry)]
        gone = self._positions.keys() - found.keys()
        gone |= {entry.name for entry in grown if entry.name in self._positions and not self._continues(entry)}
        # All that a file may be asked for, before anything is taken: one that vanished must leave nothing half done.
        read = {entry.name: self._read(entry, 0 if entry.name in gone else None) for entry in grown}
        kinds = self._forget(gone)
        changes = {name: found for name, (found, _) in read.items() if not _holds_points(name) and found}
        points = {name: found for name, (found, _) in read.items() if _holds_points(name) and found}
        if changes:
            kinds |= self._take_changes(changes)
        if points:
            self._take_points(points)
        self._positions |= {name: position for name, (_, position) in read.items()}
        return frozenset(kinds), bool(points) or any(_holds_points(name) for name in gone)

    def _has_grown(self, entry: os.DirEntry[str]) -> bool:
        known = self._positions.get(entry.name)
        return known is None or known.size != entry.stat().st_size

    def _continues(self, entry: os.DirEntry[str]) -> bool:
        """Say whether what was read of a file still stands there: a CRC in the same place is of the same lines."""
        known = self._positions[entry.name]
        return entry.stat().st_size >= known.end and _before(Path(entry.path), known.end) == known.last

    def _read(self, entry: os.DirEntry[str], start: int | None) -> tuple[list[bytes], _Position]:
        """Return the lines that were appended since the last time, or from `start` on, and how far that is."""
        known = self._positions.get(entry.name)
        path = Path(entry.path)
        part = lines.read_part(path, start if start is not None else known.end if known else 0)
        size = max(entry.stat().st_size, part.end)  # it may have grown since it was listed
        return part.lines, _Position(part.end, size, _before(path, part.end))

    def _forget(self, names: Iterable[str]) -> set[str]:
        """Drop the rows of some files, and return the kinds of their changes."""
        gone = list(names)
        kinds: set[str] = set()
        for table in {"points" if _holds_points(name) else "changes" for name in gone}:
            if table == "changes":
                kinds |= self._kinds("name in (select unnest($gone::varchar[]))", {"gone": gone})
            kept = f"select * from tail.{table} where name not in (select unnest($gone::varchar[]))"
            self._connection.execute(f"create or replace table tail.{table} as {kept}", {"gone": gone})
        for name in gone:
            del self._positions[name]
        self.forgot = bool(gone)
        return kinds

    def _kinds(self, condition: str, params: dict[str, object]) -> set[str]:
        query = f"select distinct kind from tail.changes where kind is not null and {condition}"
        return {kind for (kind,) in self._connection.execute(query, params).fetchall()}

    def _take_changes(self, parts: dict[str, list[bytes]]) -> set[str]:
        """Take the changes in new lines, and return their kinds."""
        (before,) = self._connection.execute("select count(*) from tail.changes").fetchone() or (0,)
        for name, found in parts.items():
            texts = [line.decode("utf-8", "replace") for line in found if not line.startswith(GONE)]
            source = tables.changes_of("select $name as name, unnest($texts::varchar[]) as text")
            self._connection.execute(
                f"insert into tail.changes select $name, * from ({source})", {"name": name, "texts": texts}
            )
        return self._kinds("rowid >= $before", {"before": before})  # no row is ever deleted in place

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
    return name.endswith(POINTS)


def _before(path: Path, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, end - 32))
        return file.read(min(32, end))
