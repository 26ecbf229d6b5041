"""Bring a kept state back, into a folder or into the project itself."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from renex_jupyter.errors import RenexError, invalid_argument, warn
from renex_jupyter.ids import short
from renex_jupyter.query import snapshots as query
from renex_jupyter.records import display
from renex_jupyter.records.changes import Change
from renex_jupyter.records.snapshots import FileEntry, Snapshot
from renex_jupyter.session import purges
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.diffs import find_state
from renex_jupyter.session.in_place import checkout_in_place
from renex_jupyter.tasks.checkout import CheckoutResult, write_tree

# What a program reads, or runs, that is merely started in its folder.
RUN_UNASKED = re.compile(
    r"(?:.*/)?(?:(?:site|user)customize\.py|conftest\.py|jupyter_.*config\.(?:py|json)|ipython_.*config\.py"
    r"|\.(?:ipython|jupyter|vscode)/.*)",
    re.DOTALL,
)


def checkout(
    snapshot_id: str,
    to: str | os.PathLike[str] | None = None,
    *,
    in_place: bool = False,
    force: bool = False,
) -> CheckoutResult:
    """Bring back the notebook and the files of a snapshot (or of a run's state).

    Parameters
    ----------
    snapshot_id : id, unique prefix or label of a snapshot; or a run.
    to : folder, relative to the notebook's; None: `checkout-<id>` in the project.
    in_place : make the project itself become that state: files are replaced, and what the state has not is removed. A
        snapshot of all that is replaced or removed is taken first; the result names it. What no snapshot takes stays.
    force : overwrite files of a folder that is not empty; in place, replace a notebook that is open, and take a snapshot
        of another project.

    Raises
    ------
    RenexError : `conflict`, `not_found`, `unsafe_path`, `corrupt`, `locked`. A folder is put in place whole or not at all;
        a checkout in place that was cut off can be finished or taken back. What was purged from the snapshot is left
        out, and told in `skipped` with the date.
    """
    if in_place and to is not None:
        raise invalid_argument("in place is another place than a folder.", "Give to=... or in_place=True, not both.")
    session = current()
    read = session.store.reader
    snapshot = query.get_snapshot(read, find_state(session, snapshot_id))
    files = query.snapshot_files(read, snapshot.snapshot_id)
    notes = _foreign(session, snapshot, files)
    if in_place:
        result = checkout_in_place(session, snapshot, files, force=force, notes=notes)
    else:
        here = session.notebook.parent if session.notebook else Path.cwd()
        target = here / to if to is not None else session.project / f"checkout-{short(snapshot.snapshot_id)}"
        if not query.is_whole(read, snapshot.snapshot_id):
            notes = [*notes, "the list of its files is not whole in the store; renex fsck says what is missing"]
        gone = purges.gone(session.store, {entry.sha256 for entry in files})
        result = write_tree(
            files,
            session.store.blobs,
            target,
            snapshot_id=snapshot.snapshot_id,
            force=force,
            gone=gone,
            notes=notes,
        )
    after = {"path": result.path, "files": result.files, **({"in_place": True} if in_place else {})}
    change = Change("snapshots", snapshot.snapshot_id, "checkout", after, namespace=snapshot.namespace)
    try:
        session.store.write(change)
    except RenexError as error:  # the folder is there; a store that only can be read is read
        warn(f"{error.code}: {error.message} The checkout is not recorded.")
    if in_place:  # what comes next is a change of that state
        session.last_snapshot_id = snapshot.snapshot_id
    return result


def _foreign(session: Session, snapshot: Snapshot, files: Iterable[FileEntry]) -> list[str]:
    """Warn of files that run by themselves in a snapshot that somebody else took."""
    found = [entry.path for entry in files if RUN_UNASKED.fullmatch(entry.path)]
    if not found:
        return []
    rows = session.store.reader.rows(
        "select user_name from inside.sessions where session_id = ?", [snapshot.session_id]
    )
    whose = next((row["user_name"] for row in rows), None)
    if whose is None or whose == session.store.journal.actor:
        return []
    more = f" and {display.count(len(found) - 5, 'more file')}" if len(found) > 5 else ""
    return [f"{whose} took this snapshot; look at {', '.join(found[:5])}{more} before you start anything there"]
