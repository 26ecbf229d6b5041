"""Keeping snapshots in order: list them, show one, change its words, delete it."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import RenexError, invalid_argument, shown, text_argument
from renex_jupyter.ids import short
from renex_jupyter.query import snapshot_lists
from renex_jupyter.query import snapshots as query
from renex_jupyter.query.objects import RUN, SNAPSHOT, find_object, find_only
from renex_jupyter.records.changes import Change, fields
from renex_jupyter.records.deletions import Deleted
from renex_jupyter.records.snapshots import LeftOut, Snapshot
from renex_jupyter.records.times import moment_of
from renex_jupyter.session import purges
from renex_jupyter.session.alone import alone
from renex_jupyter.session.current import current
from renex_jupyter.session.given import check_words
from renex_jupyter.session.labels import taken_from_others
from renex_jupyter.session.unfinished import check_not_needed
from renex_jupyter.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

BULKY = frozenset({"config", "metrics", "left_out", "findings", "summary"})  # fields that a deletion does not repeat


def get_snapshot(snapshot_id: str | Snapshot) -> Snapshot:
    """Return a snapshot by id, unique prefix or label.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`.
    """
    store = current().store
    found = query.get_snapshot(store.reader, find_object(store.reader, snapshot_id, (SNAPSHOT,))[1])
    return _without_what_was_purged(store, found)


def _without_what_was_purged(store: Store, snapshot: Snapshot) -> Snapshot:
    """Return a snapshot that says which of its files were purged since, and no more that they look like secrets."""
    purged = purges.contents_gone(store)
    if not purged:
        return snapshot
    paths = {each.path for each in query.snapshot_files(store.reader, snapshot.snapshot_id) if each.sha256 in purged}
    known = {each.path for each in snapshot.left_out}
    told = tuple(LeftOut(path, "purged") for path in sorted(paths - known))
    findings = tuple(each for each in snapshot.findings if each.path not in paths)
    return dataclasses.replace(snapshot, left_out=(*snapshot.left_out, *told), findings=findings)


def list_snapshots(
    *,
    message: str | None = None,
    label: str | None = None,
    notebook: str | None = None,
    namespace: str | None = None,
    run: object = None,
    since: str | date | datetime | None = None,
    until: str | date | datetime | None = None,
    hidden: bool | None = None,
    limit: int = 1000,
) -> pd.DataFrame:
    """Return snapshots as a DataFrame, the newest first.

    Parameters
    ----------
    message : a part of the message, in upper or lower case.
    label, namespace : as they are.
    notebook : its path in the project, or the end of it, such as its name.
    run : id or name; the snapshots that were taken in it, before it and after it.
    since, until : a datetime, a date, ISO 8601 text such as "2026-01-31", or how long ago: "2d", "3h", "30min".
    hidden : also those that are hidden, as runs make them by themselves; by default only when `run` is given.
    limit : most rows.

    Raises
    ------
    RenexError : `invalid_argument`, and `not_found` for a run that is none.
    """
    words = {"message": message, "label": label, "notebook": notebook, "namespace": namespace}
    for name, word in words.items():
        if word is not None:
            text_argument(word, f"the {name} of a snapshot", "Use a text.")
    if type(limit) is not int or limit < 1:
        raise invalid_argument(f"limit {shown(limit)} is no number of rows.", "Give a whole number from 1.")
    read = current().store.reader
    wanted = snapshot_lists.Wanted(
        **words,
        run_id=None if run is None else find_object(read, run, (RUN,))[1],
        since=None if since is None else moment_of(since, "since"),
        until=None if until is None else moment_of(until, "until"),
        hidden=run is not None if hidden is None else hidden,
    )
    return snapshot_lists.list_snapshots(read, wanted, limit)


def update_snapshot(
    snapshot_id: str | Snapshot, *, message: str | None = None, label: str | None = None, hidden: bool | None = None
) -> Snapshot:
    """Change the words of a snapshot, or hide it from lists; its state and its id stay.

    Parameters
    ----------
    message, label : an empty text takes the word away. A label that another snapshot has is taken from that one.
    hidden : whether lists pass it over unless they are asked for hidden ones.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`, `locked`.
    """
    if message is None and label is None and hidden is None:
        raise invalid_argument("nothing to change.", "Give a message, a label, or whether it is hidden.")
    check_words(message, label)
    if hidden is not None and not isinstance(hidden, bool):
        raise invalid_argument(f"hidden {shown(hidden)} is neither True nor False.", "Use one of both.")
    store = current().store
    found = get_snapshot(snapshot_id)
    with alone(store):
        before = get_snapshot(found.snapshot_id)  # another kernel may have changed or deleted it by now
        given = {"message": message and redact_text(message), "label": label, "hidden": hidden}
        after: dict[str, Any] = {
            name: None if value == "" else value for name, value in given.items() if value is not None
        }
        after = {name: value for name, value in after.items() if value != getattr(before, name)}
        was = {name: getattr(before, name) for name in after}
        changes = [Change("snapshots", before.snapshot_id, "update", after, was, before.namespace)] if after else []
        if label:
            changes += taken_from_others(store, label, before.snapshot_id, before.namespace)
        if changes:
            store.write(*changes)
    return dataclasses.replace(before, **after)


def delete_snapshot(snapshot_id: str | Snapshot, *, dry_run: bool = False) -> Deleted:
    """Delete a snapshot. What only it held is freed by the next `gc`.

    The journal goes on to say that there was one, with its words; to take it out for good there is `purge`.

    Parameters
    ----------
    snapshot_id : id or unique prefix, or a label that nothing else has.
    dry_run : only say what would go.

    Raises
    ------
    RenexError : `conflict` for the state before or after a run, which goes with its run, and for one that an unfinished
        checkout needs; `not_found`, `ambiguous`, `locked`.
    """
    session = current()
    store = session.store
    found = find_only(store.reader, snapshot_id, (SNAPSHOT,))[1]
    if dry_run:
        return Deleted(True, _deletable(found))
    with alone(store):
        record = _deletable(found)
        was = {name: value for name, value in fields(record).items() if name not in BULKY}
        store.write(Change("snapshots", found, "delete", {}, was, record.namespace))
    if session.last_snapshot_id == found:
        session.last_snapshot_id = record.parent_id
    return Deleted(False, record)


def _deletable(snapshot_id: str) -> Snapshot:
    read = current().store.reader
    record = query.get_snapshot(read, snapshot_id)
    check_not_needed(current().store, snapshot_id)
    run = snapshot_lists.run_of_state(read, snapshot_id)
    if run is not None:
        raise RenexError(
            "conflict",
            f"snapshot {short(snapshot_id)} is the state {run['side']} run '{run['name']}' ({short(run['run_id'])}).",
            f"It goes with its run: %renex purge {short(run['run_id'])} --yes",
        )
    return record
