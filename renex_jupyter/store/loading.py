"""The lines of sealed journals on their way into the archive and the index: loaded, numbered, and checked."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import duckdb

from renex_jupyter.errors import RenexError
from renex_jupyter.store import archive, lines, tables
from renex_jupyter.store.format import END, GONE, POINTS


@dataclass(frozen=True, slots=True)
class Checked:
    """A journal file whose CRCs were checked."""

    name: str
    lines: int  # whole or gone
    bad: int  # damaged or torn
    path: Path  # of a file with only the whole lines: itself, or a copy
    ends: int = 0  # end lines in that file
    gone: int = 0  # lines of which only the place is left


class Fresh:
    """The tables `scratch.changes` and `scratch.points`, in memory, with the columns of the packs.

    Parameters
    ----------
    folder : for copies of files without the lines that are damaged.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        connection.execute("attach if not exists ':memory:' as scratch")
        connection.execute(f"create or replace table scratch.changes as {archive.NO_CHANGES}")
        connection.execute(f"create or replace table scratch.points as {archive.NO_POINTS}")

    def read(self, paths: list[Path]) -> list[Checked]:
        """Load the whole lines of journal files.

        Raises
        ------
        RenexError : `corrupt` when a line is whole, but is not what a journal holds.
        """
        checked = [self._check(path) for path in paths]
        for points in (True, False):
            chosen = [each for each in checked if each.lines and each.name.endswith(POINTS) == points]
            if chosen:
                self._load(chosen, "points" if points else "changes")
        return checked

    def sift(self, packs: list[Path]) -> None:
        """Drop what lies in some packs already."""
        known = f"select split_part(name, '.', 1), json_extract(text, '$.n')::bigint from ({archive.changes_in(packs)})"
        number = "(split_part(name, '.', 1), json_extract(text, '$.n')::bigint)"
        self._connection.execute(f"delete from scratch.changes where {number} in ({known})")
        names = "name in (select distinct name from scratch.points)"
        known = f"select name, line from ({archive.points_in(packs)}) where {names}"
        self._connection.execute(f"delete from scratch.points where (name, line) in ({known})")

    def per_journal(self) -> dict[str, int]:
        """Return how many lines are loaded, by journal file."""
        names = "select name from scratch.changes union all select name from scratch.points"
        return dict(self._connection.execute(f"select name, count(*) from ({names}) group by name").fetchall())

    def empty(self) -> None:
        """Forget the lines that are loaded."""
        self._connection.execute("truncate scratch.changes; truncate scratch.points")

    def take(self, changes: str, points: str) -> None:
        """Load lines from elsewhere, given as relations with the columns of the packs."""
        self._connection.execute(f"insert into scratch.changes from ({changes})")
        self._connection.execute(f"insert into scratch.points from ({points})")

    def counts(self) -> tuple[int, int]:
        """Return how many lines of changes and of points are loaded."""
        changes = self._connection.execute("select count(*) from scratch.changes").fetchone()
        points = self._connection.execute("select count(*) from scratch.points").fetchone()
        return (changes or (0,))[0], (points or (0,))[0]

    def _check(self, path: Path) -> Checked:
        count = lines.count_if_whole(path)
        if count is not None:
            return Checked(path.name, count, 0, path, 1)
        part = lines.read_part(path)
        bad = part.bad + part.torn + part.missing
        found = lines.placed(path)
        gone = sum(line.startswith(GONE) for line in found)
        if not bad and not part.blank and not part.ended:
            return Checked(path.name, len(found), 0, path, gone=gone)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        copy = self._folder / path.name  # the name tells the writer
        copy.write_bytes(b"".join(line + b"\n" for line in found))
        return Checked(path.name, len(found), bad, copy, gone=gone)

    def _load(self, files: list[Checked], table: str) -> None:
        """Load all lines of some files with one statement, which is twice as fast as one for each."""
        query = _points_in(files) if table == "points" else _changes_in(files)
        row = self._connection.execute(f"insert into scratch.{table} {query}").fetchone()
        wanted, loaded = sum(each.lines - each.gone for each in files), int(row[0]) if row else 0
        if loaded != wanted:
            names = ", ".join(each.name for each in files[:3])
            hint = "Was it written by a newer version? Upgrade with: pip install -U renex_jupyter"
            raise RenexError("corrupt", f"{wanted - loaded} lines are no records in {names} or files after them.", hint)


def _points_in(files: list[Checked]) -> str:
    """Return a SELECT of the points in files; DuckDB reads them in order, and so their rows can be counted."""
    first = [0, *itertools.accumulate(each.lines + each.ends for each in files)][:-1]
    return f"""
        select name, row - ({first}::bigint[])[file + 1] as line, {", ".join(tables.POINT_LINE)}
        from (
            select *, row_number() over () - 1 as row
            from ({tables.points_in([str(each.path) for each in files], "file_index::bigint as file")})
        ) where i is not null and k is not null and s is not null and w is not null"""


def _changes_in(files: list[Checked]) -> str:
    return f"""
        select name, unnest(range(len(l))) as line, unnest(l) as text
        from (select parse_filename(filename) as name, list_filter(string_split(content, chr(10)),
                     lambda t: t <> '' and t not like '{END.decode()}%' and t not like '{GONE.decode()}%') as l
              from read_text({tables.literal([str(each.path) for each in files])}))"""
