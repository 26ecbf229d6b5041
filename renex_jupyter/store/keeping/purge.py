"""Purging: an object, or a text wherever it stands, leaves every file of the store, for good.

Journals, archive, index, published file, contents, and whatever an older operation left behind are rewritten or
removed; at the end no byte of it lies in a file of the store. (What a disk or a backup keeps of old files is out of
reach.) Killed in the middle, a purge leaves a whole store in which something of it may still stand: do it again.

A snapshot may be under way beside it and name what was its alone a moment ago. So the contents of a run are freed by
the rules of `gc`, young ones by a later collection, and code and lists of files are recorded again if they are named.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from renex_jupyter.errors import RenexError, invalid_argument, not_found
from renex_jupyter.records.changes import Change, now, to_microseconds
from renex_jupyter.records.keeping import Purged
from renex_jupyter.store import archive, generation, journal, locks, losses, parquet, sweep, tables
from renex_jupyter.store.building import highest
from renex_jupyter.store.fold import finish, folding, switch, take_sealed
from renex_jupyter.store.keeping import gc, left_files, references
from renex_jupyter.store.keeping.doomed import PURGED, Doomed
from renex_jupyter.store.keeping.parquet_values import stands_in_values
from renex_jupyter.store.keeping.rewriting import may_stand_in, rewrite_in_place, rewritten_changes, rewritten_points
from renex_jupyter.store.layout import Layout, write_whole
from renex_jupyter.store.liveness import is_gone
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.store import Store

SHORTEST = 4  # characters: a shorter text stands everywhere by chance
WAIT = 120.0  # seconds for a collection or an import that is at work
# What snapshots share, and how a snapshot names it.
PARTS = {"codes": "code_id", "file_parts": """unnest(from_json(parts, '["VARCHAR"]'))"""}


OF_RUNS = ("params", "snapshots", "artifacts", "checkpoints", "events")  # kinds that say their run
OF_OWNERS = ("tags", "notes", "evaluations", "artifacts", "events", "links")  # kinds that say their owner


@dataclass(slots=True)
class _Done:
    """What was rewritten or removed so far."""

    records: int = 0
    points: int = 0
    files: int = 0
    unreadable: int = 0  # packs that were set aside, and removed

    def count(self, name: str, lines: int) -> None:
        """Count lines of a pack or a journal that were rewritten or removed."""
        if ".points" in name:
            self.points += lines
        else:
            self.records += lines


def purge(store: Store, *, object_id: str | None = None, secret: str | None = None) -> Purged:
    """Take a run or a snapshot, or every occurrence of a text, out of a store.

    A run takes its params, tags, points, artifacts, checkpoints, events and notes and the snapshots before and after it
    along; a model version that was registered from it stays, with contents of its own. The contents that then nothing
    names any more are freed as `gc` would: those that were in use within its grace stay for a later collection. A text
    is replaced in records; a content that has it in it goes as a whole and at once, and so does a file that a run left.

    Parameters
    ----------
    object_id : the whole id of a run or a snapshot; one whose purge was killed may be given again.
    secret : at least 4 characters.

    Raises
    ------
    RenexError : `not_found`; `invalid_argument`; `conflict` for a run that is still running; `locked` while another
        process folds, collects or imports; `corrupt` when a pack is damaged and cannot be rewritten.
    """
    layout, done = store.layout, _Done()
    doomed = _text(secret) if secret is not None else None
    _check(Reader(layout), object_id)
    with locks.hold(layout.root / gc.LOCK, timeout=WAIT):
        gc.bring_back(layout.blobs)
        with folding(layout):
            while take_sealed(layout)[1]:
                pass
            finish(layout, changed=True)  # the journals that are folded go: what stands in them would count twice
            packs = _packs(layout)
            _mark(layout, doomed)  # who takes a snapshot from now on looks anew what is recorded
            doomed = doomed or _object(Reader(layout), object_id or "")
            named = (
                set()
                if doomed.secret
                else gc.named_among(store, {each.sha256 for each in gc.contents_in(layout.blobs)})
            )
            taken = _parts(Reader(layout), doomed)
            _leave_a_note(store, {each for each in doomed.objects if each[0] in ("runs", "snapshots")})
            _rewrite(layout, packs, doomed, done)
        _mark(layout, doomed)
        fresh = Store(layout.root)  # one that has read nothing of it
        _record_again(store, fresh.reader, taken)
        left = left_files.Left()
        if doomed.secret:
            blobs, young = _remove_contents(store, doomed), 0
            left = left_files.remove_holders(store, doomed)
        else:
            blobs, young = gc.free_among(fresh, named - gc.named_among(fresh, named))
        if blobs:
            gc.publish_without(layout)
    files = done.files + blobs + len(left.removed)
    found = done.records or done.points or blobs or done.unreadable or left.removed  # else only the index was made anew
    return Purged(
        done.records,
        done.points,
        blobs,
        files if found else 0,
        young,
        done.unreadable,
        removed=tuple(left.removed),
        still_in=tuple(left.still_in),
    )


def _mark(layout: Layout, doomed: Doomed | None) -> None:
    """Tell the processes that live that something is purged; when a secret last was, in microseconds, is what the file says."""
    last = b""
    if doomed is not None and doomed.secret:
        last = str(to_microseconds(now())).encode()
    elif layout.purged.exists():
        last = layout.purged.read_bytes()
    write_whole(layout.purged, last)


def _text(secret: str) -> Doomed:
    if len(secret) < SHORTEST:
        raise invalid_argument(f"a text of {len(secret)} characters stands everywhere.", f"Give at least {SHORTEST}.")
    return Doomed(secret=secret)


def _check(read: Reader, object_id: str | None) -> None:
    """Refuse an id that means nothing here, and a run that is still running."""
    if object_id is None:
        return
    for row in read.rows("select * from inside.runs where run_id = ?", [object_id]):
        if row["status"] == "running" and not is_gone(row["pid"], row["pid_started"], row["boot_id"], row["host"]):
            raise RenexError("conflict", f"run {object_id[:8]} is still running.", "End it first.")
        return
    if not (read.rows("select 1 from inside.snapshots where snapshot_id = ?", [object_id]) or is_left(read, object_id)):
        raise not_found("run or snapshot", object_id)


def is_left(read: Reader, object_id: str) -> bool:
    """Say whether something is left of a purge that was killed, of a run whose record was lost, or of what was deleted."""
    return _was_begun(read, object_id) or _has_points(read, object_id) or _was_deleted(read, object_id)


def _was_begun(read: Reader, object_id: str) -> bool:
    """Say whether a run or a snapshot was purged, or a purge of it was begun."""
    return bool(_noted(read) & {("runs", object_id), ("snapshots", object_id)})


def _was_deleted(read: Reader, object_id: str) -> bool:
    query = "select 1 from inside.changes where kind in ('runs', 'snapshots') and id = ? and action = 'delete' limit 1"
    return bool(read.rows(query, [object_id]))


def _has_points(read: Reader, run_id: str) -> bool:
    query = "select 1 from inside.points where owner_kind = 'run' and owner_id = ? limit 1"
    return bool(read.rows(query, [run_id]))


def _noted(read: Reader) -> set[tuple[str, str]]:
    query = """
        select distinct kind, id from inside.changes
        where action = 'delete' and json_extract_string(after, '$.reason') = ?"""
    return {(row["kind"], row["id"]) for row in read.rows(query, [PURGED])}


def _object(read: Reader, object_id: str) -> Doomed:
    """Return a run or a snapshot with all that is only its own, also what a purge that was killed has left of it."""
    runs = read.rows("select 1 from inside.changes where kind = 'runs' and id = ? limit 1", [object_id])
    if not runs and not _has_points(read, object_id):
        return Doomed(frozenset({("snapshots", object_id)} | _only_of(read, {object_id}, object_id)))
    query = f"""
        with own as (
            select distinct kind, id from inside.changes
            where kind in {tables.literal(OF_RUNS)} and json_extract_string(after, '$.run_id') = $id)
        from own union
        select distinct kind, id from inside.changes
        where kind in {tables.literal(OF_OWNERS)} and coalesce(json_extract_string(after, '$.owner_id'),
            json_extract_string(after, '$.from_id')) in (select $id union all select id from own)"""
    owned = {(row["kind"], row["id"]) for row in read.rows(query, {"id": object_id})}
    owners = {each for kind, each in owned if kind in ("checkpoints", "evaluations", "artifacts")}
    snapshots = {each for kind, each in owned if kind == "snapshots"}
    objects = {("runs", object_id), *owned} | _only_of(read, snapshots, object_id)
    return Doomed(frozenset(objects), frozenset({object_id, *owners}))


def _only_of(read: Reader, snapshots: set[str], object_id: str) -> set[tuple[str, str]]:
    """Return the records of code and files that no other snapshot names; after a purge that was killed, of nobody."""
    found, again = set(), _was_begun(read, object_id)
    for kind, column in PARTS.items():
        query = f"""
            with said as (
                select id, json_extract_string(after, '$.code_id') as code_id, json_extract(after, '$.parts') as parts
                from inside.changes where kind = 'snapshots' and list_contains($ids::varchar[], id)),
            kept as (from inside.snapshots where not list_contains($ids::varchar[], snapshot_id))
            select distinct id from inside.changes
            where kind = '{kind}' and id not in (select part from (select {column} as part from kept) where part is not null)
            and ($again or id in (select {column} from said))"""
        found |= {(kind, row["id"]) for row in read.rows(query, {"ids": list(snapshots), "again": again})}
    return found


def _parts(read: Reader, doomed: Doomed) -> list[tuple[str, str, dict[str, Any]]]:
    """Return kind, id and fields of the code and the files that go along."""
    result = []
    for kind in PARTS:
        ids = [each for known, each in doomed.objects if known == kind]
        query = f"""
            select id, any_value(after)::varchar as after from inside.changes
            where kind = '{kind}' and list_contains($ids::varchar[], id) group by id"""
        rows = read.rows(query, {"ids": ids}) if ids else []
        result += [(kind, row["id"], json.loads(row["after"])) for row in rows]
    return result


def _record_again(store: Store, read: Reader, taken: list[tuple[str, str, dict[str, Any]]]) -> None:
    """Record the code and the files again that a snapshot has named meanwhile, which took them to be recorded."""
    changes = []
    for kind, id_, after in taken:
        if read.rows(
            f"select 1 from (select {PARTS[kind]} as part from inside.snapshots) where part = ? limit 1", [id_]
        ):
            changes.append(Change(kind, id_, "create", after))
    if changes:
        store.write(*changes)
        store.journal.seal()


def _rewrite(layout: Layout, packs: list[Path], doomed: Doomed, done: _Done) -> None:
    """Rewrite or remove every file in which it stands but contents, with the lock of the fold held."""
    _rewrite_archive(layout, packs, doomed, done)
    for entry in journal.files_in(layout.journal):  # live ones: nobody but their writers may replace them
        found = rewrite_in_place(Path(entry.path), doomed)
        done.files += bool(found)
        done.count(entry.name, found)
    finish(layout, changed=True)
    _remove_what_is_left(layout, doomed, done)


def _packs(layout: Layout) -> list[Path]:
    """Return the packs in force, verified, before anything is changed."""
    if layout.generation_in_force() is None:
        return []
    with generation.connect(layout.generations / str(layout.generation_in_force()), read_only=True) as connection:
        packs = [layout.archive / name for name in generation.books(connection).packs]
    for path in packs:
        if not parquet.is_whole(path):
            raise RenexError("corrupt", f"{path} is damaged.", "First run: %renex rebuild")
    return packs


def _rewrite_archive(layout: Layout, packs: list[Path], doomed: Doomed, done: _Done) -> None:
    """Put a generation in force that is made from packs without it; the old ones are no longer named then."""
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


def _remove_what_is_left(layout: Layout, doomed: Doomed, done: _Done) -> None:
    """Remove every older file in which it may stand, whoever may have it open."""
    known = layout.generation_in_force()
    with generation.connect(layout.generations / str(known), read_only=True) as connection:
        books = generation.books(connection)
    old = [
        *(path for path in layout.generations.iterdir() if path.name != known),
        *(path for path in parquet.files_in(layout.segments, "") if path.name not in books.segments),
        *(path for path in archive.packs_in(layout) if path.name not in books.packs),
        *(layout.superseded.iterdir() if layout.superseded.is_dir() else ()),
        *_set_aside(layout, doomed, done),
        *(
            path
            for path in layout.blobs.glob(".*.tmp")
            if doomed.secret and time.time() - path.stat().st_mtime > sweep.GRACE
        ),
        *([layout.fold_error] if layout.fold_error.exists() else []),
        *(layout.index.iterdir() if doomed.secret and layout.index.is_dir() else ()),  # it has names of files
    ]
    for path in old:
        sweep.remove(path)
    done.files += len(old) + left_files.clear(Store(layout.root), doomed)


def _set_aside(layout: Layout, doomed: Doomed, done: _Done) -> Iterator[Path]:
    """Yield the files that were set aside and in which it may stand; for a secret also packs that nobody can search."""
    for path in sorted(layout.damaged.iterdir()) if layout.damaged.is_dir() else ():
        is_ours = path.name == losses.ACCEPTED or path.name.endswith(losses.NOTE)  # with no text of the user's
        if path.is_file() and not path.is_symlink() and not is_ours:
            found = may_stand_in(path, doomed)
            done.unreadable += found is None and bool(doomed.secret)
            if found or (found is None and doomed.secret):
                yield path


def _remove_contents(store: Store, doomed: Doomed) -> int:
    """Remove the contents that have the text in them, after a note that each of them is not missing; return how many."""
    found = []
    for kept in gc.contents_in(store.layout.blobs):
        with suppress(RenexError):  # damaged, or freed in this moment
            if _holds(store, kept.sha256, doomed):
                found.append(kept.sha256)
    _leave_a_note(store, {("blobs", sha256) for sha256 in found})
    for sha256 in found:
        store.blobs.remove(sha256)
    if found:
        _note_again(store, set(found))
    return len(found)


def _holds(store: Store, sha256: str, doomed: Doomed) -> bool:
    """Say whether the text stands in a content, or in what a Parquet file has compressed."""
    return store.blobs.contains(sha256, doomed.sought) or (
        store.blobs.is_parquet(sha256) and stands_in_values(store.blobs, sha256, doomed.sought)
    )


def _note_again(store: Store, removed: set[str]) -> None:
    """Note what a snapshot names that had looked before the contents went, and was recorded after their notes.

    One that is recorded from now on sees by the mark that it must look again.
    """
    _mark(store.layout, None)
    _leave_a_note(store, {("blobs", sha256) for sha256 in removed - references.purged(Reader(store.layout))})


def _leave_a_note(store: Store, objects: set[tuple[str, str]]) -> None:
    """Record that something was here, before it goes, so that a purge that is killed can be done again."""
    again = _noted(Reader(store.layout)) if all(kind != "blobs" for kind, _ in objects) else set()
    changes = [Change(kind, id_, "delete", {"reason": PURGED}) for kind, id_ in sorted(objects - again)]
    if changes:
        store.write(*changes)
        store.journal.seal()
