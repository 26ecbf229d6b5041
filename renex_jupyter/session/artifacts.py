"""Artifacts: keep files, folders and bytes with what they belong to, list them, take them away.

The order of writing is: contents, then the record that names them. Whoever is killed in between leaves contents that
nothing names, which a collection frees, and never a record whose contents are missing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renex_jupyter.capture import files
from renex_jupyter.capture.secrets import is_secret_file, redact_text
from renex_jupyter.errors import RenexError, invalid_argument, shown, text_argument, warn
from renex_jupyter.ids import content_id, new_id, short
from renex_jupyter.query import artifacts as query
from renex_jupyter.query.owners import find_owner
from renex_jupyter.records.artifacts import TRACKED, UPLOADED, Artifact, ArtifactFile
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.deletions import DeletedArtifact
from renex_jupyter.records.owners import Owner
from renex_jupyter.records.paths import to_text
from renex_jupyter.session import purges
from renex_jupyter.session.alone import alone
from renex_jupyter.session.artifact_words import (
    checked_kind,
    checked_name,
    checked_path,
    checked_step,
    default_name,
    kept_metadata,
    mime_of,
    place,
)
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.runs import active_run, start_run
from renex_jupyter.store.store import Store
from renex_jupyter.tasks.plan import RESERVED, safe_parts

if TYPE_CHECKING:
    import pandas as pd

LEFT_OUT = frozenset(each.casefold() for each in RESERVED)  # names of what no artifact has in it
MOST_FILES = 50_000  # of one folder: they stand in one record
# What is the caller's own mistake is an error; everything else must not stop a training program.
MISTAKES = frozenset({"invalid_argument", "not_found", "ambiguous", "unsupported_value", "unsafe_path"})


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
    with kept_or_told(f"artifact '{chosen}'"):
        owner, run_id = owner_of(session, on)
        return keep_path(
            session, path, name=chosen, kind=kind, step=step, metadata=metadata, owner=owner, run_id=run_id
        )
    return None  # type: ignore[unreachable]  # mypy does not see that the block may swallow


def keep_bytes(
    session: Session,
    data: bytes,
    *,
    name: str,
    kind: str,
    mime: str | None,
    step: int | None = None,
    metadata: Mapping[str, Any] | None = None,
    on: object = None,
) -> Artifact:
    """Keep bytes as an artifact of the open run, or of what `on` means.

    Raises
    ------
    RenexError : `invalid_argument` for a name that is none, `conflict` for a content that was purged, and what the
        store says. Wrap it in `kept_or_told` where a program must go on.
    """
    name = checked_name(name)
    owner, run_id = owner_of(session, on)
    session.begin()
    purged_at = session.store.layout.purged_at()
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 in purges.contents_gone(session.store):
        raise RenexError(
            "conflict", f"what '{name}' holds was purged.", "Take the secret out of it, then log it again."
        )
    record = Artifact(
        artifact_id=new_id(),
        owner_kind=owner.kind,
        owner_id=owner.id,
        name=name,
        mode=UPLOADED,
        created_at=now(),
        kind=kind,
        run_id=run_id,
        sha256=session.store.blobs.put(data),
        size=len(data),
        mime=mime,
        step=checked_step(step),
        metadata=kept_metadata(metadata, name),
    )
    return write(session, record, owner, purged_at)


def keep_path(
    session: Session,
    path: Path,
    *,
    name: str,
    owner: Owner,
    run_id: str | None,
    kind: str | None = None,
    step: int | None = None,
    metadata: Mapping[str, Any] | None = None,
    more: Callable[[Artifact], Sequence[Change]] = lambda _: (),
) -> Artifact:
    """Keep a file or a folder as an artifact of an owner; see `log_artifact`, but everything that fails is an error.

    Parameters
    ----------
    more : called when its contents are kept; returns the changes that are written at once with its record.
    """
    session.begin()
    store, purged_at = session.store, session.store.layout.purged_at()
    uploaded = files.upload(path, store.layout.blobs, purged=purges.contents_gone(store), reserved=LEFT_OUT)
    record = artifact_of(uploaded, name, owner, run_id, mode=UPLOADED, kind=kind, step=step, metadata=metadata)
    record = replace(record, uri=place(session, path))
    if not uploaded.is_folder and is_secret_file(path.name):
        warn(f"'{to_text(path.name)}' is named like a secret and is kept, because it was named itself.")
    return write(session, record, owner, purged_at, more(record))


def artifact_of(
    uploaded: files.Uploaded,
    name: str,
    owner: Owner,
    run_id: str | None,
    *,
    mode: str,
    kind: str | None = None,
    step: int | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Artifact:
    """Return the record of what was read.

    Raises
    ------
    RenexError : `too_large`, `unsafe_path` for a name inside of it that could not be written anywhere.
    """
    entries = entries_of(uploaded)
    only = None if uploaded.is_folder else uploaded.entries[0]
    return Artifact(
        artifact_id=new_id(),
        owner_kind=owner.kind,
        owner_id=owner.id,
        name=name,
        mode=mode,
        created_at=now(),
        kind=checked_kind(kind) if kind is not None else "folder" if uploaded.is_folder else "file",
        run_id=run_id,
        sha256=only.sha256 if only else digest(entries),
        size=sum(each.size or 0 for each in entries) if only is None else only.size,
        mime=None if uploaded.is_folder else mime_of(name) or mime_of(uploaded.entries[0].path),
        step=checked_step(step),
        metadata=kept_metadata(metadata, name),
        files=None if only else entries,
    )


def keep_again(
    session: Session,
    artifact: Artifact,
    *,
    owner: Owner,
    run_id: str | None,
    name: str | None = None,
    kind: str | None = None,
) -> Artifact:
    """Record an artifact once more as that of another owner; no content is copied.

    Raises
    ------
    RenexError : `not_found` when a content is there no more.
    """
    session.begin()
    store, purged_at = session.store, session.store.layout.purged_at()
    if artifact.mode == UPLOADED:
        for sha256 in contents_of(artifact):
            if not store.blobs.has(sha256):
                hint = "Log it again, or restore the store from a backup."
                raise RenexError("not_found", f"the content {sha256[:8]} of {artifact.title} is gone.", hint)
    record = replace(
        artifact,
        artifact_id=new_id(),
        owner_kind=owner.kind,
        owner_id=owner.id,
        run_id=run_id,
        created_at=now(),
        name=name or artifact.name,
        kind=kind or artifact.kind,
    )
    return write(session, record, owner, purged_at)


def write(session: Session, record: Artifact, owner: Owner, purged_at: int, more: Sequence[Change] = ()) -> Artifact:
    """Write the record of an artifact whose contents are in the store, together with what else names it.

    Parameters
    ----------
    purged_at : when something was last purged, as it was before the contents were put.
    """
    store = session.store
    action = "track" if record.mode == TRACKED else "upload"
    store.write(Change("artifacts", record.artifact_id, action, fields(record), namespace=owner.namespace), *more)
    if store.layout.purged_at() != purged_at and record.mode == UPLOADED:  # beside us: its content may be gone
        purges.note_again(store, contents_of(record))
    return record


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


def owner_of(session: Session, on: object) -> tuple[Owner, str | None]:
    """Return what an artifact belongs to, and the id of the run in which it is logged.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`; what the store says when no run can be opened.
    """
    active = active_run() if on is None else session.innermost
    if on is not None:
        owner = on if isinstance(on, Owner) else find_owner(session.store.reader, on, session.namespace)
        return owner, owner.run_id or (active.run_id if active else None)
    if active is None:
        active = start_run()
        said = f"no run was open, so '{active.name}' ({short(active.run_id)}) was started; rx.end_run() ends it."
        print(f"renex: {said}")
    run = active.run
    return Owner("run", run.run_id, run.namespace, f"run '{run.name}' ({short(run.run_id)})"), run.run_id


@contextmanager
def kept_or_told(what: str) -> Iterator[None]:
    """Let a fault of the store, or of a value, become one warning that says what is not kept; a mistake stays an error."""
    try:
        yield
    except RenexError as error:
        if error.code in MISTAKES:
            raise
        warn(f"{what} is NOT kept: {redact_text(error.line)}")
    except OSError as error:
        warn(f"{what} is NOT kept: {redact_text(str(error))}")


def entries_of(uploaded: files.Uploaded, *, tell: bool = True) -> tuple[ArtifactFile, ...]:
    """Return the entries of a folder that was read; what was left out of it is told.

    Raises
    ------
    RenexError : `too_large`, `unsafe_path`.
    """
    if len(uploaded.entries) > MOST_FILES:
        fact = f"a folder of {len(uploaded.entries):,} files; at most {MOST_FILES:,} of one artifact."
        raise RenexError("too_large", fact, "Pack them into one file (tar, zip), or log its folders one by one.")
    if uploaded.left_out and tell:
        first = uploaded.left_out[0]
        more = f", and {len(uploaded.left_out) - 1} more" if uploaded.left_out[1:] else ""
        warn(f"'{first.path}' is left out: {first.reason}{more}. Log a file by its own path to keep it anyway.")
    for each in uploaded.entries:
        safe_parts(each.path)
    return tuple(ArtifactFile(e.path, e.kind, e.sha256, e.size, e.mode) for e in uploaded.entries)


def digest(entries: tuple[ArtifactFile, ...]) -> str:
    """Return the SHA-256 of a folder, over the paths, modes and contents of all its entries."""
    return content_id(said for e in entries for said in (e.path, e.kind, e.mode, e.sha256))


def contents_of(artifact: Artifact) -> list[str]:
    """Return the SHA-256 of all contents that an artifact names."""
    named = [each.sha256 for each in artifact.files] if artifact.files is not None else [artifact.sha256]
    return [each for each in named if each]
