"""The tail: what the journals hold that no generation has yet, in the memory of one reader.

Each line is read once: its CRC is checked, and only the bytes that were appended since are looked at next time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from renex_jupyter.store import archive, lines, tables
from renex_jupyter.store.format import GONE, POINTS
from renex_jupyter.store.scratch import scratch_folder

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


@dataclass(frozen=True, slots=True)
class _New:
    """What a file has that was not read before."""

    path: Path
    lines: list[bytes] | None  # None: all that is in it, which was found whole
    position: _Position

    @property
    def holds_points(self) -> bool:
        return _holds_points(self.path.name)


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
        if not gone and not grown:
            self.forgot = False
            return frozenset(), False
        new = [self._read(entry, anew=entry.name in gone) for entry in grown]
        self._connection.execute("begin")  # a file may vanish at any moment: then nothing is taken
        try:
            kinds = self._forget(gone) | self._take_changes([each for each in new if not each.holds_points])
            points = self._take_points([each for each in new if each.holds_points])
        except BaseException:
            with suppress(duckdb.Error):
                self._connection.execute("rollback")
            raise
        self._connection.execute("commit")
        self.forgot = bool(gone)
        kept = {name: position for name, position in self._positions.items() if name not in gone}
        self._positions = kept | {each.path.name: each.position for each in new}
        return frozenset(kinds), points or any(_holds_points(name) for name in gone)

    def _has_grown(self, entry: os.DirEntry[str]) -> bool:
        known = self._positions.get(entry.name)
        return known is None or known.size != entry.stat().st_size

    def _continues(self, entry: os.DirEntry[str]) -> bool:
        """Say whether what was read of a file still stands there: a CRC in the same place is of the same lines."""
        known = self._positions[entry.name]
        return entry.stat().st_size >= known.end and _before(Path(entry.path), known.end) == known.last

    def _read(self, entry: os.DirEntry[str], *, anew: bool) -> _New:
        """Return what was appended since the last time, or all that a file holds.

        A file of points that is new and that its end line tells to be whole is read by DuckDB itself.
        """
        path = Path(entry.path)
        known = None if anew else self._positions.get(entry.name)
        if known is None and _holds_points(entry.name) and lines.count_if_whole(path):
            size = path.stat().st_size  # not what the entry remembers: it may have been ended since
            return _New(path, None, _Position(size, size, _before(path, size)))
        part = lines.read_part(path, known.end if known else 0)
        size = max(entry.stat().st_size, part.end)  # what was appended since the listing is read next time
        return _New(path, part.lines, _Position(part.end, size, _before(path, part.end)))

    def _forget(self, names: Iterable[str]) -> set[str]:
        """Drop the rows of some files, and return the kinds of their changes."""
        gone = list(names)
        kinds: set[str] = set()
        for table in {"points" if _holds_points(name) else "changes" for name in gone}:
            if table == "changes":
                kinds |= self._kinds("name in (select unnest($gone::varchar[]))", {"gone": gone})
            kept = f"select * from tail.{table} where name not in (select unnest($gone::varchar[]))"
            self._connection.execute(f"create or replace table tail.{table} as {kept}", {"gone": gone})
        return kinds

    def _kinds(self, condition: str, params: dict[str, object]) -> set[str]:
        query = f"select distinct kind from tail.changes where kind is not null and {condition}"
        return {kind for (kind,) in self._connection.execute(query, params).fetchall()}

    def _take_changes(self, files: list[_New]) -> set[str]:
        """Take the changes in new lines, and return their kinds."""
        new = [(each.path.name, each.lines) for each in files if each.lines]
        if not new:
            return set()
        (before,) = self._connection.execute("select count(*) from tail.changes").fetchone() or (0,)
        for name, found in new:
            texts = [line.decode("utf-8", "replace") for line in found if not line.startswith(GONE)]
            source = tables.changes_of("select $name as name, unnest($texts::varchar[]) as text")
            self._connection.execute(
                f"insert into tail.changes select $name, * from ({source})", {"name": name, "texts": texts}
            )
        return self._kinds("rowid >= $before", {"before": before})  # no row is ever deleted in place

    def _take_points(self, files: list[_New]) -> bool:
        """Hand the lines to DuckDB's own JSON reader, through files that bear the journals' names; say if there are any."""
        new = [each for each in files if each.lines is None or each.lines]
        if not new:
            return False
        with scratch_folder() as folder:
            paths = []
            for each in new:
                path = each.path
                if each.lines is not None:
                    path = folder / path.name
                    path.write_bytes(b"\n".join(each.lines) + b"\n")
                paths.append(str(path))
            self._connection.execute(f"insert into tail.points {tables.points_of(tables.points_in(paths), 'name')}")
        return True


def _holds_points(name: str) -> bool:
    return name.endswith(POINTS)


def _before(path: Path, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, end - 32))
        return file.read(min(32, end))
