"""Checking a store: every line, count, hash and reference. Nothing is changed, whatever is found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import duckdb

from renex_jupyter.errors import RenexError
from renex_jupyter.records import display
from renex_jupyter.records.keeping import Damage, FsckReport
from renex_jupyter.store import access, archive, generation, journal, lines, locks, losses, parquet, tables
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.store.format import line_is_whole
from renex_jupyter.store.generation import Books
from renex_jupyter.store.keeping import gc, references
from renex_jupyter.store.keeping.comparing import differences, differences_of_published
from renex_jupyter.store.layout import Layout
from renex_jupyter.store.publish import is_published
from renex_jupyter.store.reader import Reader

HARMLESS = (
    "torn",
    "stale",
    "mended",
    "unknown",
    "open",
)  # what a kill leaves behind, or a rebuild brought back: nothing is lost


SHOWN = 3  # of the ids that are missing


class _Check:
    """What was looked at so far, and what was found."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.checked: Counter[str] = Counter()
        self.damages: list[Damage] = []

    def found(self, kind: str, path: Path, detail: str) -> None:
        """Note a damage."""
        self.damages.append(Damage(kind, path.relative_to(self.layout.root).as_posix(), detail))


def fsck(layout: Layout, *, accept: bool = False) -> FsckReport:
    """Check a store while others may go on recording.

    Parameters
    ----------
    accept : tell no more, now and in future, of files that were set aside or went missing, of missing contents, and of
        objects that are named and have no record: their loss is known.

    Returns
    -------
    A report; `ok` is False when something that was recorded is damaged or missing. A line that a power cut tore off and
    an index that is not there yet are told as well, but nothing is lost by them.

    References
    ----------
    The order of checks follows `restic check`: structure, index against packs, then the data itself.
    """
    check = _Check(layout)
    with _nobody_folds(layout):
        if accept:
            losses.accept(layout)
        _check_about(check)
        _check_journals(check)
        packs = _check_index(check)
        _check_packs(check, packs)
        _check_damaged(check)
        _check_blobs(check)
        _check_references(check, accept=accept)
        _check_access(check)
    ok = all(each.kind in HARMLESS for each in check.damages)
    return FsckReport(ok, dict(check.checked), tuple(check.damages))


