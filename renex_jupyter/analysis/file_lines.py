"""Which lines of the changed files of a diff differ, given their contents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from renex_jupyter.analysis.lines import line_changes
from renex_jupyter.records.diffs import Diff, FileChange, State

LARGEST = 256 * 1024  # bytes of a file whose lines are compared
MOST_FILES = 200  # of one diff
MOST_LINES = 1000  # that are told of one file
Sides = tuple[bytes | None, bytes | None]


def comparable(found: Diff, a: State, b: State) -> list[FileChange]:
    """Return the changes whose contents should be read: of files that are small on both sides, and of links."""
    return list(_comparable(found, a, b))[:MOST_FILES]


def with_lines(found: Diff, contents: Mapping[str, Sides]) -> Diff:
    """Return the diff with the lines of some files.

    Parameters
    ----------
    contents : by path, what the file was and is; None where that is not kept.
    """
    files = tuple(
        replace(each, **_told(each, contents[each.path])) if each.path in contents else _untold(each)
        for each in found.files
    )
    return replace(found, files=files)


def _comparable(found: Diff, a: State, b: State) -> Iterator[FileChange]:
    for each in found.files:
        if each.kind != "changed" or not each.content_differs or each.before_kind != each.after_kind:
            continue
        sides = (a.files[each.path], b.files[each.path])
        if each.after_kind != "dir" and all(side.size <= LARGEST for side in sides):
            yield each


def _told(change: FileChange, sides: Sides) -> dict[str, Any]:
    if None in sides:
        return {"note": "content not kept"}
    before, after = map(_text, sides)
    if change.path.endswith(".ipynb"):
        return _of_notebook(before, after)
    if before is None or after is None:
        return {"note": "not text"}
    if change.after_kind == "link":
        return {"lines": (f"-{before}", f"+{after}")}
    return _cut(line_changes(before, after)) or {"note": "only line ends differ"}


def _of_notebook(before: str | None, after: str | None) -> dict[str, Any]:
    """Compare the cells of a notebook that is not the one of the snapshot: nobody reads lines of JSON with pictures."""
    sources = _sources(before), _sources(after)
    if sources[0] is None or sources[1] is None:
        return {"note": "not a notebook that can be read"}
    return _cut(line_changes(sources[0], sources[1])) or {"note": "only outputs or metadata differ"}


def _sources(text: str | None) -> str | None:
    """Return the cells of a notebook as one text, each below a line with its type."""
    try:
        cells = json.loads(text or "")["cells"]
        parts = [f"# %% [{cell['cell_type']}]\n{''.join(cell['source'])}" for cell in cells]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return "\n".join(parts)


def _cut(lines: tuple[str, ...]) -> dict[str, Any]:
    """Return lines, and how many more there are; nothing for no lines."""
    if not lines:
        return {}
    more = len(lines) - MOST_LINES
    note = f"{more:,} lines more" if more > 0 else ""
    return {"lines": lines[:MOST_LINES], "note": note}


def _untold(change: FileChange) -> FileChange:
    sizes = (change.before_size or 0, change.after_size or 0)
    is_file = change.before_kind == change.after_kind == "file"
    if change.kind == "changed" and change.content_differs and is_file and max(sizes) <= LARGEST:
        return replace(change, note="one of too many to show its lines")
    return change


def _text(content: bytes | None) -> str | None:
    """Return what a content says; None when it is no text."""
    if content is None or b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
