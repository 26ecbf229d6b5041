"""What a store has lost: files that were damaged or vanished, remembered until their records are back or it is accepted.

A damaged file is moved into the folder `damaged` as it was found. A note beside it, or in its place where there is
nothing left to move, says what became of its records, so that no fold and no rebuild makes anybody forget it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from renex_jupyter.store import archive, generation, lines, parquet
from renex_jupyter.store.layout import Layout, published_as, sync_folder, write_whole

NOTE = ".json"  # what the name of a note ends with, after that of the file
ACCEPTED = "ACCEPTED"  # file that names the losses nobody wants to hear of again


@dataclass(frozen=True, slots=True)
class Loss:
    """A file of records that is not what it was."""

    path: Path  # where it lies, or would lie
    kind: str  # "pack", "line"; "torn" for a last line that was cut off
    detail: str
    mended: bool  # its records were made again, or came back with an import
    accepted: bool

    @property
    def matters(self) -> bool:
        """Whether somebody should be told without having asked."""
        return not (self.mended or self.accepted or self.kind == "torn")


def losses_of(layout: Layout) -> Iterator[Loss]:
    """Yield what was lost, ordered by name."""
    if not layout.damaged.is_dir():
        return
    accepted = _accepted(layout)
    there = {path.name.removesuffix(NOTE) for path in layout.damaged.iterdir() if path.name[0] != "."} - {ACCEPTED}
    for name in sorted(there):
        path = layout.damaged / name
        note = _note_on(path)
        mended = note.get("mended") is True
        if parquet.parse(name) and not path.is_dir():
            yield Loss(path, "pack", _about_pack(path, note), mended, name in accepted)
        elif path.is_file():  # else purged since
            kind, detail = _about_journal(path)
            yield Loss(path, kind, detail, mended, name in accepted)


def set_aside(layout: Layout, path: Path) -> None:
    """Move a file in which something is damaged to where `fsck` finds it."""
    layout.damaged.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileNotFoundError):
        path.rename(layout.damaged / path.name)
        sync_folder(layout.damaged)


def note(layout: Layout, name: str, *, records: int | None, mended: bool) -> None:
    """Remember that a file was damaged or vanished.

    Parameters
    ----------
    records : how many it had, where that is known.
    mended : all of them are elsewhere now.
    """
    layout.damaged.mkdir(mode=0o700, exist_ok=True)
    text = json.dumps({"records": records, "mended": mended})
    write_whole(layout.damaged / f"{name}{NOTE}", text.encode())


def is_noted(layout: Layout, name: str) -> bool:
    """Say whether it is remembered that a file was damaged or vanished."""
    return (layout.damaged / f"{name}{NOTE}").exists()


def accept(layout: Layout) -> None:
    """Tell no more of what is lost now."""
    names = sorted(_accepted(layout) | {loss.path.name for loss in losses_of(layout)})
    if names:
        write_whole(layout.damaged / ACCEPTED, json.dumps(names).encode())


def note_what_came_back(layout: Layout, packs: list[Path]) -> None:
    """Remember which damaged journals have all of their lines in the archive again, for example after an import."""
    waiting = {
        loss.path.name: lines.expected(loss.path)
        for loss in losses_of(layout)
        if loss.kind == "line" and not loss.mended
    }
    if not waiting:
        return
    named = " union all ".join(
        f"select name, line from ({read(packs)})" for read in (archive.changes_in, archive.points_in)
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        query = f"select name, count(distinct line) from ({named}) group by name"
        found = dict(connection.execute(query).fetchall())
    for name, expected in waiting.items():
        if found.get(name, 0) >= expected:
            note(layout, name, records=expected, mended=True)


def known_packs(layout: Layout, source: str | None) -> dict[str, int]:
    """Return the packs that belong to a store, whether they are there or not, with the number of their lines.

    Parameters
    ----------
    source : a generation that can be read; without one, what was written down when it was published must do.
    """
    if source is not None:
        with generation.connect(layout.generations / source, read_only=True) as connection:
            return dict(generation.books(connection).packs)
    told = published_as(layout.published).get("packs")
    if not isinstance(told, dict):
        return {}
    return {name: rows for name, rows in told.items() if parquet.parse(name) and isinstance(rows, int)}


def _about_pack(path: Path, about: dict[str, object]) -> str:
    what = "it was damaged, and set aside" if path.exists() else "it is missing"
    count = about.get("records")
    records = f"its {count:,} records" if isinstance(count, int) else "its records"
    if about.get("mended") is True:
        return f"{what}; {records} were made again from the index"
    return f"{what}; not all of {records} could be made again"


def _about_journal(path: Path) -> tuple[str, str]:
    part = lines.read_part(path)
    if part.bad or part.missing:
        others = f"the other {len(part.lines)} are in the archive"
        return "line", f"{part.bad + part.missing} lines were damaged; {others}"
    return "torn", "the last line was cut off: a write was under way, or the file was cut"


def _note_on(path: Path) -> dict[str, object]:
    return published_as(path.with_name(path.name + NOTE))


def _accepted(layout: Layout) -> set[str]:
    try:
        found = json.loads((layout.damaged / ACCEPTED).read_text())
    except (OSError, ValueError):
        return set()
    return set(map(str, found)) if isinstance(found, list) else set()
