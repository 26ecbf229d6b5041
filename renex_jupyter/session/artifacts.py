"""Artifacts: files and folders that are kept with what they belong to, listed, and taken away."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from renex_jupyter.errors import RenexError, invalid_argument, shown, text_argument
from renex_jupyter.query import artifacts as query
from renex_jupyter.query.owners import find_owner
from renex_jupyter.records.artifacts import TRACKED, UPLOADED, Artifact
from renex_jupyter.records.changes import Change, fields
from renex_jupyter.records.deletions import DeletedArtifact
from renex_jupyter.session import uploads
from renex_jupyter.session.alone import alone
from renex_jupyter.session.artifact_words import checked_name, checked_path, default_name
from renex_jupyter.session.current import current
from renex_jupyter.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


def log_artifact(
    path: str | os.PathLike[str],
    name: str | None = None,
    *,
    kind: str | None = None,
    step: int | None = None,
    metadata: Mapping[str, Any] | None = None,
    on: object = None,
) -> Artifact | None:
    """Keep a file or a folder as it is now; the same content is kept once, however often it is logged.

    What a disk or a changing file does not allow is told with a warning and does not stop the program. A link inside of
    a folder stays a link. Left out of a folder, with a warning, is what is named like a secret, and version control.

    Parameters
    ----------
    path : a file or a folder, relative to the working folder; a link that is named itself is followed.
    name : under which it is found again, with slashes where you like; None: the name of the file.
    kind : what it is, such as "model"; None: "file" or "folder".
    step : at which it was made.
    metadata : whatever else JSON can say; secrets are taken out.
    on : what it belongs to (a run, a model version, "experiment:digits", ...); None: the open run, which is opened if
        there is none.

    Returns
    -------
    The artifact; None when it could not be kept, as the warning says.

    Raises
    ------
    RenexError : `not_found` for a path where nothing is, `invalid_argument`.
    """
    path = checked_path(path)
    chosen = checked_name(name) if name is not None else default_name(path)
    session = current()
    with uploads.kept_or_told(f"artifact '{chosen}'"):
        owner, run_id = uploads.owner_of(session, on)
        return uploads.keep_path(
            session, path, name=chosen, kind=kind, step=step, metadata=metadata, owner=owner, run_id=run_id
        )
    return None  # type: ignore[unreachable]  # mypy does not see that the block may swallow


def get_artifact(artifact: str | Artifact) -> Artifact:
    """Return an artifact by id, unique prefix or name (the newest of that name), or what has one, as a checkpoint.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    read = current().store.reader
    return query.get_artifact(read, query.find_artifact(read, artifact))


def list_artifacts(
    on: object = None, *, kind: str | None = None, name: str | None = None, mode: str | None = None
) -> pd.DataFrame:
    """Return artifacts as a DataFrame, the newest first.

    Parameters
    ----------
    on : what they belong to, such as a run; None: all of the store.
    kind : such as "model".
    name : as it is, or a pattern such as "models/*".
    mode : "uploaded" or "tracked".
    """
    for said, word in (("kind", kind), ("name", name), ("mode", mode)):
        if word is not None:
            text_argument(word, f"the {said} of an artifact", "Use a text.")
    if mode not in (None, UPLOADED, TRACKED):
        raise invalid_argument(f"mode {shown(mode)} is none.", f'Use "{UPLOADED}" or "{TRACKED}".')
    session = current()
    read = session.store.reader
    owners = None
    if on is not None:
        owner = find_owner(read, on, session.namespace)
        owners = [(owner.kind, owner.id)]
    return query.list_artifacts(read, owners, kind=kind, name=name, mode=mode)


def delete_artifact(artifact: str | Artifact, dry_run: bool = False) -> DeletedArtifact:
    """Delete an artifact. What only it held is freed by the next `gc`; a tracked thing itself is never touched.

    Parameters
    ----------
    dry_run : only say what would go.

    Raises
    ------
    RenexError : `conflict` while a checkpoint or a model version has it; `not_found`, `ambiguous`, `locked`.
    """
    store = current().store
    record = get_artifact(artifact)
    if dry_run:
        _check_free(store, record)
        return DeletedArtifact(True, record)
    with alone(store, what="the artifacts"):
        _check_free(store, record)
        remove(store, record)
    return DeletedArtifact(False, record)


def remove(store: Store, record: Artifact, *more: Change) -> None:
    """Record that an artifact is deleted, at once with what else goes; whoever calls has looked who needs it."""
    was = {name: value for name, value in fields(record).items() if name != "files"}
    namespace = query.namespace_of(store.reader, record)
    store.write(*more, Change("artifacts", record.artifact_id, "delete", {}, was, namespace))


def _check_free(store: Store, record: Artifact) -> None:
    held = query.holders(store.reader, record.artifact_id)
    if held:
        raise RenexError(
            "conflict",
            f"{record.title} is what {held[0]} holds{f', and {len(held) - 1} more' if held[1:] else ''}.",
            "Delete that one: rx.delete_checkpoint(...) or rx.delete_model_version(...).",
        )
