"""Purging: an object, or a text wherever it stands, leaves every file of the store, for good.

Journals, archive, index, published file, contents, and whatever an older operation left behind are rewritten or
removed; at the end no byte of it lies in a file of the store. (What a disk or a backup keeps of old files is out of
reach.) Killed in the middle, a purge leaves a whole store in which something of it may still stand: do it again.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from renex_jupyter.errors import RenexError, invalid_argument, not_found
from renex_jupyter.records.changes import Change
from renex_jupyter.records.keeping import Purged
from renex_jupyter.store import archive, gc, generation, journal, parquet, sweep
from renex_jupyter.store.building import highest
from renex_jupyter.store.doomed import Doomed
from renex_jupyter.store.fold import finish, folding, switch, take_sealed
from renex_jupyter.store.layout import Layout, write_whole
from renex_jupyter.store.liveness import is_gone
from renex_jupyter.store.rewriting import rewrite_in_place, rewritten_changes, rewritten_points
from renex_jupyter.store.store import Store

PURGED = "purged"  # the reason in the record of a deletion: an import brings nothing of it back
SHORTEST = 4  # characters: a shorter text stands everywhere by chance


@dataclass(slots=True)
class _Done:
    """What was rewritten or removed so far."""

    records: int = 0
    points: int = 0
    files: int = 0

    def count(self, name: str, lines: int) -> None:
        """Count lines of a pack or a journal that were rewritten or removed."""
        if ".points" in name:
            self.points += lines
        else:
            self.records += lines


def purge(store: Store, *, object_id: str | None = None, secret: str | None = None) -> Purged:
    """Take a run or a snapshot, or every occurrence of a text, out of a store.

    A run takes its params, tags, points and the snapshots before and after it along, and every content that then
    nothing names any more. A text is replaced in records; a content that has it in it goes as a whole.

    Parameters
    ----------
    object_id : the whole id of a run or a snapshot.
    secret : at least 4 characters.

    Raises
    ------
    RenexError : `not_found`; `invalid_argument`; `conflict` for a run that is still running; `locked` while another
        process folds; `corrupt` when a pack is damaged and cannot be rewritten.
    """
    doomed = _text(secret) if secret is not None else _object(store, object_id or "")
    layout, done = store.layout, _Done()
    named = set() if doomed.secret else gc.named_among(store, {each.sha256 for each in gc.contents_in(layout.blobs)})
    with folding(layout):
        while take_sealed(layout)[1]:
            pass
        _rewrite_archive(layout, doomed, done)
        for entry in journal.files_in(layout.journal):  # live ones: nobody but their writers may replace them
            found = rewrite_in_place(Path(entry.path), doomed)
            done.files += bool(found)
            done.count(entry.name, found)
        finish(layout, changed=True)
        _remove_what_is_left(layout, done)
    fresh = Store(layout.root)  # one that has read nothing of it
    gone = _with_text(store, doomed) if doomed.secret else named - gc.named_among(fresh, named)
    for sha256 in gone:
        store.blobs.remove(sha256)
    _leave_a_note(store, doomed, gone)
    return Purged(done.records, done.points, len(gone), done.files + len(gone))


def _text(secret: str) -> Doomed:
    if len(secret) < SHORTEST:
        raise invalid_argument(f"a text of {len(secret)} characters stands everywhere.", f"Give at least {SHORTEST}.")
    return Doomed(secret=secret)


def _object(store: Store, object_id: str) -> Doomed:
    """Return a run or a snapshot with all that is only its own."""
    read = store.reader
    for row in read.rows("select * from inside.runs where run_id = ?", [object_id]):
        if row["status"] == "running" and not is_gone(row["pid"], row["pid_started"], row["boot_id"], row["host"]):
            raise RenexError("conflict", f"run {object_id[:8]} is still running.", "End it first.")
        taken = read.rows("select snapshot_id as id from inside.snapshots where run_id = ?", [object_id])
        owned = [
            (kind, each["id"])
            for kind, key, owner in (("params", "param_id", "run_id"), ("tags", "tag_id", "owner_id"))
            for each in read.rows(f"select {key} as id from inside.{kind} where {owner} = ?", [object_id])
        ]
        snapshots = {each["id"] for each in taken}
        objects = {("runs", object_id), *owned, *(("snapshots", each) for each in snapshots)}
        return Doomed(frozenset(objects | _only_of(store, snapshots)), frozenset({object_id}))
    if read.rows("select 1 from inside.snapshots where snapshot_id = ?", [object_id]):
        return Doomed(frozenset({("snapshots", object_id)} | _only_of(store, {object_id})))
    raise not_found("run or snapshot", object_id)


def _only_of(store: Store, snapshots: set[str]) -> set[tuple[str, str]]:
    """Return the records of code and files that no other snapshot names."""
    found = set()
    for kind, key, column in (("codes", "code_id", "code_id"), ("file_trees", "part_id", "files_id")):
        theirs = "snapshot_id in (select unnest($ids::varchar[]))"
        query = f"""
            select {key} as id from inside.{kind}
            where {column} in (select {column} from inside.snapshots where {theirs})
                and {column} not in (select {column} from inside.snapshots where not {theirs} and {column} is not null)"""
        found |= {(kind, row["id"]) for row in store.reader.rows(query, {"ids": list(snapshots)})}
    return found


def _rewrite_archive(layout: Layout, doomed: Doomed, done: _Done) -> None:
    """Put a generation in force that is made from packs without it; the old ones are no longer named then."""
    with generation.connect(layout.generations / str(layout.generation_in_force()), read_only=True) as connection:
        packs = [layout.archive / name for name in generation.books(connection).packs]
    for path in packs:
        if not parquet.is_whole(path):
            raise RenexError("corrupt", f"{path} is damaged.", "First run: %renex rebuild")
    number = highest(layout) + 1
    rewritten = [_rewritten(layout, path, number, doomed, done) for path in packs]
    kept = [path for path in rewritten if path is not None]
    switch(layout, None, lambda building: building.take_packs(kept, overlap=False))


def _rewritten(layout: Layout, path: Path, number: int, doomed: Doomed, done: _Done) -> Path | None:
    """Return a pack without it: the same one where it is not in it, None where nothing else was."""
    about = parquet.parse(path.name)
    assert about is not None
    with duckdb.connect(config={"threads": 1}) as connection:
        if about.kind == archive.CHANGES:
            found = rewritten_changes(connection, archive.changes_in([path]), doomed)
        else:
            found = rewritten_points(connection, archive.points_in([path]), doomed)
        if not found:
            return path
        done.files += 1
        done.count(path.name, found)
        name, rows = parquet.write(
            connection, "from rewritten", layout.archive, about.kind, level=about.level, number=number
        )
    if rows:
        return layout.archive / name
    (layout.archive / name).unlink()
    return None


def _remove_what_is_left(layout: Layout, done: _Done) -> None:
    """Remove every older file in which it may stand, whoever may have it open."""
    known = layout.generation_in_force()
    with generation.connect(layout.generations / str(known), read_only=True) as connection:
        books = generation.books(connection)
    old = [
        *(path for path in layout.generations.iterdir() if path.name != known),
        *(path for path in parquet.files_in(layout.segments, "") if path.name not in books.segments),
        *(path for path in archive.packs_in(layout) if path.name not in books.packs),
        *(path for folder in (layout.superseded, layout.damaged) if folder.is_dir() for path in folder.iterdir()),
        *(path for path in layout.blobs.glob(".*.tmp") if time.time() - path.stat().st_mtime > sweep.GRACE),
        *([layout.fold_error] if layout.fold_error.exists() else []),
    ]
    for path in old:
        sweep.remove(path)
    done.files += len(old)


def _with_text(store: Store, doomed: Doomed) -> set[str]:
    """Return the contents that have the text in them."""
    found = set()
    for kept in gc.contents_in(store.layout.blobs):
        with suppress(RenexError):  # damaged, or freed in this moment
            if store.blobs.contains(kept.sha256, doomed.forms_in_files):
                found.add(kept.sha256)
    return found


def _leave_a_note(store: Store, doomed: Doomed, gone: set[str]) -> None:
    """Record that something was here, so that what names it is not taken for damaged; and tell every writer."""
    objects = [
        Change(kind, id_, "delete", {"reason": PURGED})
        for kind, id_ in sorted(doomed.objects)
        if kind in ("runs", "snapshots")
    ]
    contents = [Change("blobs", sha256, "delete", {"reason": PURGED}) for sha256 in sorted(gone)]
    if objects or contents:
        store.write(*objects, *contents)
        store.journal.seal()
    write_whole(store.layout.purged, b"")
