"""The lines of sealed journals on their way into the archive and the index: loaded, numbered, and checked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb

from renex_jupyter.errors import RenexError
from renex_jupyter.store import archive, journal, lines, tables


@dataclass(frozen=True, slots=True)
class Checked:
    """A journal file whose CRCs were checked."""

    name: str
    lines: int  # whole
    bad: int  # damaged or torn
    path: Path  # of a file with only the whole lines: itself, or a copy


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

        DuckDB reads a file while a second thread checks its CRCs; the few that are damaged are read again without the
        damage.

        Raises
        ------
        RenexError : `corrupt` when a line is whole, but is not what a journal holds.
        """
        result = []
        with ThreadPoolExecutor(1) as other:
            for path, checking in [(path, other.submit(self._check, path)) for path in paths]:
                loaded = self._load(path)
                checked = checking.result()
                if checked.path != path:
                    self._connection.execute(
                        f"delete from scratch.{_table(path)} where name = {tables.literal(path.name)}"
                    )
                    loaded = self._load(checked.path)
                if loaded != checked.lines:
                    hint = "Was it written by a newer version? Upgrade with: pip install -U renex_jupyter"
                    raise RenexError("corrupt", f"{path} has {checked.lines - loaded} lines that are no records.", hint)
                result.append(checked)
        return result

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
            return Checked(path.name, count, 0, path)
        part = lines.read_part(path)
        bad = part.bad + part.torn + part.missing
        if not bad and not part.blank:
            return Checked(path.name, len(part.lines), 0, path)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        copy = self._folder / path.name  # the name tells the writer
        copy.write_bytes(b"".join(line + b"\n" for line in part.lines))
        return Checked(path.name, len(part.lines), bad, copy)

    def _load(self, path: Path) -> int:
        """Load all lines of one file in order and return how many; damage must not keep the others from loading."""
        try:
            query = _points_in(path) if _table(path) == "points" else _changes_in(path)
            row = self._connection.execute(f"insert into scratch.{_table(path)} {query}").fetchone()
        except duckdb.InvalidInputException:  # bytes that are no text; the copy without them follows
            return -1
        return int(row[0]) if row else 0


def _table(path: Path) -> str:
    return "points" if path.name.endswith(journal.POINTS) else "changes"


def _points_in(path: Path) -> str:
    return f"""
        select name, row_number() over () - 1 as line, {", ".join(tables.POINT_LINE)} from ({tables.points_in([str(path)])})
        where i is not null and k is not null and s is not null and w is not null"""


def _changes_in(path: Path) -> str:
    return f"""
        select {tables.literal(path.name)} as name, unnest(range(len(l))) as line, unnest(l) as text
        from (select list_filter(string_split(content, chr(10)), lambda t: t <> '' and t not like '{journal.END.decode()}%') as l
              from read_text({tables.literal(str(path))}))"""
