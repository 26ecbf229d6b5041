"""What differs between two states: cells, files, packages, config and metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from renex_jupyter.analysis.alignment import moved_pairs, pairs_of_cells
from renex_jupyter.analysis.lines import line_changes
from renex_jupyter.analysis.packages import diff_packages
from renex_jupyter.records.changes import plain
from renex_jupyter.records.diffs import CellChange, Diff, FileChange, State, ValueChange
from renex_jupyter.records.snapshots import Cell, FileEntry

NUMBERS_AS_TEXT = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}  # as the journal keeps them
ABSENT = object()

__all__ = ["Diff", "State", "diff_cells", "diff_files", "diff_packages", "diff_states", "diff_values", "flatten"]


def diff_states(a: State, b: State) -> Diff:
    """Return what changed from `a` to `b`.

    Cells are aligned by id, then by the same source, then by similar source. A file whose content went from one path to
    another is renamed; lines of files are not compared here, where their contents are not known (`file_lines.py`).
    Nested config is compared by dotted keys; 1 equals 1.0, and NaN equals NaN.
    """
    notebooks = (a.notebook, b.notebook)
    return Diff(
        a=a.title,
        b=b.title,
        cells=diff_cells(a.cells, b.cells),
        files=diff_files(a.files, b.files),
        packages=diff_packages(a, b),
        config=diff_values(flatten(a.config), flatten(b.config)),
        metrics=diff_values(flatten(a.metrics), flatten(b.metrics), relative=True),
        notes=(f"Two notebooks: {a.notebook} and {b.notebook}.",) if all(notebooks) and len(set(notebooks)) > 1 else (),
    )


def diff_cells(a: tuple[Cell, ...], b: tuple[Cell, ...]) -> tuple[CellChange, ...]:
    """Return the cells that were added, removed, changed or moved, by position; removed ones where they stood."""
    pairs = pairs_of_cells(a, b)
    moved = moved_pairs(pairs)
    changes = [_paired(a[i], b[j], i, j, len(b), moved=(i, j) in moved) for i, j in pairs.items()]
    changes += [_single("removed", cell, i, len(a)) for i, cell in enumerate(a) if i not in pairs]
    there = set(pairs.values())
    changes += [_single("added", cell, j, len(b)) for j, cell in enumerate(b) if j not in there]
    return tuple(sorted(filter(None, changes), key=_place))


def diff_files(a: Mapping[str, FileEntry], b: Mapping[str, FileEntry]) -> tuple[FileChange, ...]:
    """Return the files that were added, removed, changed (content, mode or kind) or renamed, ordered by path."""
    gone, new = sorted(a.keys() - b.keys()), sorted(b.keys() - a.keys())
    renames = dict(_renames({path: a[path] for path in gone}, {path: b[path] for path in new}))
    changes = [_file("renamed", path, a[before], b[path], before) for path, before in renames.items()]
    left = set(renames.values())
    changes += [_file("removed", path, a[path], None) for path in gone if path not in left]
    changes += [_file("added", path, None, b[path]) for path in new if path not in renames]
    changes += [_file("changed", path, a[path], b[path]) for path in a.keys() & b.keys() if _differ(a[path], b[path])]
    return tuple(sorted(changes, key=lambda each: each.path))


def diff_values(a: Mapping[str, Any], b: Mapping[str, Any], *, relative: bool = False) -> tuple[ValueChange, ...]:
    """Return the keys whose values differ, ordered by key; with `relative` also by how much of what it was."""
    keys = sorted(a.keys() | b.keys())
    found = (_value(key, a.get(key, ABSENT), b.get(key, ABSENT), relative=relative) for key in keys)
    return tuple(each for each in found if each is not None)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, with dots in the keys; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat


def _paired(a: Cell, b: Cell, i: int, j: int, of: int, *, moved: bool) -> CellChange | None:
    if a.source == b.source and a.cell_type == b.cell_type:
        known_by = tuple(f" {line}" for line in b.source.strip().splitlines()[:1])
        return CellChange("moved", b.cell_type, b.cell_id, i, j, moved=True, lines=known_by, of=of) if moved else None
    before_type = None if a.cell_type == b.cell_type else a.cell_type
    lines = line_changes(a.source, b.source) if a.source != b.source else ()
    return CellChange("changed", b.cell_type, b.cell_id, i, j, moved, lines, of, before_type)


def _single(kind: str, cell: Cell, position: int, of: int) -> CellChange:
    sign = "+" if kind == "added" else "-"
    lines = tuple(f"{sign}{line}" for line in cell.source.splitlines())
    before, after = (None, position) if kind == "added" else (position, None)
    return CellChange(kind, cell.cell_type, cell.cell_id, before, after, lines=lines, of=of)


def _place(change: CellChange) -> tuple[int, int]:
    place = change.before if change.after is None else change.after
    return (place or 0, 0 if change.after is None else 1)


def _differ(a: FileEntry, b: FileEntry) -> bool:
    return (a.kind, a.sha256, a.size, a.mode) != (b.kind, b.sha256, b.size, b.mode)


def _renames(gone: Mapping[str, FileEntry], new: Mapping[str, FileEntry]) -> Iterator[tuple[str, str]]:
    """Yield new path and old path of the same content."""
    left, came = _by_content(gone), _by_content(new)
    for content, paths in came.items():
        yield from _of_one_content(paths, left.get(content, []))


def _by_content(entries: Mapping[str, FileEntry]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for path, entry in entries.items():
        if entry.sha256 and entry.size:  # every empty file has the same content
            found.setdefault((entry.kind, entry.sha256), []).append(path)
    return found


def _of_one_content(new: list[str], gone: list[str]) -> Iterator[tuple[str, str]]:
    """Yield pairs of new and old paths; those that kept their name go first."""
    by_name: dict[str, list[str]] = {}
    for path in reversed(gone):
        by_name.setdefault(_name(path), []).append(path)
    pairs = {path: by_name[_name(path)].pop() for path in new if by_name.get(_name(path))}
    taken = set(pairs.values())
    yield from pairs.items()
    yield from zip(
        (each for each in new if each not in pairs), (each for each in gone if each not in taken), strict=False
    )


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _file(kind: str, path: str, a: FileEntry | None, b: FileEntry | None, before_path: str | None = None) -> FileChange:
    return FileChange(
        kind=kind,
        path=path,
        before_path=before_path,
        before_size=a.size if a else None,
        after_size=b.size if b else None,
        before_mode=a.mode if a else None,
        after_mode=b.mode if b else None,
        before_kind=a.kind if a else None,
        after_kind=b.kind if b else None,
        content_differs=a is not None and b is not None and (a.sha256, a.size) != (b.sha256, b.size),
    )


def _value(key: str, before: Any, after: Any, *, relative: bool) -> ValueChange | None:
    if before is ABSENT or after is ABSENT:
        kind = "added" if before is ABSENT else "removed"
        return ValueChange(kind, key, *(None if each is ABSENT else each for each in (before, after)))
    before, after = _comparable(before), _comparable(after)
    if _equal(before, after):
        return None
    delta = _delta(before, after)
    share = delta / abs(before) if relative and delta is not None and before else None
    return ValueChange("changed", key, before, after, delta, share if share is None or math.isfinite(share) else None)


def _comparable(value: Any) -> Any:
    """Return a value as it would come back from the store, and NaN and inf as numbers."""
    kept = plain(value)
    return NUMBERS_AS_TEXT.get(kept, kept) if isinstance(kept, str) else kept


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, bool) != isinstance(b, bool):
        return False  # true is no 1
    return bool(a == b) or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))


def _delta(before: Any, after: Any) -> float | None:
    for each in (before, after):
        if isinstance(each, bool) or not isinstance(each, (int, float)):
            return None
    try:
        delta = float(after - before)
    except OverflowError:
        return None
    return delta if math.isfinite(delta) else None
