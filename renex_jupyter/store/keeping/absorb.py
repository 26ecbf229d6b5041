"""Absorbing: lines that come from another store are taken into archive and index, each once."""

from __future__ import annotations

from pathlib import Path

import duckdb

from renex_jupyter.store import losses, parquet, tables
from renex_jupyter.store.building import Building
from renex_jupyter.store.fold import extend, finish, folding, take_sealed
from renex_jupyter.store.keeping.history import every_line
from renex_jupyter.store.keeping.unwanted import note_unwanted
from renex_jupyter.store.layout import Layout
from renex_jupyter.store.salvage import SALVAGED_POINTS as SALVAGED
from renex_jupyter.store.salvage import told_apart
from renex_jupyter.store.scratch import scratch_folder

KINDS = ("changes", "points")


def absorb(
    layout: Layout, changes: Path, points: Path, *, ours: bool = False, timeout: float = 120.0
) -> tuple[int, int]:
    """Take lines that are not here yet; return how many changes and how many points these were.

    A change is known by its writer and its number there, a point by its journal file and its line. What was purged here
    stays away. All are in force together, by the switch to one new generation, or none is.

    Parameters
    ----------
    changes, points : Parquet files with the columns of the packs, checked, and without a line that is there twice.
    ours : they come from an export of this very store.

    Raises
    ------
    RenexError : `locked` when another process folds for longer than `timeout` seconds; `corrupt`, `disk_full`.
    """
    with folding(layout, timeout=timeout), scratch_folder() as folder:
        while take_sealed(layout)[1]:  # what comes of the same journals must not meet them later
            pass
        found = _write_new(layout, folder, changes, points)
        if any(found):
            _take(layout, folder)
            losses.note_what_came_back(layout, _by_journal(folder), ours=ours)
        finish(layout, changed=any(found))
        return found


def _write_new(layout: Layout, folder: Path, changes: Path, points: Path) -> tuple[int, int]:
    """Write what is not here yet into the folder, so that building needs not know how that was found."""
    with duckdb.connect(config={"threads": 1, "temp_directory": str(folder / "spill")}) as connection:
        known_changes, known_points = every_line(connection, layout, folder)
        note_unwanted(connection, _read(changes), known_changes)
        new_changes = (
            f"select g.* exclude (writer, seq) from ({_numbered(_read(changes))}) g "
            f"anti join ({_numbered(known_changes)}) k on g.writer = k.writer and g.seq = k.seq "
            "where (json_extract_string(text, '$.t'), json_extract_string(text, '$.i')) not in (from unwanted)"
        )
        new_points = (
            f"select g.* from ({_read(points)}) g "
            f"anti join (select name, line from ({known_points})) k on g.name = k.name and g.line = k.line "
            "where (o || 's', i) not in (from unwanted)"
        )
        new_points = _not_salvaged(new_points, known_points)
        return (
            parquet.copy(connection, new_changes, folder / "new.changes.parquet"),
            parquet.copy(connection, new_points, folder / "new.points.parquet"),
        )


def _not_salvaged(points: str, known: str) -> str:
    """Return the lines of points without those that a rebuild, here or there, has made again under other names."""
    content = f"concat_ws('|', {', '.join(f'{name}::varchar' for name in tables.POINT_LINE)})"
    parts = []
    for theirs, ours in (("not ", ""), ("", "true or ")):  # what they salvaged may be here under its first name
        new = f"select * from ({points}) where {theirs}starts_with(name, '{SALVAGED}')"
        there = f"select * from ({known}) where {ours}starts_with(name, '{SALVAGED}')"
        parts.append(f"""
            select name, line, {", ".join(tables.POINT_LINE)}
            from ({told_apart(new, content)}) anti join ({told_apart(there, content)}) using (content, nth)""")
    return " union all ".join(parts)


def _take(layout: Layout, folder: Path) -> None:
    def take(building: Building) -> None:
        building.take_lines(_read(folder / "new.changes.parquet"), _read(folder / "new.points.parquet"))

    extend(layout, str(layout.generation_in_force()), take)


def _by_journal(folder: Path) -> dict[str, int]:
    """Return how many new lines there are by journal file."""
    both = " union all ".join(f"select name from ({_read(folder / f'new.{kind}.parquet')})" for kind in KINDS)
    with duckdb.connect(config={"threads": 1}) as connection:
        return dict(connection.execute(f"select name, count(*) from ({both}) group by name").fetchall())


def _numbered(changes: str) -> str:
    """Return the lines of changes with what identifies them."""
    return f"select *, split_part(name, '.', 1) as writer, json_extract(text, '$.n')::bigint as seq from ({changes})"


def _read(path: Path) -> str:
    return f"select * from read_parquet({tables.literal(str(path))})"
