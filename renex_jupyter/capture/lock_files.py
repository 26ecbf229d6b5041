"""The files that pin an environment: which lie in a project, and their contents."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path

from renex_jupyter.capture.findings import findings_of
from renex_jupyter.capture.secrets import is_secret_file
from renex_jupyter.records.paths import from_text, to_text
from renex_jupyter.records.snapshots import FileTree, Finding
from renex_jupyter.store.blobs import Blobs

# What names versions, not what only asks for them: Pipfile and pixi.toml are files of the project like others.
LOCK_FILES = (
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "pixi.lock",
    "pylock.toml",
    "pylock.*.toml",
    "Pipfile.lock",
    "conda-lock.yml",
    "conda-lock.yaml",
    "conda-*.lock",
    "environment.yml",
    "environment.yaml",
    "requirements*.txt",
    "requirements/*.txt",
    "constraints*.txt",
)
MAX_LOCK_FILE = 64 * 2**20  # bytes


def capture_lock_files(
    root: Path, beside: Path | None = None, *, blobs: Blobs | None = None, purged: Collection[str] = ()
) -> dict[str, str]:
    """Return the lock files of a project: path relative to `root`, with "/" -> SHA-256 of the content.

    Parameters
    ----------
    root : folder of the project.
    beside : another folder in it to look in, such as the notebook's.
    blobs : where the contents are kept, exactly as they are; None: nothing is kept.
    purged : SHA-256 of contents that are not kept again; their files are passed over.
    """
    found = {}
    for path, name in _paths(root, beside):
        content = _content(path, root)
        sha256 = None if content is None else hashlib.sha256(content).hexdigest()
        if content is not None and sha256 is not None and sha256 not in purged:
            found[name] = blobs.put(content) if blobs is not None else sha256
    return dict(sorted(found.items()))


def lock_findings(root: Path, locks: Collection[str], tree: FileTree) -> tuple[Finding, ...]:
    """Return what looks like a secret in the lock files that are kept although a tree of files does not have them."""
    seen = {entry.path for entry in tree.entries if entry.path in locks} if locks else set()
    contents = ((name, _content(root / from_text(name), root)) for name in sorted(set(locks) - seen))
    return tuple(Finding(name, line, kind) for name, data in contents for line, kind in findings_of(data or b""))


def _paths(root: Path, beside: Path | None) -> Iterator[tuple[Path, str]]:
    home = root.resolve()
    folders = [home] if beside is None else [home, beside.resolve()]
    for folder in dict.fromkeys(each for each in folders if each.is_relative_to(home)):
        for pattern in LOCK_FILES:
            for path in folder.glob(pattern):
                name = to_text(path.relative_to(home).as_posix())
                if not is_secret_file(name):
                    yield path, name


def _content(path: Path, root: Path) -> bytes | None:
    """Read a lock file; what a link finds outside of the project is not the project's."""
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            return None
        if not path.is_file() or path.stat().st_size > MAX_LOCK_FILE:
            return None
        return path.read_bytes()
    except OSError:
        return None
