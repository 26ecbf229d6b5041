"""What a checkout has to write, checked before anything is: names by their parts, contents by their presence."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from renex_jupyter.errors import RenexError
from renex_jupyter.records.paths import from_text
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.tasks.folders import Parts, unsafe

MARKER = ".renex-checkout"
RESERVED = frozenset({".git", ".renex", MARKER})
LONGEST_LINK = 4096  # bytes of a link's target, PATH_MAX on Linux
NOTHING: Mapping[str, str] = MappingProxyType({})
NOTEBOOK = "notebook"  # role of an entry whose mode nobody recorded


@dataclass(slots=True)
class Plan:
    """The tree that is to be there."""

    files: dict[Parts, FileEntry] = field(default_factory=dict)
    links: dict[Parts, FileEntry] = field(default_factory=dict)
    targets: dict[Parts, str] = field(default_factory=dict)  # of the links
    folders: dict[Parts, FileEntry] = field(default_factory=dict)  # empty ones
    skipped: list[tuple[str, str]] = field(default_factory=list)  # path, reason
    skipped_parts: set[Parts] = field(default_factory=set)

    @property
    def leaves(self) -> list[Parts]:
        """All files and links, ordered by folder."""
        return sorted([*self.files, *self.links], key=by_folder)

    def entry(self, parts: Parts) -> FileEntry | None:
        """Return the file or link of a path."""
        return self.files.get(parts) or self.links.get(parts)

    def skip(self, entry: FileEntry, parts: Parts, why: str) -> None:
        """Note a path that is not written."""
        self.skipped.append((entry.path, why))
        self.skipped_parts.add(parts)


def by_folder(parts: Parts) -> tuple[Parts, str]:
    """Order paths so that all entries of one folder follow each other."""
    return parts[:-1], parts[-1]


def plan_of(entries: Sequence[FileEntry], blobs: Blobs, gone: Mapping[str, str] = NOTHING) -> Plan:
    """Return what is to be written of the entries of a snapshot.

    Parameters
    ----------
    entries : files, links and empty folders; one without a kept content is noted in `skipped`. A notebook stands in for
        a file of the same path.
    gone : why contents that were kept are there no more, by SHA-256; their files are noted in `skipped`.

    Raises
    ------
    RenexError : `unsafe_path` for a path that leads out, into `.git` or `.renex`, that is there twice, or that lies below
        a file; `not_found` when a content is missing.
    """
    plan = Plan()
    notebooks = [entry for entry in entries if entry.role == NOTEBOOK]
    told = {entry.path for entry in notebooks if entry.sha256 and entry.sha256 not in gone}
    for entry in entries:
        if entry.path not in told:
            _add(plan, entry, blobs, gone)
    for entry in notebooks:
        if entry.path in told:
            _add(plan, entry, blobs, gone)
    _check_nesting(plan)
    return plan


def safe_parts(path: str) -> Parts:
    """Return the parts of a kept path.

    Raises
    ------
    RenexError : `unsafe_path` when it is absolute, leads upward, or names something that a checkout never writes.
    """
    parts = tuple(from_text(path).split("/"))
    for part in parts:
        if part in ("", ".", "..") or "\0" in part or folded(part) in RESERVED:
            raise unsafe(path, f"'{part}' is not a name that a checkout writes")
        if os.name == "nt" and any(each in part for each in '\\:*?"<>|'):
            raise unsafe(path, f"'{part}' is not a name on Windows")
    return parts


def folded(part: str) -> str:
    """Return a name as a forgiving file system reads it: `.GIT` and `.git.` were taken for `.git` (CVE-2014-9390)."""
    if not part.isascii():
        normal = unicodedata.normalize("NFKC", part)
        part = "".join(each for each in normal if unicodedata.category(each) != "Cf")
    return part.casefold().rstrip(". ")


def _add(plan: Plan, entry: FileEntry, blobs: Blobs, gone: Mapping[str, str]) -> None:
    parts = safe_parts(entry.path)
    if parts in plan.files or parts in plan.links or parts in plan.folders:
        raise unsafe(entry.path, "it is there twice")
    if entry.kind == "dir":
        plan.folders[parts] = entry
    elif entry.kind not in ("file", "link"):
        raise unsafe(entry.path, f"it is a '{entry.kind}'")
    elif entry.sha256 is None:
        plan.skip(entry, parts, "its content was not kept")
    elif entry.sha256 in gone:
        plan.skip(entry, parts, gone[entry.sha256])
    elif not blobs.is_there(entry.sha256):
        hint = "Bring back another state (%renex ls snapshots -a lists them), or restore the store from a backup."
        raise RenexError("not_found", f"the content of '{entry.path}' is not in the store.", hint)
    elif entry.kind == "file":
        plan.files[parts] = entry
    elif target := _link_target(entry, blobs):
        plan.links[parts], plan.targets[parts] = entry, target
    else:
        plan.skip(entry, parts, "its target is not the name of a file")


def _link_target(entry: FileEntry, blobs: Blobs) -> str | None:
    data = blobs.get(entry.sha256 or "") if entry.size <= LONGEST_LINK else b""
    return os.fsdecode(data) if data and b"\0" not in data and len(data) <= LONGEST_LINK else None


def _check_nesting(plan: Plan) -> None:
    checked: set[Parts] = set()
    for parts in (*plan.files, *plan.links, *plan.folders):
        for depth in range(len(parts) - 1, 0, -1):
            above = parts[:depth]
            if above in checked:
                break
            if above in plan.files or above in plan.links:
                raise unsafe("/".join(parts), f"'{'/'.join(above)}' is a file or a link")
            checked.add(above)
