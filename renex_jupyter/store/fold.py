"""Folding: sealed journals become the next generation, built beside the one in force and switched by rename.

Whoever has a reason may fold; `fold.lock` lets one do it at a time. No file that somebody else may have open is ever
written: a crash at any point leaves the old or the new generation in force, and garbage that the next fold removes.
Run as `python -m renex_jupyter.store.fold FOLDER [--doubted]` it folds until nothing sealed is left.
"""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from renex_jupyter.errors import RenexError
from renex_jupyter.store import archive, generation, journal, locks, losses, parquet, sweep
from renex_jupyter.store.building import Building, Unsound
from renex_jupyter.store.database import database_errors
from renex_jupyter.store.interrupts import interrupts_held_back
from renex_jupyter.store.layout import Layout, json_object, os_errors, write_whole
from renex_jupyter.store.publish import is_published, publish
from renex_jupyter.store.salvage import salvage
from renex_jupyter.store.scratch import scratch_folder

BATCH = 64 * 2**20  # bytes of journals that one fold takes: half a million points, which it holds in memory


def fold(layout: Layout, *, timeout: float = 30.0, doubted: bool = False) -> int:
    """Fold sealed journal files that are not yet in the index, at most `BATCH` bytes of them; return how many.

    An index that is missing, damaged or of another version is made again from the archive. An interrupt waits for the end
    of it, a second or two.

    Parameters
    ----------
    doubted : somebody could not read the index, so that it is looked at more closely.

    Raises
    ------
    RenexError : `locked` when another process folds for longer than `timeout` seconds; `disk_full` and its like.
    """
    # DuckDB may crash or hang where an interrupt makes Python drop a connection that a query is leaving just then.
    with folding(layout, timeout=timeout), interrupts_held_back():
        before = layout.generation_in_force()
        name, count = take_sealed(layout, doubted=doubted)
        try:
            finish(layout, changed=name != before)
        except duckdb.Error:
            if generation.readable(layout):
                raise
            remake(layout)  # it looks as it did, and is damaged
            finish(layout, changed=True)
        return count


def take_sealed(layout: Layout, *, doubted: bool = False) -> tuple[str, int]:
    """Fold a batch of sealed files, with the lock held; return the generation in force then, and the number of files."""
    before = generation.usable(layout, doubted=doubted)
    try:
        sealed = sealed_files(layout, before) if before else []
    except duckdb.Error:  # it looks as it did, and is damaged
        before = None
    if before is None:
        made = remake(layout)
        return made.generation, made.journals
    if sealed:
        before = extend(layout, before, lambda building: building.take_journals(sealed))
    return before, len(sealed)


@dataclass(frozen=True, slots=True)
class Remade:
    """A generation that was made from the archive."""

    generation: str
    journals: int  # sealed files that were taken with it
    salvaged: int  # lines that were made again from the generation before
    lost: tuple[str, ...]  # packs that were damaged or missing


def remake(layout: Layout, take: Callable[[Building], object] | None = None, without: Collection[Path] = ()) -> Remade:
    """Put a generation in force that is made from the archive and from sealed journals.

    What lies in both, because a fold was killed, is taken once, and with one switch, or a reader between two would see
    it twice. A pack that is damaged is set aside; the lines of one that is damaged or missing are made again from the
    generation before, where it can be trusted. What became of them is remembered.

    Parameters
    ----------
    take : what to take beside the archive, in place of sealed journals.
    without : packs that do not belong to the store.
    """
    source = generation.readable(layout)
    known = losses.known_packs(layout, source)
    belonging = [layout.archive / name for name in known]
    if source is None:  # a pack that no book tells may be all that is left of its journals
        belonging = sorted({*belonging, *archive.packs_in(layout)} - {*without})
    whole = [path for path in belonging if parquet.is_whole(path)]
    lost = tuple(path.name for path in belonging if path not in whole)
    sealed = sealed_files(layout, source) if take is None else []
    counts = (0, 0)
    with scratch_folder() as folder:
        saved = salvage(layout, source, whole, folder) if lost and source else None

        def take_all(building: Building) -> None:
            nonlocal counts
            building.take_packs(whole, overlap=source is None)
            if saved and source:
                counts = building.take_lines(*saved)
                building.mark_folded(_folded_still_there(layout, source))
            _remember(layout, lost, known, dict(zip((archive.CHANGES, archive.POINTS), counts, strict=True)))
            if take:
                take(building)
            else:
                building.take_journals(sealed, known=whole)

        made = switch(layout, None, take_all)
    for name in lost:
        losses.set_aside(layout, layout.archive / name)
    return Remade(made, len(sealed), sum(counts), lost)


