"""The next generation while it is built: under a temporary name, beside the one in force, out of everybody's sight."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Self
from uuid import uuid4

import duckdb

from renex_jupyter.errors import RenexError
from renex_jupyter.store import archive, generation, parquet, tables
from renex_jupyter.store.layout import Layout, put_in_place, sync_file
from renex_jupyter.store.loading import Fresh
from renex_jupyter.store.sharing import share

_SORTED = "owner_kind, owner_id, key, step, wallclock"
_IN_ORDER = "order by o, i, k, s, w"  # the same of lines
_SERIES = ("o", "i", "k")  # fields of a line that tell its series
_FEW_SERIES = 10_000


class Unsound(Exception):
    """A file of the index has not the content that it had: the index must be made again."""


class Building:
    """A generation to be: the one before, or nothing, and what is taken into it; `finish` gives it its name."""

    def __init__(self, layout: Layout, before: str | None) -> None:
        self.layout = layout
        self.number = highest(layout) + 1
        # A name of its own: DuckDB may still hold the file of a try that was interrupted, and would wait for it.
        self._temporary = layout.generations / f".{self.number:010d}.{uuid4().hex[:8]}.duckdb.tmp"
        self._copies = layout.generations / f".{self.number:010d}.checked.tmp"
        if before:
            shutil.copyfile(layout.generations / before, self._temporary)
        self.connection = generation.connect(self._temporary)
        self._fresh = Fresh(self.connection.cursor(), self._copies)  # a transaction writes into one database only

    def __enter__(self) -> Self:
        self.connection.execute("begin")
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if failed:
            _interrupt(self.connection)  # it may have left a query unfinished, and closing would wait for that
        self.connection.close()
        shutil.rmtree(self._copies, ignore_errors=True)
        self._temporary.unlink(missing_ok=True)

    def take_journals(self, paths: list[Path], *, known: list[Path] | None = None) -> None:
        """Take the whole lines of sealed journal files.

        Parameters
        ----------
        known : packs in which some of these lines lie already.
        """
        checked = self._fresh.read(paths)
        if known:
            self._fresh.sift(known)
        found = self._fresh.per_journal() if known else {each.name: each.lines - each.gone for each in checked}
        for each in checked:
            name = tables.literal(each.name)
            lines = found.get(each.name, 0)
            if known:
                row = self.connection.execute(
                    f"delete from inside.folded where name = {name} returning lines"
                ).fetchone()
                lines += row[0] if row else 0
            self.connection.execute(f"insert into inside.folded values ({name}, {lines}, {each.bad}, {time.time()})")
        self._absorb()

    def take_lines(self, changes: str, points: str) -> tuple[int, int]:
        """Take lines that come from elsewhere and are not known here yet; return how many of each.

        Parameters
        ----------
        changes, points : relations with the columns of the packs (see `archive`).
        """
        self._fresh.take(changes, points)
        found = ", ".join(f"({tables.literal(name)}, {lines})" for name, lines in self._fresh.per_journal().items())
        if found:  # a journal that is folded gets lines that were damaged in it
            self.connection.execute(f"""
                update inside.folded as f set lines = f.lines + n.lines
                from (values {found}) as n(name, lines) where f.name = n.name""")
        return self._absorb()

    def take_packs(self, packs: list[Path], *, overlap: bool) -> None:
        """Make the tables, and one segment, from packs that lie in the archive.

        Parameters
        ----------
        overlap : a line may be in several packs.
        """
        if not packs:
            return
        if overlap:
            packs = self._without_overlap(packs)
        changes, points = archive.changes_in(packs), archive.points_in(packs)
        self._fold_changes(changes)
        level = max(_level(path.name) for path in packs)
        self._enter_segment(*self._segment(f"from ({points})", self.connection, level))
        self._sum_up(f"from ({points})")
        for path in packs:
            name, file = tables.literal(path.name), tables.literal(str(path))
            self.connection.execute(f"insert into inside.packs select {name}, count(*) from read_parquet({file})")
        self.connection.execute(f"""
            insert into inside.folded select name, count(*), null, {time.time()}
            from (select name from ({changes}) union all select name from ({points})) group by name""")

    def _without_overlap(self, packs: list[Path]) -> list[Path]:
        """Return packs with the same lines, of which none lies in two: the same ones, or new ones in their place."""
        result = []
        for kind, read in ((archive.CHANGES, archive.changes_in), (archive.POINTS, archive.points_in)):
            mine = [path for path in packs if kind in path.name]
            distinct = f"select count(*), count(distinct (name, line)) from ({read(mine)})"
            if mine and (row := self.connection.execute(distinct).fetchone()) and row[0] != row[1]:
                level = max(_level(path.name) for path in mine)
                query = f"{archive.once(read(mine))} order by name, line"
                name, _ = parquet.write(
                    self.connection, query, self.layout.archive, kind, level=level, number=self.number
                )
                mine = [self.layout.archive / name]
            result += mine
        return result

    def mark_folded(self, names: Iterable[str]) -> None:
        """Take note that all is taken of journals that are still there, though under other names."""
        for name in map(tables.literal, sorted(names)):
            known = f"select 1 from inside.folded where name = {name}"
            self.connection.execute(
                f"insert into inside.folded select {name}, 0, null, {time.time()} where not exists ({known})"
            )

    def merge(self) -> None:
        """Merge the files of full levels.

        Raises
        ------
        Unsound : a segment is damaged; a merge would give the damage a good name.
        """
        while chosen := parquet.due(generation.books(self.connection).segments):
            paths = [self.layout.segments / name for name in chosen]
            if not all(map(parquet.is_whole, paths)):
                raise Unsound
            query = tables.points_of_segments([str(path) for path in paths])
            name, points = self._merged(query, f"order by {_SORTED}", self.layout.segments, "", chosen)
            self._strike_out("segments", chosen)
            generation.enter_segment(self.connection, self.layout.segments / name, points)
        for kind in (archive.CHANGES, archive.POINTS):
            self._merge_packs(kind)

    def finish(self) -> str:
        """Make the generation durable, give it its name and return it; it is not yet in force."""
        self.connection.execute("commit")
        self.connection.execute("checkpoint")
        self.connection.close()
        self._temporary.chmod(0o600)
        share(self._temporary)
        sync_file(self._temporary)
        name = f"{self.number:010d}.{parquet.digest(self._temporary)}.duckdb"
        put_in_place(self._temporary, self.layout.generations / name)
        return name

    def _absorb(self) -> tuple[int, int]:
        """Write the fresh lines into the archive and into the tables, and points into a segment at the same time."""
        changes, points = self._fresh.counts()
        beside = self.connection.cursor()
        with ThreadPoolExecutor(1) as other:
            indexing = other.submit(self._segment, "from scratch.points", beside, 0) if points else None
            try:
                if changes:
                    self._enter_pack(*self._pack("from scratch.changes", archive.CHANGES, self.connection))
                    self._fold_changes("from scratch.changes")
                if indexing:
                    self._enter_pack(*self._pack("from scratch.points", archive.POINTS, self.connection))
                    self._sum_up("from scratch.points")
                    self._enter_segment(*indexing.result())
            except BaseException:
                while indexing and not indexing.done():  # or leaving would wait for its end
                    _interrupt(beside)
                    time.sleep(0.005)  # it may be between two statements
                raise
        self._fresh.empty()
        self.connection.execute("commit; begin")  # or what is loaded next would not be seen
        return changes, points

    def _pack(self, query: str, kind: str, connection: duckdb.DuckDBPyConnection) -> tuple[str, int]:
        return parquet.write(connection, query, self.layout.archive, kind, level=0, number=self.number)

    def _enter_pack(self, name: str, rows: int) -> None:
        self.connection.execute(f"insert into inside.packs values ({tables.literal(name)}, {rows})")

    def _segment(self, source: str, connection: duckdb.DuckDBPyConnection, level: int) -> tuple[str, int]:
        """Write points as a segment; what is made of their fields is made after sorting, which has less to carry then."""
        fields = f"select * exclude (name, line) from ({source})"
        if self._number_series(source, connection):
            places = ", ".join(f"{name}::fresh_{name} as {name}" for name in _SERIES)
            texts = ", ".join(f"{name}::varchar as {name}" for name in _SERIES)
            ordered = f"select * replace ({texts}) from (select * replace ({places}) from ({fields}) {_IN_ORDER})"
        else:
            ordered = f"{fields} {_IN_ORDER}"
        return parquet.write(
            connection, tables.points_of(ordered), self.layout.segments, "", level=level, number=self.number
        )

    def _number_series(self, source: str, connection: duckdb.DuckDBPyConnection) -> bool:
        """Declare the names of owners and keys as ENUMs, by which points are sorted in half the time that texts take.

        Say whether that could be done: whether there are any, and few enough.
        """
        connection.execute(
            f"create or replace temp table fresh_series as select distinct {', '.join(_SERIES)} from ({source})"
        )
        # No member of an ENUM may have a NUL: DuckDB writes the type as SQL, and reads that again. And one must be there.
        named = " and ".join(f"count({name}) > 0" for name in _SERIES)
        nul = "contains(concat(o, i, k), chr(0))"
        query = (
            f"select count(*) <= {_FEW_SERIES} and {named} and not coalesce(bool_or({nul}), false) from fresh_series"
        )
        (few,) = connection.execute(query).fetchone() or (False,)
        for name in _SERIES if few else ():
            members = f"select distinct {name} from fresh_series order by {name}"
            connection.execute(f"create or replace temp type fresh_{name} as enum ({members})")
        return bool(few)

    def _enter_segment(self, name: str, rows: int) -> None:
        segment = self.layout.segments / name
        if rows:
            generation.enter_segment(self.connection, segment, rows)
        else:
            segment.unlink()

    def _sum_up(self, source: str) -> None:
        """Bring `inside.latest` up to some points."""
        fresh = tables.latest_of(tables.points_of(source))
        self.connection.execute(f"create or replace temp table fresh_latest as {fresh}")
        known = "(owner_kind, owner_id, key) in (select (owner_kind, owner_id, key) from fresh_latest)"
        self.connection.execute(f"insert into fresh_latest select * from inside.latest where {known}")
        self.connection.execute(f"delete from inside.latest where {known}")
        self.connection.execute(f"insert into inside.latest {tables.merged_latest('from fresh_latest')}")
        self.connection.execute("drop table fresh_latest")

    def _fold_changes(self, lines_: str) -> None:
        """Take the changes of some lines, and make the rows of every object that they touch anew."""
        self.connection.execute(f"create or replace temp table fresh as {tables.changes_of(lines_)}")
        self.connection.execute("insert into inside.changes select * from fresh")
        kinds = [kind for (kind,) in self.connection.execute("select distinct kind from fresh").fetchall()]
        for kind in kinds:
            table = tables.schema().tables.get(kind)
            if table is None:
                continue  # written by a newer program: kept in inside.changes
            ids = f"select id from fresh where kind = {tables.literal(kind)}"
            self.connection.execute(f"delete from inside.{kind} where {table.key} in ({ids})")
            changes = f"select * from inside.changes where kind = {tables.literal(kind)} and id in ({ids})"
            self.connection.execute(f"insert into inside.{kind} by name {tables.rows_from_changes(table, changes)}")
        self.connection.execute("drop table fresh")

    def _merge_packs(self, kind: str) -> None:
        read = archive.changes_in if kind == archive.CHANGES else archive.points_in
        sizes = {name: n for name, n in generation.books(self.connection).packs.items() if f"{kind}.parquet" in name}
        while chosen := parquet.due(sizes):
            paths = [self.layout.archive / name for name in chosen]
            damaged = [path.name for path in paths if not parquet.is_whole(path)]
            for name in damaged:  # stays as it is, for fsck to tell
                del sizes[name]
            if damaged:
                continue
            name, rows = self._merged(read(paths), "order by name, line", self.layout.archive, kind, chosen)
            self._strike_out("packs", chosen)
            self._enter_pack(name, rows)
            sizes = {each: n for each, n in sizes.items() if each not in chosen} | {name: rows}

    def _merged(self, query: str, order: str, folder: Path, kind: str, chosen: list[str]) -> tuple[str, int]:
        """Write some files as one and make sure that it holds the same rows."""
        level = parquet.next_level(chosen)
        name, rows = parquet.write(self.connection, f"{query} {order}", folder, kind, level=level, number=self.number)
        merged = f"select * from read_parquet({tables.literal(str(folder / name))})"
        if self._sum(query) != self._sum(merged):
            raise RenexError(
                "corrupt", f"{folder / name} differs from the files it was merged from.", "Run renex fsck."
            )
        return name, rows

    def _sum(self, query: str) -> object:
        return self.connection.execute(f"select count(*), bit_xor(hash(r)) from ({query}) as r").fetchone()

    def _strike_out(self, book: str, names: list[str]) -> None:
        self.connection.execute(f"delete from inside.{book} where name in {tables.literal(tuple(names))}")


def _interrupt(connection: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):  # closed already
        connection.interrupt()


def _level(name: str) -> int:
    found = parquet.parse(name)
    return found.level if found else 0


def highest(layout: Layout) -> int:
    """Return the highest number that a file bears, so that no name is given twice."""
    numbers = [int(path.name[:10]) for path in layout.generations.glob("*.duckdb") if path.name[:10].isdigit()]
    for path in (*parquet.files_in(layout.segments, ""), *archive.packs_in(layout)):
        found = parquet.parse(path.name)
        numbers.append(found.number if found else 0)
    return max(numbers, default=0)
