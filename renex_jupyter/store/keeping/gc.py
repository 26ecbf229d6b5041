"""Collecting: the contents that no record names any more are freed, safely beside whoever records at the same time.

Three rules make that safe. Whoever is about to name a content has put it within the last `FRESH` seconds before (a
content that is put again shows so by its time of change), and only what is older than twice that is a candidate. The
records are read after the candidates are listed. And a candidate goes by way of another name: what was put again in
the meantime is seen there and goes back; whoever asks for it in between reads it there,
and whoever would name it writes it anew.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from renex_jupyter.errors import RenexError
from renex_jupyter.records.keeping import Collected
from renex_jupyter.store import archive, download_folders, generation, locks, run_folders, tables
from renex_jupyter.store.blobs import FRESH, away_name
from renex_jupyter.store.fold import folding, unfolded
from renex_jupyter.store.layout import Layout, os_errors, put_in_place
from renex_jupyter.store.publish import publish
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.store import Store

LOCK = "gc.lock"  # file whose lock keeps contents that nothing names yet from being freed
GRACE = 2 * FRESH  # seconds
HASH = re.compile(r"[0-9a-f]{64,}")
HASHES = f"regexp_extract_all(%s, '{HASH.pattern}')"
PART = re.compile(r"[0-9a-f]{2}")
NAME = re.compile(r"([0-9a-f]{62})(\.zst)?")
TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")
ON_ITS_WAY = re.compile(r"\.([0-9a-f]{2})([0-9a-f]{62}(\.zst)?)\.gone")
# Rows that say what something consists of. They count only if something else names them, by this column.
CONTENTS = {
    "codes": "code_id",
    "file_parts": "part_id",
    "environments": "environment_id",
    "hardware": "hardware_id",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """A content as it lies in the folder."""

    path: Path
    sha256: str
    size: int  # bytes on disk
    changed: float  # seconds since the epoch

    @property
    def suffix(self) -> str:
        """What says how it is kept."""
        return ".zst" if ".zst" in self.path.suffixes else ""

    @property
    def home(self) -> Path:
        """Where it lies when no collection looks at it."""
        found = ON_ITS_WAY.fullmatch(self.path.name)
        return self.path.parent / found[1] / found[2] if found else self.path


def collect(store: Store, *, dry_run: bool = True, grace: float = GRACE) -> Collected:
    """Free the contents that no record names, and what killed writers left behind.

    Parameters
    ----------
    dry_run : only look.
    grace : seconds; younger files stay. Below `GRACE` nobody may record meanwhile.

    Raises
    ------
    RenexError : `locked` while another process collects; `corrupt` when there is no index to tell what is named.
    """
    layout = store.layout
    with (
        os_errors("contents cannot be freed"),
        nullcontext() if dry_run else locks.hold(layout.root / LOCK, timeout=0),
    ):
        if not dry_run:
            bring_back(layout.blobs)
        deadline = time.time() - grace
        kept = list(contents_in(layout.blobs))
        left = list(_left_behind(layout.blobs, deadline))
        named = named_among(store, {each.sha256 for each in kept})
        unnamed = [each for each in kept if each.sha256 not in named]
        freed = [each for each in unnamed if each.changed < deadline]
        young = len(unnamed) - len(freed)
        if not dry_run:
            freed = [each for each in freed if _free(each, deadline)]
            for path, _ in left:
                path.unlink(missing_ok=True)
            run_folders.sweep(store, grace=max(grace, run_folders.GRACE) if grace else 0.0)
            download_folders.clear(layout, before=deadline)
            if freed:
                publish_without(layout)
        size = sum(each.size for each in freed) + sum(size for _, size in left)
        return Collected(dry_run, len(freed), size, len(left), young)


def publish_without(layout: Layout) -> None:
    """Publish anew: the views of samples name contents, and could not be read with one that is gone."""
    with suppress(RenexError), folding(layout):  # somebody else folds for long: he publishes at his end
        publish(layout)


def free_among(store: Store, sha256s: Collection[str]) -> tuple[int, int]:
    """Free those of some contents that no record names any more; return how many went, and how many are too young to judge.

    The caller holds the lock of `LOCK`.
    """
    deadline = time.time() - GRACE
    kept = [each for each in contents_in(store.layout.blobs) if each.sha256 in sha256s]
    named = named_among(store, {each.sha256 for each in kept})
    unnamed = [each for each in kept if each.sha256 not in named]
    freed = sum(each.changed < deadline and _free(each, deadline) for each in unnamed)
    return freed, len(unnamed) - freed


def every_content(folder: Path) -> Iterator[Kept]:
    """Yield every content once, for readers: those included that a collection just looks at, or was killed at."""
    seen = set()
    # What went back to its name between the first two looks is found by the third.
    for each in chain(contents_in(folder), _on_their_way(folder), contents_in(folder)):
        if each.sha256 not in seen:
            seen.add(each.sha256)
            yield each


def _on_their_way(folder: Path) -> Iterator[Kept]:
    """Yield the contents to which a collection has given another name; they are no candidates of the next one."""
    for path in sorted(folder.glob(".*.gone")):
        found = ON_ITS_WAY.fullmatch(path.name)
        with suppress(FileNotFoundError):  # judged in this moment
            about = path.lstat()
            if found and stat.S_ISREG(about.st_mode):
                yield Kept(path, found[1] + found[2][:62], about.st_size, about.st_mtime)


def contents_in(folder: Path) -> Iterator[Kept]:
    """Yield every content that lies in the folder of blobs under its own name; see `every_content`."""
    for part in sorted(folder.glob("??")):
        if not PART.fullmatch(part.name) or part.is_symlink() or not part.is_dir():  # see `strangers_in`
            continue
        with os.scandir(part) as entries:
            for entry in entries:
                found = NAME.fullmatch(entry.name)
                with suppress(FileNotFoundError):  # freed in this moment
                    if found and entry.is_file(follow_symlinks=False):
                        about = entry.stat(follow_symlinks=False)
                        yield Kept(Path(entry.path), part.name + found[1], about.st_size, about.st_mtime)


def strangers_in(folder: Path) -> Iterator[Path]:
    """Yield what lies in the folder of blobs and was not put there by us; nobody reads or removes it."""
    for part in sorted(folder.glob("*")):  # none where somebody has deleted the folder
        if TEMPORARY.fullmatch(part.name) or ON_ITS_WAY.fullmatch(part.name):
            continue
        if not PART.fullmatch(part.name) or part.is_symlink() or not part.is_dir():
            yield part
            continue
        yield from (
            path
            for path in sorted(part.iterdir())
            if not NAME.fullmatch(path.name) or path.is_symlink() or not path.is_file()
        )


def named_among(store: Store, wanted: Collection[str]) -> set[str]:
    """Return those of some SHA-256 that a current record names, straight or by way of a record that another names.

    Any 64 hex digits in any field of any table count as a name, so that a noun of tomorrow is covered today.

    Raises
    ------
    RenexError : `corrupt` when there is no index to tell.
    """
    _check_index(store.layout)
    read = store.reader
    contents = {kind: _addresses(read, kind, column) for kind, column in CONTENTS.items()}
    known = set(wanted).union(*contents.values())
    found = fresh = _within(_names_of_all(read), known)
    while fresh:
        names = [
            name
            for kind, column in CONTENTS.items()
            for name in _hashes(read, kind, f"where {column} in (select unnest(?::varchar[]))", fresh & contents[kind])
        ]
        fresh = _within(names, known) - found
        found = found | fresh
    return found & set(wanted)


def named_by(store: Store, objects: Mapping[str, Collection[str]], wanted: Collection[str]) -> set[str]:
    """Return those of some SHA-256 that the rows of some objects (kind -> ids) name."""
    kinds = tables.schema().tables
    names = (
        name
        for kind, ids in objects.items()
        for name in _hashes(store.reader, kind, f"where {kinds[kind].key} in (select unnest(?::varchar[]))", ids)
    )
    return _within(names, wanted)


def _names_of_all(read: Reader) -> Iterator[str]:
    """Yield what looks like a hash in every row that counts by itself, and in records whose kind we do not know."""
    kinds = tables.schema().tables
    for kind in kinds:
        if kind not in CONTENTS:
            yield from _hashes(read, kind)
    unknown = f"inside.changes where kind not in (select unnest({tables.literal(list(kinds))}))"
    for query in (
        f"select distinct unnest({HASHES % 'text_value'}) as hash from inside.points where text_value is not null",
        f"select distinct unnest({HASHES % 'after::varchar'}) as hash from {unknown}",
    ):
        yield from (row["hash"] for row in read.rows(query))


def _hashes(read: Reader, kind: str, where: str = "", ids: Collection[str] | None = None) -> Iterator[str]:
    rows = f"select to_json(t)::varchar as row from inside.{kind} t {where}"
    query = f"select distinct unnest({HASHES % 'row'}) as hash from ({rows})"
    yield from (row["hash"] for row in read.rows(query, None if ids is None else [list(ids)]))


def _addresses(read: Reader, kind: str, column: str) -> set[str]:
    return {row["id"] for row in read.rows(f"select distinct {column} as id from inside.{kind}")}


def _within(texts: Iterable[str], known: Collection[str]) -> set[str]:
    """Return the known hashes in runs of hex digits; letters of a text before a hash may have joined its run."""
    return {name for text in texts for name in (text[at : at + 64] for at in range(len(text) - 63)) if name in known}


def _check_index(layout: Layout) -> None:
    """Refuse to judge while records lie in the archive and no index tells them: all of them would seem unnamed."""
    if not _is_untold(layout):
        return
    with unfolded(layout):  # a first fold that is at work writes its packs before the index
        untold = _is_untold(layout)
    if untold:
        raise RenexError("corrupt", f"the index of {layout.root} is damaged or missing.", "First run: %renex rebuild")


def _is_untold(layout: Layout) -> bool:
    return bool(archive.packs_in(layout)) and generation.usable(layout) is None


def _left_behind(folder: Path, deadline: float) -> Iterator[tuple[Path, int]]:
    """Yield the temporary files, and their sizes, of writers that were killed."""
    for path in folder.glob(".*"):
        if TEMPORARY.fullmatch(path.name):
            with suppress(FileNotFoundError):  # its writer is done in this moment
                about = path.lstat()
                if about.st_mtime < deadline:
                    yield path, about.st_size


def _free(each: Kept, deadline: float) -> bool:
    """Remove a content, unless it was put again in the meantime."""
    away = away_name(each.path)
    with suppress(FileNotFoundError, PermissionError):  # Windows keeps what is open
        each.path.rename(away)
        if away.stat().st_mtime < deadline:
            away.unlink()
            return True
        _put_back(away, each.path)
    return False


def bring_back(folder: Path) -> None:
    """Give their names back to contents at which a collection was killed; they are judged anew."""
    for path in folder.glob(".*.gone"):
        if found := ON_ITS_WAY.fullmatch(path.name):
            _put_back(path, folder / found[1] / found[2])


def _put_back(away: Path, path: Path) -> None:
    put_in_place(away, path, replace=False)  # one that was written anew has the younger time, and stays
    away.unlink(missing_ok=True)