def _remember(layout: Layout, lost: tuple[str, ...], known: dict[str, int], salvaged: dict[str, int]) -> None:
    """Note of each pack that was lost how many of its lines were made again.

    This comes before the switch: whoever is killed after it must not be the last who knew.
    """
    for name in lost:
        kind = archive.kind_of(name)
        back = min(salvaged[kind], known.get(name, 0))
        salvaged[kind] -= back
        losses.note(layout, name, records=known.get(name), back=back)


def _folded_still_there(layout: Layout, source: str) -> set[str]:
    """Return the journal files that a generation holds and that nobody has removed yet."""
    with generation.connect(layout.generations / source, read_only=True) as connection:
        return generation.folded_among(connection, [entry.name for entry in journal.files_in(layout.journal)])


def extend(layout: Layout, before: str | None, take: Callable[[Building], object]) -> str:
    """Put a generation in force that has more than the one before, which is made again if it turns out to be damaged."""
    ours = _packs_of(layout, before)
    try:
        return switch(layout, before, take)
    except duckdb.InterruptException:
        raise
    except (Unsound, duckdb.Error):  # if it was for want of space, it will say so again
        # By this try, or one that was killed before: of what is taken now.
        left = [path for path in archive.packs_in(layout) if path.name not in ours]
        return remake(layout, take, without=left).generation


def _packs_of(layout: Layout, name: str | None) -> set[str]:
    """Return the packs of a generation, as they were published with it, or from its books."""
    if name is not None and json_object(layout.published).get("generation") == name:
        return set(losses.known_packs(layout, None))
    try:
        return set(losses.known_packs(layout, name))
    except duckdb.Error:
        return {path.name for path in archive.packs_in(layout)}


@contextmanager
def folding(layout: Layout, *, timeout: float = 30.0) -> Iterator[None]:
    """Be the only one who writes the index; what a killed process left behind is removed first."""
    what = "the index cannot be written"
    with os_errors(what), database_errors(what), locks.hold(layout.fold_lock, timeout=timeout):
        sweep.temporary_files(layout)
        yield


@contextmanager
def unfolded(layout: Layout, *, timeout: float = 120.0) -> Iterator[None]:
    """Keep a store from being folded; one that cannot be written is not."""
    with ExitStack() as held:
        try:
            held.enter_context(locks.hold(layout.fold_lock, timeout=timeout))
        except OSError as error:
            if error.errno != errno.EROFS and not isinstance(error, PermissionError):
                raise
        yield


def switch(layout: Layout, before: str | None, take: Callable[[Building], object]) -> str:
    """Build the next generation from the one before and what `take` adds, put it in force and return its name."""
    with Building(layout, before) as building:
        take(building)
        building.merge()
        name = building.finish()
    write_whole(layout.current, name.encode())
    return name


def finish(layout: Layout, *, changed: bool) -> bool:
    """Publish what is in force, and remove what it supersedes; say whether some of that must stay for a while."""
    if changed or not is_published(layout):
        publish(layout)
    return sweep.superseded(layout)


def sealed_files(layout: Layout, before: str | None) -> list[Path]:
    """Return the journal files that nobody writes any more and that are not yet folded; about `BATCH` bytes of them.

    Without an index these are all, those among them from which a pack was made that no index named.
    """
    waiting = [Path(entry.path) for entry in journal.files_in(layout.journal)]
    done: set[str] = set()
    packed: set[str] = set()
    if before:
        with generation.connect(layout.generations / before, read_only=True) as connection:
            done = generation.folded_among(connection, [path.name for path in waiting])
    elif packs := [path for path in archive.packs_in(layout) if parquet.is_whole(path)]:
        with duckdb.connect() as connection:
            packed = archive.journals_in(connection, packs)
    result, size = [], 0
    for path in waiting:
        if path.name not in done and (size < BATCH or path.name in packed) and not locks.is_held(path):
            result.append(path)
            size += path.stat().st_size
    return result


def main(folder: str, *, doubted: bool) -> None:
    """Fold until nothing sealed is left; a failure is left behind in `fold.error`, for `renex doctor` to tell."""
    layout = Layout(Path(folder))
    try:
        while fold(layout, doubted=doubted):
            doubted = False
        layout.fold_error.unlink(missing_ok=True)
        time.sleep(sweep.OPENING)  # what nobody opened in the meantime can go
        with folding(layout, timeout=0):
            finish(layout, changed=False)
    except (RenexError, duckdb.Error, OSError) as error:
        if isinstance(error, RenexError) and error.code == "locked":  # somebody else is at it
            return
        with suppress(OSError):
            layout.fold_error.write_text(f"{str(error) or type(error).__name__}\n")
        raise


if __name__ == "__main__":
    main(sys.argv[1], doubted="--doubted" in sys.argv[2:])
