"""Contents on their way into the store: files, folders and bytes, kept as artifacts of what they belong to.

The order of writing is: contents, then the record that names them. Whoever is killed in between leaves contents that
nothing names, which a collection frees, and never a record whose contents are missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from renex_jupyter.capture import files
from renex_jupyter.capture.secrets import is_secret_file, redact_text
from renex_jupyter.errors import RenexError, warn
from renex_jupyter.ids import new_id, short
from renex_jupyter.query.owners import find_owner
from renex_jupyter.records.artifacts import TRACKED, UPLOADED, Artifact
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.owners import Owner
from renex_jupyter.records.paths import to_text
from renex_jupyter.records.snapshots import Finding
from renex_jupyter.session import findings, purges
from renex_jupyter.session.artifact_entries import LEFT_OUT, contents_of, digest, entries_of
from renex_jupyter.session.artifact_words import (
    checked_kind,
    checked_name,
    checked_step,
    kept_metadata,
    mime_of,
    place,
)
from renex_jupyter.session.current import Session
from renex_jupyter.session.runs import active_run, start_run

# What is the caller's own mistake is an error; everything else must not stop a training program.
MISTAKES = frozenset({"invalid_argument", "not_found", "ambiguous", "unsupported_value", "unsafe_path"})


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
    purged_at, uri = session.store.layout.purged_at(), place(session, path)
    uploaded = taken(session, path, uri)
    record = artifact_of(uploaded, name, owner, run_id, mode=UPLOADED, kind=kind, step=step, metadata=metadata)
    record = replace(record, uri=uri)
    if not uploaded.is_folder and is_secret_file(path.name):
        warn(f"'{to_text(path.name)}' is named like a secret and is kept, because it was named itself.")
    return write(session, record, owner, purged_at, more(record))


def taken(session: Session, path: Path, said: str) -> files.Uploaded:
    """Keep the contents of a file or a folder; what looks like a secret in them is told, or refused, as in a snapshot.

    Parameters
    ----------
    said : the path, as a message names it.

    Raises
    ------
    RenexError : `conflict` where `Renex.secrets_in_files` is "block"; and as `files.upload`.
    """
    store = session.store
    if findings.blocked():
        findings.refuse(_findings(files.upload(path, None, reserved=LEFT_OUT), said))
    uploaded = files.upload(path, store.layout.blobs, purged=purges.contents_gone(store), reserved=LEFT_OUT)
    findings.tell(session, _findings(uploaded, said))
    return uploaded


def _findings(uploaded: files.Uploaded, said: str) -> list[Finding]:
    if findings.ignored():
        return []
    if not uploaded.is_folder:
        return [replace(each, path=said) for each in uploaded.findings]
    return [replace(each, path=f"{said}/{each.path}") for each in uploaded.findings]


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
