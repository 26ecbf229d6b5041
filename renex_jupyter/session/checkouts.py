"""Bring a kept state back into a folder."""

from __future__ import annotations

import os
from pathlib import Path

from renex_jupyter.ids import short
from renex_jupyter.query import snapshots as query
from renex_jupyter.records.changes import Change
from renex_jupyter.session import purges
from renex_jupyter.session.current import current
from renex_jupyter.session.diffs import find_state
from renex_jupyter.tasks.checkout import CheckoutResult, write_tree


def checkout(snapshot_id: str, to: str | os.PathLike[str] | None = None, *, force: bool = False) -> CheckoutResult:
    """Write the notebook and the files of a snapshot (or of a run's state) into a folder.

    Parameters
    ----------
    snapshot_id : id, unique prefix or label of a snapshot; or a run.
    to : folder, relative to the notebook's; None: `checkout-<id>` in the project.
    force : overwrite files of that folder; without it a folder that is not empty is refused.

    Raises
    ------
    RenexError : `conflict`, `not_found`, `unsafe_path`, `corrupt`. The folder is put in place whole or not at all. What was
        purged from the snapshot is left out, and told in `skipped` with the date.
    """
    session = current()
    read = session.store.reader
    snapshot = query.get_snapshot(read, find_state(session, snapshot_id))
    here = session.notebook.parent if session.notebook else Path.cwd()
    target = here / to if to is not None else session.project / f"checkout-{short(snapshot.snapshot_id)}"
    files = query.snapshot_files(read, snapshot.snapshot_id)
    result = write_tree(
        files,
        session.store.blobs,
        target,
        snapshot_id=snapshot.snapshot_id,
        force=force,
        gone=purges.gone(session.store, {entry.sha256 for entry in files}),
    )
    after = {"path": str(target), "files": result.files}
    session.store.write(Change("snapshots", snapshot.snapshot_id, "checkout", after, namespace=snapshot.namespace))
    return result
