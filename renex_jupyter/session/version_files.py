"""Bring the contents of a model version to a place where they can be opened, and note who did."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from renex_jupyter.errors import RenexError, warn
from renex_jupyter.query import artifacts as artifact_query
from renex_jupyter.query import models as query
from renex_jupyter.records.changes import Change
from renex_jupyter.records.models import RETIRED, Model, ModelVersion
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.downloads import NOT_OURS, bring, checked_place, note_link


def load_model(
    ref: str | ModelVersion | Model, to: str | os.PathLike[str] | None = None, *, force: bool = False
) -> Path:
    """Write the contents of a version to a place where they can be opened, each byte verified, and return the path.

    Nothing is unpickled or run: open it with the library that wrote it. Who loaded which version, where and in which run
    is kept as a change event. Where the store can only be read nothing is noted, and what is not in its cache yet needs a
    place elsewhere.

    Parameters
    ----------
    ref : `digits@champion`, `vision/digits:3`, ...; the name of a model alone means its latest version.
    to : as `download_artifact` takes it; None: a cache of the store's own, which several processes may use at once.
    force : replace what is there with another content.

    Returns
    -------
    The path of the file, or of the folder, as it was registered.

    Raises
    ------
    RenexError : `not_found` with what is near, `ambiguous`, `invalid_argument`; `corrupt` for a content that is damaged,
        `conflict` for what is there; nothing is written then.
    """
    session = current()
    place = None if to is None else checked_place(to)
    read = session.store.reader
    row = query.find_version(read, ref, session.namespace)
    said = f"{row['namespace']}/{row['model']}:{row['version']}"
    found = read.rows("select * from inside.artifacts where artifact_id = ?", [row["artifact_id"]])
    if not found:
        why = f"it is {row['status']}" if row["status"] else "its artifact is recorded no more"
        raise RenexError("not_found", f"the contents of '{said}' are there no more: {why}.", "Load another version.")
    path = bring(session, artifact_query.as_artifact(found[0]), place, force=force)
    if row["status"] == RETIRED:
        decisions = query.decisions_on(read, row["model_version_id"])
        warn(f"'{said}' is retired{f': {decisions[-1].reason}' if decisions else ''}.")
    _note(session, row, path, ref)
    return path


def _note(session: Session, row: Mapping[str, Any], path: Path, asked: object) -> None:
    """Record who loaded a version and where; a store that can only be read takes no notes."""
    active = session.innermost
    # Keys that are no columns of a version: a change sets the columns that it names.
    after: dict[str, Any] = {"to": str(path), "host": platform.node()}
    after |= {"asked": asked} if isinstance(asked, str) else {}
    after |= {"in_run": active.run_id} if active is not None else {}
    try:
        session.begin()
        change = Change("model_versions", row["model_version_id"], "download", after, namespace=row["namespace"])
        session.store.write(change)
        if active is not None and active.run_id != row["run_id"]:
            note_link(session, active.run_id, "model_version", row["model_version_id"], row["namespace"])
    except RenexError as error:
        if error.code not in NOT_OURS:
            warn(f"that '{row['model']}:{row['version']}' was loaded is not recorded: {error.line}")
