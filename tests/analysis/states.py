"""Small states to compare."""

from __future__ import annotations

import dataclasses
from typing import Any

from renex_jupyter.records.environments import Package
from renex_jupyter.records.snapshots import Cell, FileEntry


def cells(*sources: str, ids: str | None = None, kind: str = "code") -> tuple[Cell, ...]:
    return tuple(Cell(ids[n] if ids else None, kind, source) for n, source in enumerate(sources))


def file(path: str, content: str, **more: Any) -> FileEntry:
    fields = {"role": "file", "kind": "file", "sha256": content * 8, "size": len(content), "mode": 0o644, **more}
    return FileEntry(path=path, **fields)


def files(*entries: FileEntry) -> dict[str, FileEntry]:
    return {entry.path: entry for entry in entries}


def packages(**versions: str) -> dict[str, Package]:
    return {name: Package(name, version) for name, version in versions.items()}


def replace_id(cell: Cell, cell_id: str) -> Cell:
    return dataclasses.replace(cell, cell_id=cell_id)
