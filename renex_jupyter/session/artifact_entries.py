"""What an artifact consists of: the entries of a folder, and the contents that it names."""

from __future__ import annotations

from renex_jupyter.capture.files import Uploaded
from renex_jupyter.errors import RenexError, warn
from renex_jupyter.ids import content_id
from renex_jupyter.records.artifacts import Artifact, ArtifactFile
from renex_jupyter.tasks.plan import RESERVED, safe_parts

LEFT_OUT = frozenset(each.casefold() for each in RESERVED)  # names of what no artifact has in it
MOST_FILES = 50_000  # of one folder: they stand in one record


def entries_of(uploaded: Uploaded, *, tell: bool = True) -> tuple[ArtifactFile, ...]:
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
