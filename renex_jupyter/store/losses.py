"""What a store has lost: files that were damaged or vanished, remembered until their records are back or it is accepted.

A damaged file is moved into the folder `damaged` as it was found. A note beside it, or in its place where there is
nothing left to move, says what became of its records, so that no fold and no rebuild makes anybody forget it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from renex_jupyter.records import display
from renex_jupyter.store import archive, generation, lines, parquet
from renex_jupyter.store.format import POINTS
from renex_jupyter.store.layout import Layout, json_object, sync_folder, write_whole
from renex_jupyter.store.sharing import make_folder

NOTE = ".json"  # what the name of a note ends with, after that of the file
ACCEPTED = "ACCEPTED"  # file that names the losses nobody wants to hear of again: files, ids, SHA-256


@dataclass(frozen=True, slots=True)
class Loss:
    """A file of records that is not what it was."""

    path: Path  # where it lies, or would lie
    kind: str  # "pack", "line"; "torn" for a last line that was cut off
    detail: str
    records: int | None  # that were lost with it, where that is known
    back: int  # of these were made again from the index, or came back with an import
    accepted: bool

    @property
    def mended(self) -> bool:
        """Whether nothing of it is lost any more."""
        return self.records is not None and self.back >= self.records

    @property
    def matters(self) -> bool:
        """Whether somebody should be told without having asked."""
        return not (self.mended or self.accepted or self.kind == "torn")


def losses_of(layout: Layout) -> Iterator[Loss]:
    """Yield what was lost, ordered by name."""
    if not layout.damaged.is_dir():
        return
    known = accepted(layout)
    there = {path.name.removesuffix(NOTE) for path in layout.damaged.iterdir() if path.name[0] != "."} - {ACCEPTED}
    for name in sorted(there):
        path = layout.damaged / name
        told = _note_on(path)
        records, back = told.get("records"), told.get("back")
        counts = records if isinstance(records, int) else None, back if isinstance(back, int) else 0
        if (layout.archive / name).exists():
            continue  # whoever was about to do without it was killed: it belongs to the store as before
        if parquet.parse(name) and not path.is_dir():
            yield Loss(path, "pack", _about_pack(path, *counts), *counts, name in known)
        elif path.is_file():  # else purged since
            part = lines.read_part(path)
            lost = part.bad + part.missing
            kind = "line" if lost else "torn"
            yield Loss(path, kind, _about_journal(part, counts[1]), lost or None, counts[1], name in known)


def set_aside(layout: Layout, path: Path) -> None:
    """Move a file in which something is damaged to where `fsck` finds it."""
    make_folder(layout.damaged)
    with suppress(FileNotFoundError):
        path.rename(layout.damaged / path.name)
        sync_folder(layout.damaged)


def note(layout: Layout, name: str, *, records: int | None, back: int) -> None:
    """Remember that a file was damaged or vanished.

    Parameters
    ----------
    records : how many were lost with it, where that is known.
    back : how many of these are elsewhere now.
    """
    make_folder(layout.damaged)
    text = json.dumps({"records": records, "back": back})
    write_whole(layout.damaged / f"{name}{NOTE}", text.encode())


def is_noted(layout: Layout, name: str) -> bool:
    """Say whether it is remembered that a file was damaged or vanished."""
    return (layout.damaged / f"{name}{NOTE}").exists()


def accept(layout: Layout, more: Iterable[str] = ()) -> None:
    """Tell no more of what is lost now.

    Parameters
    ----------
    more : ids of objects and SHA-256 of contents that are named and missing.
    """
    names = sorted(accepted(layout) | {loss.path.name for loss in losses_of(layout)} | {*more})
    if names:
        make_folder(layout.damaged)
        write_whole(layout.damaged / ACCEPTED, json.dumps(names).encode())


def note_what_came_back(layout: Layout, imported: Mapping[str, int], *, ours: bool) -> None:
    """Remember which lost records came with an import.

    Parameters
    ----------
    imported : how many lines were new here, by the name of their journal file.
    ours : the import is an export of this store: what it had, and we have not, must have been lost here.
    """
    left = dict(imported)
    for loss in losses_of(layout):
        if loss.kind == "line" and not loss.mended:
            note(layout, loss.path.name, records=loss.records, back=loss.back + left.pop(loss.path.name, 0))
    if not ours:
        return
    rest = {
        archive.POINTS: sum(count for name, count in left.items() if name.endswith(POINTS)),
        archive.CHANGES: sum(count for name, count in left.items() if not name.endswith(POINTS)),
    }
    for loss in losses_of(layout):
        if loss.kind == "pack" and loss.records is not None and not loss.mended:
            kind = archive.kind_of(loss.path.name)
            back = min(loss.records - loss.back, rest[kind])
            rest[kind] -= back
            note(layout, loss.path.name, records=loss.records, back=loss.back + back)


def known_packs(layout: Layout, source: str | None) -> dict[str, int]:
    """Return the packs that belong to a store, whether they are there or not, with the number of their lines.

    Parameters
    ----------
    source : a generation that can be read; without one, what was written down when it was published must do.
    """
    if source is not None:
        with generation.connect(layout.generations / source, read_only=True) as connection:
            return dict(generation.books(connection).packs)
    told = json_object(layout.published).get("packs")
    if not isinstance(told, dict):
        return {}
    return {name: rows for name, rows in told.items() if parquet.parse(name) and isinstance(rows, int)}


def _about_pack(path: Path, records: int | None, back: int) -> str:
    what = "it was damaged, and set aside" if path.exists() else "it is missing"
    if records is None:
        return f"{what}; what it held is lost"
    if back >= records:
        return f"{what}; what it held is there again: {display.count(records, 'record')}"
    return f"{what}; {records - back:,} of the {display.count(records, 'record')} in it are lost"


def _about_journal(part: lines.Part, back: int) -> str:
    lost = part.bad + part.missing
    if not lost:
        return "the last line was cut off: a write was under way, or the file was cut"
    if back >= lost:
        return f"{display.count(lost, 'damaged line')} came back with an import"
    others = f"{len(part.lines):,} others are in the archive"
    return f"{display.count(lost, 'line')} or more were damaged and are lost; {others}"


def _note_on(path: Path) -> dict[str, object]:
    return json_object(path.with_name(path.name + NOTE))


def accepted(layout: Layout) -> set[str]:
    """Return the names of files, the ids and the SHA-256 whose loss was accepted."""
    try:
        found = json.loads((layout.damaged / ACCEPTED).read_text())
    except (OSError, ValueError):
        return set()
    return set(map(str, found)) if isinstance(found, list) else set()
