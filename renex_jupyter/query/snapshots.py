"""Questions about snapshots."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from renex_jupyter.errors import not_found
from renex_jupyter.query.objects import SNAPSHOT, find_object
from renex_jupyter.records import display
from renex_jupyter.records.environments import Package
from renex_jupyter.records.snapshots import Cell, FileEntry, Finding, LeftOut, Snapshot, cells_in_words
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.tables import among


def find_snapshot(read: Reader, wanted: str) -> str:
    """Return the id of the snapshot that a label, an id or a unique prefix means, as `find_object` reads it."""
    return find_object(read, wanted, (SNAPSHOT,))[1]


def get_snapshot(read: Reader, snapshot_id: str) -> Snapshot:
    """Return one snapshot.

    Raises
    ------
    RenexError : `not_found` when no snapshot has exactly this id.
    """
    rows = read.rows("select * exclude (parts, cell_states) from inside.snapshots where snapshot_id = ?", [snapshot_id])
    if not rows:
        raise not_found("snapshot", snapshot_id, listing="%renex ls snapshots")
    row = rows[0]
    for column in ("config", "metrics"):
        row[column] = json.loads(row[column]) if row[column] else {}
    row["left_out"] = tuple(LeftOut(**each) for each in json.loads(row["left_out"] or "[]"))
    row["findings"] = tuple(Finding(**each) for each in json.loads(row["findings"] or "[]"))
    return Snapshot(**row, summary=summary(read, snapshot_id))


def summary(read: Reader, snapshot_id: str) -> str:
    """Return what a snapshot holds, in a few words."""
    row = read.rows(
        """
        select (select count(*) from snapshot_files where snapshot_id = $id and sha256 is not null) as files,
               (select coalesce(sum(size), 0) from snapshot_files where snapshot_id = $id and sha256 is not null) as bytes,
               (select count(*) from packages join snapshots using (environment_id) where snapshot_id = $id) as packages""",
        {"id": snapshot_id},
    )[0]
    return summarise(snapshot_cells(read, snapshot_id), row["files"], int(row["bytes"]), row["packages"])


def summarise(cells: Sequence[Cell], files: int, size: int, packages: int) -> str:
    """Return "12 cells (2 changed since they ran), 4 files (3.1 MB), 109 packages"."""
    parts = [cells_in_words(cells), f"{display.count(files, 'file')} ({display.size(size)})"]
    return ", ".join(part for part in [*parts, display.count(packages, "package")] if part)


def newest_snapshot(
    read: Reader, notebook: str | None = None, project: str | None = None, session_id: str | None = None
) -> str | None:
    """Return the id of the newest snapshot that somebody took, or that the project was made to be again in place.

    Parameters
    ----------
    notebook : only those of this one, and those of none that the project was made to be again.
    project : only those of this one, by the name that snapshots have for it; None: of any.
    session_id : only those of this kernel or script; None: of any.
    """
    query = """
        with back as (
            select id as snapshot_id, make_timestamptz(max(at_us)::bigint) as since from inside.changes
            where kind = 'snapshots' and action = 'checkout' and json_extract_string(after, '$.in_place') = 'true'
            group by id
        )
        select snapshot_id from inside.snapshots left join back using (snapshot_id)
        where (since is not null or not coalesce(hidden, false))
            and ($notebook is null or notebook = $notebook or (since is not null and notebook is null))
            and ($project is null or project is null or project = $project)
            and ($session is null or session_id = $session or since is not null)
        order by greatest(created_at, coalesce(since, created_at)) desc limit 1"""
    rows = read.rows(query, {"notebook": notebook, "project": project, "session": session_id})
    return rows[0]["snapshot_id"] if rows else None


def snapshot_cells(read: Reader, snapshot_id: str) -> tuple[Cell, ...]:
    """Return the cells of a snapshot in the order of the notebook."""
    rows = read.rows(
        "select * exclude (snapshot_id, position) from snapshot_cells where snapshot_id = ? order by position",
        [snapshot_id],
    )
    return tuple(
        Cell(**{**row, "stale": bool(row["stale"]), "out_of_order": bool(row["out_of_order"])}) for row in rows
    )


def is_whole(read: Reader, snapshot_id: str) -> bool:
    """Say whether all parts of a snapshot's list of files are there; `snapshot_files` returns those that are."""
    rows = read.rows("select parts from inside.snapshots where snapshot_id = ?", [snapshot_id])
    wanted = json.loads(rows[0]["parts"] or "null") if rows else None
    found = read.rows(f"select count(*) as n from inside.file_parts where {among('part_id', wanted or [])}")
    return wanted is not None and found[0]["n"] == len(set(wanted))


def snapshot_files(read: Reader, snapshot_id: str) -> tuple[FileEntry, ...]:
    """Return the files of a snapshot, its notebook among them, ordered by path."""
    parts = "select unnest(from_json(parts, '[\"VARCHAR\"]')) as part_id from inside.snapshots where snapshot_id = $id"
    rows = read.rows(f"select entries from inside.file_parts where part_id in ({parts})", {"id": snapshot_id})
    entries = [FileEntry(**each) for row in rows for each in json.loads(row["entries"])]
    notebook = read.rows(
        "select * exclude (snapshot_id, modified_at) from snapshot_files where snapshot_id = ? and role = 'notebook'",
        [snapshot_id],
    )
    entries += [FileEntry(**{**row, "size": row["size"] or 0}) for row in notebook]
    return tuple(sorted(entries, key=lambda entry: entry.path))


def snapshot_packages(read: Reader, snapshot_id: str) -> tuple[Package, ...]:
    """Return every package of a snapshot's environment, ordered by name."""
    query = """
        select p.* exclude (environment_id) from packages p join snapshots using (environment_id)
        where snapshot_id = ? order by p.name"""
    return tuple(Package(**{**row, "imported": bool(row["imported"])}) for row in read.rows(query, [snapshot_id]))


def environment_of(read: Reader, snapshot_id: str) -> dict[str, Any]:
    """Return the environment's columns of a snapshot, or an empty dict."""
    query = "select e.* from environments e join snapshots using (environment_id) where snapshot_id = ?"
    rows = read.rows(query, [snapshot_id])
    return rows[0] if rows else {}