@contextmanager
def _nobody_folds(layout: Layout) -> Iterator[None]:
    """Keep folds away where that is possible; a store that cannot be written is not folded either."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(locks.hold(layout.fold_lock, timeout=60))
        yield


def _check_about(check: _Check) -> None:
    about = check.layout.about
    try:
        found = json.loads(about.read_text())
        if not isinstance(found.get("format"), int) or not found.get("store_id"):
            check.found("about", about, "format or store_id is missing")
    except (OSError, ValueError, AttributeError) as error:
        check.found("about", about, f"it cannot be read: {error}")


def _check_access(check: _Check) -> None:
    """Compare who may enter with what is declared; an open door that nobody said is closed is told, and no damage."""
    layout = check.layout
    kind = "access" if access.is_declared(layout) else "open"
    found = list(access.differences(layout))
    for path, detail in found[:SHOWN]:
        more = (
            f"; so it is with {len(found) - SHOWN:,} more" if len(found) > SHOWN and path == found[SHOWN - 1][0] else ""
        )
        check.found(kind, path, detail + more)


def _check_journals(check: _Check) -> None:
    for entry in journal.files_in(check.layout.journal):
        path = Path(entry.path)
        try:
            part = lines.read_part(path)
        except FileNotFoundError:
            continue
        check.checked["journal files"] += 1
        check.checked["lines"] += len(part.lines)
        if part.bad:
            check.found("line", path, f"{part.bad} of {len(part.lines) + part.bad} lines are damaged")
        if part.missing:
            check.found("line", path, f"{part.missing} lines are missing that its end line counts")
        if part.torn and not locks.is_held(path):
            check.found("torn", path, "the last line is cut off: a write was under way, or the file was cut")


def _check_index(check: _Check) -> list[Path]:
    """Check the generation in force and all that it names; return the packs that belong to the store."""
    layout = check.layout
    name = layout.generation_in_force()
    if name is None:
        if layout.current.exists() or archive.packs_in(layout):
            check.found("index", layout.current, "there is no generation in force; the next fold makes one")
        return _packs(layout)
    path = layout.generations / name
    try:
        with generation.connect(path, read_only=True) as connection:
            if parquet.digest(path) != name.split(".")[1]:
                check.found("index", path, "its content is not that of its name")
                return _packs(layout)
            if not generation.is_sound(connection, _name_of(connection)):
                check.found("stale", path, "it is of another version; the next fold makes it anew")
                return _packs(layout)
            books = generation.books(connection)
            if _segments_are_whole(check, books) and _packs_are_whole(check, books):
                for detail in differences(connection, layout, books):
                    check.found("index", path, detail)
            check.checked["changes"] += _count(connection, "inside.changes")
            check.checked["points"] += sum(books.segments.values())
    except duckdb.Error as error:
        check.found("index", path, f"it cannot be read: {str(error).splitlines()[0]}")
        return _packs(layout)
    _check_published(check, path)
    return [layout.archive / each for each in books.packs]


def _packs(layout: Layout) -> list[Path]:
    """Return the packs of a store that no generation tells: those that are there, and those that were published."""
    return sorted({*archive.packs_in(layout), *(layout.archive / name for name in losses.known_packs(layout, None))})


def _segments_are_whole(check: _Check, books: Books) -> bool:
    return _are_whole(check, "segment", [check.layout.segments / name for name in books.segments])


def _packs_are_whole(check: _Check, books: Books) -> bool:
    return all(parquet.is_whole(check.layout.archive / name) for name in books.packs)


def _check_packs(check: _Check, packs: list[Path]) -> None:
    if _are_whole(check, "pack", packs):
        with duckdb.connect() as connection:
            for name, line, text in connection.execute(archive.changes_in(packs)).fetchall():
                check.checked["lines"] += 1
                if not line_is_whole(text.encode()):
                    check.found("line", check.layout.archive, f"line {line} of {name} is damaged")


def _are_whole(check: _Check, kind: str, paths: list[Path]) -> bool:
    sound = True
    for path in paths:
        check.checked[f"{kind}s"] += 1
        if not path.exists():
            check.found(kind, path, "it is missing")
        elif not parquet.is_whole(path):
            check.found(kind, path, "its content is not that of its name")
        else:
            continue
        sound = False
    return sound


def _check_published(check: _Check, generation_file: Path) -> None:
    """Open the published file as an outside client would, and compare it with the generation that it is a copy of."""
    path = check.layout.history
    if not path.exists():
        check.found("stale", path, "it is missing; the next fold publishes it")
        return
    if not is_published(check.layout):
        moved = "was published for another folder" if check.layout.has_moved() else "is older than the index"
        check.found("stale", path, f"it {moved}; the next fold publishes it anew")
        return
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            for detail in differences_of_published(connection, generation_file):
                check.found("published", path, f"{detail}; renex rebuild publishes it anew")
            check.checked["published tables"] += len(tables.schema().tables)
    except duckdb.Error as error:
        if (
            "could not set lock" not in str(error).lower()
        ):  # a client that writes into its copy keeps us out, and harms nobody
            check.found("published", path, f"it cannot be read: {str(error).splitlines()[0]}")


def _check_damaged(check: _Check) -> None:
    """Tell what earlier folds and rebuilds set aside or found missing."""
    for loss in losses.losses_of(check.layout):
        if loss.accepted:
            check.checked["accepted losses"] += 1
        else:
            check.found("mended" if loss.mended else loss.kind, loss.path, loss.detail)


def _check_blobs(check: _Check) -> None:
    blobs = Blobs(check.layout.blobs)
    for path in gc.strangers_in(check.layout.blobs):
        check.found("unknown", path, "it is none of ours; nothing reads it")
    for kept in gc.every_content(check.layout.blobs):
        check.checked["contents"] += 1
        try:
            blobs.verify(kept.sha256)
        except RenexError as error:
            if error.code != "not_found":  # freed in this moment
                check.found("content", kept.path, error.message)


def _check_references(check: _Check, *, accept: bool) -> None:
    """Check that every object and every content that a record names is here, or that its loss was accepted."""
    read, known = Reader(check.layout), losses.accepted(check.layout)
    missing: set[str] = set()
    try:
        check.checked["references"] = references.count(read)
        for each in references.dangling(read):
            rows = {id_: count for id_, count in each.rows.items() if id_ not in known}
            missing.update(rows)
            check.checked["accepted losses"] += len(each.rows) - len(rows)
            if rows and not accept:
                some = ", ".join([*list(rows)[:SHOWN], *(["..."] if len(rows) > SHOWN else [])])
                told = (
                    f"{display.count(sum(rows.values()), 'row')} name in {each.column} what has no record here: {some}"
                )
                check.found("reference", check.layout.root / each.kind, told)
        for sha256, path in references.contents(read):
            if Blobs(check.layout.blobs).is_there(sha256):
                continue
            missing.add(sha256)
            if sha256 in known:
                check.checked["accepted losses"] += 1
            elif not accept:
                place = check.layout.blobs / sha256[:2] / sha256[2:]
                check.found("content", place, f"it is missing, for example of {path}")
    except duckdb.Error as error:
        check.found("index", check.layout.generations, f"it cannot be asked: {str(error).splitlines()[0]}")
    if accept and missing - known:
        losses.accept(check.layout, missing)
        check.checked["accepted losses"] += len(missing - known)


def _name_of(connection: duckdb.DuckDBPyConnection) -> str:
    row = connection.execute("select current_database()").fetchone()
    return str(row[0]) if row else ""


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return int(row[0]) if row else 0
