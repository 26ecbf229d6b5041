"""Tracked artifacts: where a thing lies, with its checksum and size, and whether it is still what it was.

A file or folder of this machine is read by a process of its own, as all files of the user are. Anything else is read
through fsspec, where that is installed, with the credentials that its libraries find by themselves; none are kept.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from renex_jupyter.capture import files
from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import RenexError, invalid_argument, shown, text_argument, told, warn
from renex_jupyter.ids import SHA256, new_id, short
from renex_jupyter.records.artifacts import TRACKED, Artifact, ArtifactCheck
from renex_jupyter.records.changes import now
from renex_jupyter.records.owners import Owner
from renex_jupyter.records.paths import from_text, to_text
from renex_jupyter.session import artifact_entries, artifact_words, uploads
from renex_jupyter.session.current import Session, current
from renex_jupyter.store.blobs import CHUNK, Blobs, Readable

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
URI_HINT = 'Give a path, or a URI such as "s3://bucket/data.csv" or "https://host/data.csv".'
INSTALL = "pip install 'renex_jupyter[remote]', for gs:// also gcsfs."
CREDENTIALS = "Look at the URI, the connection, and the credentials that fsspec finds in the environment."
CHECKSUM_HINT = "Give the 64 hex digits that sha256sum prints."


def track_artifact(
    uri: str | os.PathLike[str],
    name: str | None = None,
    *,
    sha256: str | None = None,
    size: int | None = None,
    kind: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    on: object = None,
) -> Artifact | None:
    """Record where something lies, with its checksum and size, and copy nothing.

    What cannot be read, or not be recorded, is told with a warning and does not stop the program.

    Parameters
    ----------
    uri : path of a file or folder, or `file://`, and through fsspec `s3://`, `gs://`, `https://` and others. Passwords
        and signatures in it are not kept.
    name : under which it is found again; None: the last part of the path.
    sha256, size : checksum and bytes where you know them: it is not read then. None: both are found out where it can be
        read, else they stay unknown, as a warning says.
    kind, metadata, on : as in `log_artifact`.

    Returns
    -------
    The artifact; None when it could not be recorded, as the warning says.

    Raises
    ------
    RenexError : `not_found` for a path where nothing is, unless a checksum is given; `invalid_argument`.
    """
    given = _checked_uri(uri)
    known = _checked_sha256(sha256)
    if size is not None and (type(size) is not int or size < 0):
        raise invalid_argument(f"size {shown(size)} is no number of bytes.", "Give a whole number from 0.")
    local = _local(given)
    if local is not None and known is None:
        artifact_words.checked_path(local)
    chosen = artifact_words.checked_name(name) if name is not None else _default_name(given, local)
    session = current()
    with uploads.kept_or_told(f"artifact '{chosen}'"):
        owner, run_id = uploads.owner_of(session, on)
        session.begin()
        record = _empty(chosen, owner, run_id, artifact_words.place(session, local) if local else redact_text(given))
        record = replace(
            record,
            sha256=known,
            size=size,
            kind=artifact_words.checked_kind(kind) if kind is not None else "file",
            mime=artifact_words.mime_of(chosen),
            metadata=artifact_words.kept_metadata(metadata, chosen),
        )
        if known is None:
            record = _with_checksum(record, given, local, named=kind is not None)
        return uploads.write(session, record, owner, session.store.layout.purged_at())
    return None  # type: ignore[unreachable]  # mypy does not see that the block may swallow


def local_path(session: Session, record: Artifact) -> Path | None:
    """Return where a tracked file or folder of this machine lies; None for anything else."""
    uri = from_text(record.uri or "")
    path = _local(uri)
    return None if path is None else session.project / path


def verify(session: Session, record: Artifact) -> ArtifactCheck:
    """Hash a tracked thing again and compare."""
    path = local_path(session, record)
    if path is not None and not os.path.lexists(path):
        return ArtifactCheck(record, "missing", f"nothing is at {to_text(str(path))}")
    try:
        seen = _read(record, path) if path is not None else _read_remote(record, record.uri or "")
    except _MissingError as error:
        return ArtifactCheck(record, "missing", str(error))
    except RenexError as error:
        if error.code == "conflict":
            return ArtifactCheck(record, "changed", error.message)
        missing = error.code == "not_found"
        return ArtifactCheck(record, "missing" if missing else "unreachable", error.line)
    return _compared(record, seen)


def _compared(record: Artifact, seen: Artifact) -> ArtifactCheck:
    if record.size is not None and seen.size != record.size:
        return ArtifactCheck(record, "changed", f"it has {seen.size:,} bytes now, it had {record.size:,}")
    if record.sha256 is None:
        return ArtifactCheck(
            record, "ok", "it is there; no checksum was recorded that its content can be compared with"
        )
    if seen.sha256 == record.sha256:
        return ArtifactCheck(record, "ok", f"its SHA-256 is still {short(record.sha256)}...")
    if record.files is not None and seen.files is not None:
        return ArtifactCheck(record, "changed", _first_difference(record, seen))
    return ArtifactCheck(
        record, "changed", f"its SHA-256 is {short(seen.sha256)}... now, it was {short(record.sha256)}..."
    )


def _first_difference(record: Artifact, seen: Artifact) -> str:
    old, new = ({each.path: each for each in made.files or ()} for made in (record, seen))
    path = min(path for path in {*old, *new} if old.get(path) != new.get(path))
    how = "is new" if path not in old else "is gone" if path not in new else "is another one"
    more = sum(old.get(each) != new.get(each) for each in {*old, *new}) - 1
    return f"'{path}' {how}" + (f", and {more:,} more" if more else "")


def no_more(check: ArtifactCheck) -> RenexError:
    """Return the refusal to hand out what is no more what it was."""
    code = {"changed": "conflict", "missing": "not_found"}.get(check.verdict, "environment_unavailable")
    return RenexError(
        code, f"{check.artifact.title} is {check.verdict}: {check.reason}.", "Track it anew as it is now."
    )


def read_into(session: Session, record: Artifact, blobs: Blobs) -> Artifact:
    """Take a copy of a tracked thing into a folder of contents, verified; return it as it is there.

    Raises
    ------
    RenexError : `conflict` when it is no more what it was, `not_found`, `environment_unavailable`.
    """
    path = local_path(session, record)
    try:
        seen = _read(record, path, blobs) if path is not None else _read_remote(record, record.uri or "", blobs)
    except _MissingError as error:
        raise no_more(ArtifactCheck(record, "missing", str(error))) from error
    check = _compared(record, seen)
    if not check:
        raise no_more(check)
    if record.sha256 is None:
        warn(f"{record.title} has no checksum; what was read is not verified.")
    return seen


class _MissingError(Exception):
    """There is nothing at a URI; the text says so."""


def _with_checksum(record: Artifact, uri: str, local: Path | None, *, named: bool) -> Artifact:
    """Return a record with what reading finds out; what cannot be read is told."""
    try:
        found = _read(record, local) if local is not None else _read_remote(record, uri)
    except (_MissingError, RenexError) as error:
        why = redact_text(error.line if isinstance(error, RenexError) else str(error))
        warn(f"artifact '{record.name}' has no checksum, because it cannot be read here: {why}")
        return record
    kind = "folder" if found.files is not None and not named else record.kind
    return replace(record, sha256=found.sha256, size=found.size, files=found.files, kind=kind)


def _read(record: Artifact, path: Path, blobs: Blobs | None = None) -> Artifact:
    """Return a tracked file or folder of this machine as it is now."""
    found = files.upload(path, blobs.folder if blobs else None, hide_secrets=False, reserved=artifact_entries.LEFT_OUT)
    if not found.is_folder:
        only = found.entries[0]
        return replace(record, sha256=only.sha256, size=only.size, files=None)
    entries = artifact_entries.entries_of(found, tell=False)
    return replace(
        record, sha256=artifact_entries.digest(entries), size=sum(each.size or 0 for each in entries), files=entries
    )


def _read_remote(record: Artifact, uri: str, blobs: Blobs | None = None) -> Artifact:
    """Return what is at a URI as it is now.

    Raises
    ------
    RenexError : `environment_unavailable`; `_MissingError`.
    """
    with _opened(uri) as source:
        if blobs is not None:
            sha256, size = blobs.put_stream(source)
            return replace(record, sha256=sha256, size=size, files=None)
        digest, size = hashlib.sha256(), 0
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
        return replace(record, sha256=digest.hexdigest(), size=size, files=None)


@contextmanager
def _opened(uri: str) -> Iterator[Readable]:
    """Give the bytes at a URI; whatever a library of others raises is an answer that it cannot be read."""
    try:
        fsspec: Any = import_module("fsspec")
    except ImportError:
        fact = f"fsspec is not installed, which reads {redact_text(uri)}."
        raise RenexError("environment_unavailable", fact, INSTALL) from None
    try:
        with fsspec.open(uri, "rb") as source:
            yield source
    except FileNotFoundError as error:
        cause = error.__cause__  # fsspec says so of a server that cannot be reached, too
        if isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError):
            fact = f"{redact_text(uri)} cannot be reached: {redact_text(told(cause))}."
            raise RenexError("environment_unavailable", fact, "Look whether the machine is connected.") from error
        raise _MissingError(f"nothing is at {redact_text(uri)}") from error
    except RenexError:
        raise
    except Exception as error:
        fact = f"{redact_text(uri)} cannot be read: {redact_text(told(error))}."
        raise RenexError(
            "environment_unavailable", fact, INSTALL if isinstance(error, ImportError) else CREDENTIALS
        ) from error


def _empty(name: str, owner: Owner, run_id: str | None, uri: str) -> Artifact:
    return Artifact(
        artifact_id=new_id(),
        owner_kind=owner.kind,
        owner_id=owner.id,
        name=name,
        mode=TRACKED,
        created_at=now(),
        run_id=run_id,
        uri=uri,
    )


def _checked_uri(uri: object) -> str:
    text = os.fspath(uri) if isinstance(uri, os.PathLike) else uri
    if isinstance(text, str) and not SCHEME.match(text):
        if not text.strip() or "\0" in text:
            raise invalid_argument(f"{shown(uri)} is no URI.", URI_HINT)
        return str(Path(text).expanduser().absolute())
    text = text_argument(text, "a path or a URI", URI_HINT)
    if "\0" in text or any(each.isspace() for each in text):
        raise invalid_argument(f"{shown(uri)} is no URI.", URI_HINT)
    return text


def _local(uri: str) -> Path | None:
    """Return the path that a URI, or a path, means on this machine."""
    found = SCHEME.match(uri)
    if found is None:
        return Path(uri)
    if found[1].lower() != "file":
        return None
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise invalid_argument(f"{shown(uri)} lies on another machine.", "Give a path that this one has mounted.")
    return Path(url2pathname(parts.path))


def _default_name(uri: str, local: Path | None) -> str:
    if local is not None:
        return artifact_words.default_name(local)
    parts = urlsplit(uri)
    return artifact_words.checked_name(redact_text(parts.path.rstrip("/").rpartition("/")[2] or parts.netloc or uri))


def _checked_sha256(sha256: object) -> str | None:
    if sha256 is None:
        return None
    text = text_argument(sha256, "a SHA-256", CHECKSUM_HINT).strip().lower()
    if not SHA256.fullmatch(text):
        raise invalid_argument(f"{shown(sha256)} is no SHA-256.", CHECKSUM_HINT)
    return text
