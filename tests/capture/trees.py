"""Small projects to capture."""

from __future__ import annotations

import subprocess
from pathlib import Path

from renex_jupyter.capture import files
from renex_jupyter.capture.files import capture_files
from renex_jupyter.records.snapshots import FileTree

LIMIT = 4 * 2**20


def fill(root: Path, path: str, text: str = "x") -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target


def take(root: Path, blobs: Path | None = None, **options) -> FileTree:
    return capture_files(root, blobs, **{"max_file_size": LIMIT, "timeout": 60.0, **options})


def paths(tree: FileTree) -> list[str]:
    return [entry.path for entry in tree.entries]


def left_out(tree: FileTree) -> dict[str, str]:
    return {each.path: each.reason for each in tree.left_out}


def worker() -> subprocess.Popen[bytes]:
    assert files._slot.worker
    return files._slot.worker.process
