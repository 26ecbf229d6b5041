"""Keeping the store: check it, rebuild its index, free space, take a secret out, move it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from renex_jupyter.capture.files import search_files
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.ids import prefix, short
from renex_jupyter.query.objects import RUN, checked_word, find_object, find_only, namesakes
from renex_jupyter.records.changes import Change
from renex_jupyter.records.keeping import Collected, Exported, FsckReport, Holder, Imported, Purged, Rebuilt
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.purges import contents_gone
from renex_jupyter.session.unfinished import check_not_needed
from renex_jupyter.session.writers import other_writers
from renex_jupyter.store.keeping import apart
from renex_jupyter.store.store import Store


def fsck(accept: bool = False) -> FsckReport:
    """Check every line, count, hash and reference of the store; changes nothing of what is recorded.

    Parameters
    ----------
    accept : tell no more, now and in future, of files that were set aside or went missing until now.

    Returns
    -------
    A report whose `ok` says whether all is sound, and whose `damages` name each thing that is not.

    Raises
    ------
    RenexError : `not_found` before anything was recorded.
    """
    return apart.fsck(_existing().layout.root, accept=accept)


def rebuild() -> Rebuilt:
    """Make the index anew from the journals and their archive; needed only when `fsck` found it damaged.

    Raises
    ------
    RenexError : `not_found`, `locked` while another process folds, `disk_full` and its like; the index in force stays.
    """
    return apart.rebuild(_sealed().layout.root)


def gc(dry_run: bool = True) -> Collected:
    """Free the contents of files that no snapshot or other record names any more.

    Parameters
    ----------
    dry_run : only say what would be freed.

    Returns
    -------
    How many contents and bytes. What is younger than two hours stays: a record may be about to name it.

    Raises
    ------
    RenexError : `not_found`, `locked` while another collection works, `corrupt` when the records cannot all be read.
    """
    return apart.collect(_existing().layout.root, dry_run=dry_run)


def purge(object_id: str | None = None, *, secret: str | None = None) -> Purged:
    """Take a run or a snapshot, or every occurrence of a text, out of the store for good. This cannot be undone.

    Parameters
    ----------
    object_id : id, unique prefix, or a name or label that nothing else has; the whole id to go on with a purge that
        was killed. The result names the processes, kernels aside, that may still log on a run.
    secret : a text, such as a password that got into a cell; it is blotted out wherever it stands, and in what this
        session records from now on of its cells and its notebook. The result names the files of the project that still
        hold it, and the other processes that write to the store and may still know it.

    Raises
    ------
    RenexError : `invalid_argument` unless exactly one of both is given; `not_found`, `ambiguous`; `conflict` for what
        an unfinished checkout needs; `locked` while another process writes what must be rewritten; `disk_full` and its
        like while something still waits in memory.

    The contents of a run's files that were in use within two hours stay until `gc` frees them (`kept_young`).
    """
    if (object_id is None) == (secret is None):
        raise invalid_argument(
            "purge takes an id or a secret.", "Give one of both: rx.purge(ID) or rx.purge(secret=...)."
        )
    current().executions()  # what another process purged is looked for before our own purge is taken for the last
    _write_what_waits(current())
    store = _sealed()
    if secret is None:
        return _purge_object(store, find_purgeable(object_id))
    with current().purges.purging(store, _blot(secret)):
        done = apart.purge(store.layout.root, object_id=None, secret=secret)
    _rename(current(), _blot(secret))
    try:
        still_in, not_searched = _still_in(secret)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the secret is purged. The search of the project's files for it was cut off.") from None
    return replace(done, still_in=done.still_in + still_in, not_searched=not_searched, writers=other_writers(store))


def _purge_object(store: Store, object_id: str) -> Purged:
    """Purge a run or a snapshot; what a worker that lives logs on a run from now on is recorded, so it is named."""
    check_not_needed(store, object_id)
    is_snapshot = store.reader.rows("select 1 from inside.snapshots where snapshot_id = ?", [object_id])
    done = apart.purge(store.layout.root, object_id=object_id, secret=None)
    return done if is_snapshot else replace(done, writers=other_writers(store, kernels=False))


def export_store(path: str | os.PathLike[str], runs: str | Sequence[str] | None = None) -> Exported:
    """Write the whole store, or some runs with everything they need, into one file for a backup or another machine.

    Parameters
    ----------
    path : the file to make; one that exists is refused.
    runs : ids, unique prefixes or names; None: everything. Of several runs with a name the newest is meant, as the
        result says.

    Raises
    ------
    RenexError : `conflict` when the file exists, `not_found`, `ambiguous`, `disk_full` and its like. The file appears
        whole or not at all.
    """
    store = _existing()
    wanted = [runs] if isinstance(runs, str) else runs
    found = None if wanted is None else [find_object(store.reader, each, (RUN,))[1] for each in wanted]
    newest = [_newest(store, each) for each in wanted or ()]
    done = apart.export_store(store.layout.root, _absolute(path), runs=found)
    return replace(done, newest=tuple(filter(None, newest)))


def import_store(path: str | os.PathLike[str]) -> Imported:
    """Take in what another store exported; what is here already is not taken twice.

    Raises
    ------
    RenexError : `not_found`; `corrupt` or `invalid_argument` for a file that is no sound export, `newer_store` for one
        of a newer program. The store is then as it was.
    """
    store = current().store
    return apart.import_store(store.layout.root, _absolute(path))


def _newest(store: Store, wanted: str) -> str:
    """Say which run was taken for a name that several have; an empty text for what names one."""
    same = namesakes(store.reader, wanted, (RUN,))
    return f"'{wanted}' is {short(same[0]['id'])}, the newest of {len(same)}" if len(same) > 1 else ""


def find_purgeable(wanted: object) -> str:
    """Return the id of what is meant; by a name only where one has it.

    An id of which only the note of a purge is left may be one that was killed; one that only points name, a run whose
    record was lost.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`.
    """
    store = _existing()
    word = checked_word(wanted)
    try:
        return find_only(store.reader, word)[1]
    except RenexError as error:
        from renex_jupyter.store.keeping.purge import is_left

        whole = prefix(word) or word
        if error.code != "not_found" or not is_left(store.reader, whole):
            raise
    return whole


def _still_in(secret: str) -> tuple[tuple[Holder, ...], str | None]:
    """Return the project's files in which a secret stands, and why they could not be searched.

    They are noted by their hash, so that no snapshot takes them as they are now.
    """
    from renex_jupyter.store.keeping.doomed import PURGED, Doomed

    session, limits = current(), settings()
    sought = Doomed(secret=secret).sought
    try:
        found = search_files(
            session.project, sought, max_file_size=limits.max_file_size, timeout=limits.capture_timeout
        )
    except RenexError as error:
        return (), error.line
    new = {sha256 for _, _, sha256 in found if sha256} - contents_gone(session.store)
    if new:
        session.store.write(*(Change("blobs", sha256, "delete", {"reason": PURGED}) for sha256 in sorted(new)))
        session.store.journal.sync()
    return tuple(Holder(path, lines) for path, lines, _ in found), None


def _write_what_waits(session: Session) -> None:
    """Write the records that a full disk did not take: what is purged must not be written after the purge."""
    session.write_what_is_left()
    for active in session.runs:
        active.points.write_what_waits()
    for points in session.points_of_others.values():
        points.write_what_waits()


def _rename(session: Session, blot: Callable[[str], str]) -> None:
    """Take a purged secret out of the names under which this session, and what it starts, goes on recording."""
    session.namespace, session.experiment = blot(session.namespace), blot(session.experiment)
    for active in {*session.runs, *filter(None, [session.joined])}:
        run = active.run
        name, namespace, experiment = blot(run.name), blot(run.namespace), blot(run.experiment)
        active.run = active.facts.run = replace(run, name=name, namespace=namespace, experiment=experiment)
        active.points.name = name
    session.family.blot(blot)


def _blot(secret: str) -> Callable[[str], str]:
    from renex_jupyter.store.keeping.doomed import Doomed  # it loads duckdb

    return Doomed(secret=secret).text


def _existing() -> Store:
    """Return the store of this project."""
    store = current().store
    if not store.exists:
        hint = "Record something first: %snapshot, %%task or rx.start_run()."
        raise RenexError("not_found", f"nothing is recorded yet in {store.layout.project}.", hint)
    return store


def _sealed() -> Store:
    """Return the store, with nothing left in the files that only this process may fold or rewrite."""
    store = _existing()
    store.journal.seal()
    return store


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(path).expanduser().absolute()
