"""Export and import: a store, or some runs of it, in one file, between machines.

The file is a zip whose members are stored as they are: `renex.json` (what it is, with the SHA-256 of all that is not
named by its own), `changes.parquet` and `points.parquet` (the lines of the journals, with the columns of the archive's
packs) and `blobs/<sha256>[.zst]` (file contents). The lines keep their names and numbers, and with them times, authors
and ids, so a line that is known to a store is never taken a second time: whole stores and single runs may be imported
in any order, as often as one likes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from renex_jupyter.errors import RenexError, from_os_error
from renex_jupyter.records.changes import now
from renex_jupyter.records.keeping import Exported, Imported
from renex_jupyter.store import generation, journal, layout, lines, locks, losses, parquet, sweep
from renex_jupyter.store.blobs import Blobs, away_name
from renex_jupyter.store.database import database_errors
from renex_jupyter.store.fold import unfolded
from renex_jupyter.store.keeping import gc, references
from renex_jupyter.store.keeping.absorb import absorb
from renex_jupyter.store.keeping.gc import Kept
from renex_jupyter.store.keeping.history import every_line
from renex_jupyter.store.keeping.received import ABOUT, BLOBS, CHANGES, FORMAT, POINTS, Received, corrupt, received
from renex_jupyter.store.keeping.selection import Objects, belonging_to
from renex_jupyter.store.keeping.unwanted import tells_of_purges, unwanted_contents
from renex_jupyter.store.layout import Layout, describe, os_errors, sync_file, sync_folder, write_whole
from renex_jupyter.store.store import Store

WAIT = 120.0  # seconds for a fold or a collection that is at work
UNFINISHED = ".renex-export"  # what the name of the folder ends with in which a file is made
LOCK = "lock"  # file in it that is held as long as somebody is at work there


def export_store(store: Store, path: Path, runs: Sequence[str] | None = None) -> Exported:
    """Write everything, or some runs with everything they need, into one file.

    Parameters
    ----------
    path : the file to make; it appears under this name whole or not at all, readable for its owner only.
    runs : whole ids; None: everything, contents that no record names excepted.

    Raises
    ------
    RenexError : `conflict` when the file exists; `corrupt` when the archive is damaged; `disk_full` and its like.
    """
    if os.path.lexists(path):
        raise _exists(path)
    chosen = None if runs is None else belonging_to(store.reader, runs)
    what = f"{store.layout.root} cannot be exported to {path}"
    with os_errors(what), database_errors(what), _beside(path) as folder:
        changes, points, (lost, files) = _write_lines(store, folder, chosen)
        blobs, damaged = _sound_blobs(store, chosen)
        kept = len(chosen.get("runs", ())) if chosen else store.reader.rows("select count(*) as n from runs")[0]["n"]
        counts: dict[str, Any] = {"runs": kept, "changes": changes, "points": points, "blobs": len(blobs)}
        sums = _checksums(folder / CHANGES, folder / POINTS, (each.sha256 for each in blobs))
        _write_zip(folder / "export.zip", folder, _about(store, runs, counts, sums), blobs)
        _put_in_place(folder / "export.zip", path)
    size, without = path.stat().st_size, tuple(sorted(damaged))
    return Exported(str(path), **counts, bytes=size, damaged=without, lost=lost, lost_files=files)


def import_store(store: Store, path: Path) -> Imported:
    """Take in an exported file; nothing of it is trusted, and all of its records come into force together.

    Contents come first, then the records that name them, so an import that is cut off leaves the store as it was, but
    for contents that nothing names.

    Raises
    ------
    RenexError : `not_found`; `invalid_argument` for a file that is no export; `corrupt` for one that is damaged or was
        changed; `newer_store`; `locked`, `disk_full` and its like.
    """
    with os_errors(f"{path} cannot be imported"), received(path) as given:
        _check_sums(given)
        layout.create(store.layout.root)
        # A collection in between would take the contents for unnamed, if this lasts for hours.
        with locks.hold(store.layout.root / gc.LOCK, timeout=WAIT):
            gc.bring_back(store.layout.blobs)
            wanted = given.blobs.keys() - unwanted_contents(store, given.changes, given.blobs.keys())
            blobs = sum(_take_blob(store.blobs, given, sha256) for sha256 in sorted(wanted))
            if tells_of_purges(given.changes) and not store.layout.purged.exists():
                write_whole(store.layout.purged, b"")  # else nobody here looks at the notes: see `contents_gone`
            ours = given.store_id == describe(store.layout)["store_id"]
            changes, points = absorb(store.layout, given.changes, given.points, ours=ours, timeout=WAIT)
    known = given.counts["changes"] + given.counts["points"] - changes - points
    return Imported(str(path), changes, points, blobs, known)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a folder beside a file to make it in; those that killed exports have left there are removed."""
    for left in path.parent.glob(f".*{UNFINISHED}"):
        with suppress(OSError):
            old = time.time() - left.stat().st_mtime > sweep.GRACE
            if old and left.is_dir() and not left.is_symlink() and not locks.is_held(left / LOCK):
                shutil.rmtree(left)
    folder = path.with_name(f".{path.name}.{uuid4().hex[:8]}{UNFINISHED}")
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        told = from_os_error(error, f"{path} cannot be written")
        raise RenexError(told.code, told.message, "Give a place that is there and can be written.") from error
    try:
        with locks.hold(folder / LOCK, timeout=WAIT):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(made: Path, path: Path) -> None:
    """Give a file its name, unless another one has got it meanwhile."""
    try:
        os.link(made, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError:  # a file system without hard links
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise _exists(path) from None
        made.replace(path)
    sync_folder(path.parent)


def _exists(path: Path) -> RenexError:
    return RenexError("conflict", f"{path} exists.", "Give another name, or move that file away.")


def _write_lines(store: Store, folder: Path, chosen: Objects | None) -> tuple[int, int, tuple[int, int]]:
    """Write the lines of everything, or of the chosen objects, as two Parquet files.

    Returns
    -------
    How many lines each holds, and what the store has lost (see `_lost_here`): it may be what is wanted.
    """
    with (
        unfolded(store.layout),
        duckdb.connect(config={"threads": 1, "temp_directory": str(folder / "spill")}) as connection,
    ):
        copies = folder / "journals"
        copies.mkdir()
        changes, points = every_line(connection, store.layout, copies)
        if chosen is not None:
            pairs = [(kind, each) for kind, ids in _with_notes(store, chosen).items() for each in sorted(ids)]
            connection.execute(
                "create temp table chosen as select unnest($kinds::varchar[]) as kind, unnest($ids::varchar[]) as id",
                {"kinds": [kind for kind, _ in pairs], "ids": [each for _, each in pairs]},
            )
            named = "json_extract_string(text, '$.t'), json_extract_string(text, '$.i')"
            changes = f"select * from ({changes}) where ({named}) in (from chosen)"
            points = f"select * from ({points}) where (o || 's', i) in (from chosen)"
        lost = _lost_here(store.layout)
        return _copy(connection, changes, folder / CHANGES), _copy(connection, points, folder / POINTS), lost


def _lost_here(layout: Layout) -> tuple[int, int]:
    """Return how many records are lost, and with how many files of which nobody knows how many they held.

    What the next fold will find is counted, too. Whoever asks holds `fold.lock`, as for the lines.
    """
    told = list(losses.losses_of(layout))
    counts = [None if loss.records is None else loss.records - loss.back for loss in told if loss.matters]
    for entry in journal.files_in(layout.journal):
        part = lines.read_part(Path(entry.path))
        counts.append(part.bad + part.missing)
    if generation.usable(layout) is None:  # else `every_line` misses them
        noted = {loss.path.name for loss in told}
        packs = losses.known_packs(layout, None).items()
        counts += [rows for name, rows in packs if name not in noted and not (layout.archive / name).exists()]
    return sum(count or 0 for count in counts), counts.count(None)


def _with_notes(store: Store, chosen: Objects) -> Objects:
    """Return the objects with the contents that they name and that were purged: nobody is to miss these."""
    noted = store.reader.rows("select distinct id from inside.changes where kind = 'blobs'")
    return {**chosen, "blobs": gc.named_by(store, chosen, {row["id"] for row in noted})}


def _copy(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    return parquet.copy(connection, f"select * from ({query}) order by name, line", path)


def _sound_blobs(store: Store, chosen: Objects | None) -> tuple[list[Kept], set[str]]:
    """Return the contents to export, verified, and the SHA-256 of those that are missing or damaged.

    One of which it is accepted that it is missing is not told.
    """
    kept = {each.sha256: each for each in gc.every_content(store.layout.blobs)}
    owners = None if chosen is None else {each for kind in references.NAMING for each in chosen.get(kind, ())}
    missing = references.contents_of(store.reader, owners) - kept.keys() - references.purged(store.reader)
    damaged = missing - losses.accepted(store.layout)
    wanted = gc.named_among(store, kept) if chosen is None else gc.named_by(store, chosen, kept)
    sound = []
    for sha256 in sorted(wanted):
        if _is_sound(store.blobs, sha256):
            sound.append(kept[sha256])
        else:
            damaged.add(sha256)
    return sound, damaged


def _is_sound(blobs: Blobs, sha256: str) -> bool:
    try:
        blobs.verify(sha256)
    except RenexError as error:
        if error.code in ("corrupt", "not_found"):
            return False
        raise
    return True


def _about(store: Store, runs: Sequence[str] | None, counts: dict[str, int], sums: dict[str, str]) -> bytes:
    said = {
        "format": FORMAT,
        "program": f"renex_jupyter {version('renex_jupyter')}",
        "store_id": describe(store.layout)["store_id"],
        "exported_at": now().isoformat(),
        "what": "store" if runs is None else "runs",
        "runs": None if runs is None else list(runs),
        "counts": counts,
        "sha256": sums,
    }
    return json.dumps(said, indent=1).encode()


def _checksums(changes: Path, points: Path, contents: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of what an export consists of: of the contents that of their names, which are hashes already."""
    names = "".join(f"{sha256}\n" for sha256 in sorted(contents))
    return {
        CHANGES: parquet.digest(changes),
        POINTS: parquet.digest(points),
        BLOBS: hashlib.sha256(names.encode()).hexdigest(),
    }


def _check_sums(given: Received) -> None:
    """Refuse a file that does not consist of what it was made of."""
    told = json.loads(given.zip.read(ABOUT)).get("sha256")
    for name, sha256 in _checksums(given.changes, given.points, given.blobs).items():
        if not isinstance(told, dict) or name not in told:
            raise corrupt(f"{ABOUT} in {given.zip.filename} has no checksum of {name}")
        if told[name] != sha256:
            raise corrupt(f"{name} in {given.zip.filename} is not what was exported: its checksum is another one")


def _write_zip(path: Path, folder: Path, about: bytes, blobs: list[Kept]) -> None:
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED, strict_timestamps=False) as made:
        made.writestr(ABOUT, about)
        for name in (CHANGES, POINTS):
            made.write(folder / name, name)
        for each in blobs:
            _write_content(made, each)
    path.chmod(0o600)
    sync_file(path)


def _write_content(made: zipfile.ZipFile, each: Kept) -> None:
    """Write a content as it is kept; a collection may give it another name, or its own back, at any time."""
    member = f"{BLOBS}{each.sha256}{each.suffix}"
    for path in (each.home, away_name(each.home)):
        with suppress(FileNotFoundError):
            made.write(path, member)
            return
    made.write(each.home, member)


def _take_blob(blobs: Blobs, given: Received, sha256: str) -> bool:
    """Keep a content; say whether it was missing or damaged here."""
    if blobs.has(sha256):
        if _is_sound(blobs, sha256):
            return False
        for damaged in blobs.folder.glob(f"{sha256[:2]}/{sha256[2:]}*"):
            damaged.unlink()
    with given.content(sha256) as source:
        blobs.put_stream(source)
    return True
