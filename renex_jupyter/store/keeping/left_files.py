"""What runs that are over have left in their folders: of a purged run all goes, for a secret only the files that hold it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from renex_jupyter.records.keeping import Holder
from renex_jupyter.store import download_folders, run_folders
from renex_jupyter.store.keeping.doomed import Doomed
from renex_jupyter.store.store import Store


@dataclass(slots=True)
class Left:
    """What became of the files that were searched."""

    removed: list[str] = field(default_factory=list)  # paths, without the secret
    still_in: list[Holder] = field(default_factory=list)

    def doubt(self, path: Path, error: OSError) -> None:
        """Take note of what cannot be searched, or not removed."""
        told = Holder(_told(path), (), f"maybe: {error.strerror or error}")
        if told not in self.still_in[-1:]:  # of a folder itself, and of what is in it
            self.still_in.append(told)


def clear(store: Store, doomed: Doomed) -> int:
    """Remove the folders of purged runs, for a secret those of all runs but for what is kept; return how many files went."""
    files = download_folders.clear(store.layout)  # they are made again when somebody asks
    for folder in run_folders.left_over(store):
        if doomed.secret or folder.name in doomed.owners:
            files += _files_in(folder)
            run_folders.clear(folder) if doomed.secret else run_folders.remove(folder)
            files -= _files_in(folder)
    return files


def _files_in(folder: Path) -> int:
    return sum(map(_is_file, _all_in(folder, lambda *_: None)))


def _is_file(path: Path) -> bool:
    with suppress(OSError):
        return path.is_file() and not path.is_symlink()
    return False


def remove_holders(store: Store, doomed: Doomed) -> Left:
    """Remove the files that are kept in the folders of runs and hold a secret; tell those that cannot be read or removed.

    No link is followed, and no pipe opened. A name that holds it is told and stays: the file may be all that there is of a
    long computation, and another name mends it.
    """
    found = Left()
    for folder in run_folders.left_over(store):
        printed = [path for name in run_folders.PRINTED if os.path.lexists(path := folder / name)]
        if printed:  # one text in two files
            _look(printed, doomed, found)
        for path in _all_in(folder / run_folders.KEPT, found.doubt):
            _look([path], doomed, found)
        with suppress(OSError):
            folder.rmdir()  # when nothing is left in it
    return found


def _all_in(top: Path, failed: Callable[[Path, OSError], None]) -> Iterator[Path]:
    """Yield a path, if it is there, and all below it, at any depth; call `failed` for the folders that cannot be read."""
    waiting = [top] if os.path.lexists(top) else []
    while waiting:
        path = waiting.pop()
        yield path
        try:
            if path.is_dir() and not path.is_symlink():
                waiting += path.iterdir()
        except OSError as error:
            failed(path, error)


def _look(paths: list[Path], doomed: Doomed, found: Left) -> None:
    """Look into the parts of one text, and remove them when it holds the secret."""
    try:
        if doomed.sought.stands_in(chain.from_iterable(map(_content, paths))):
            for path in paths:
                path.unlink(missing_ok=True)
                found.removed.append(doomed.text(_told(path)))
            return
    except FileNotFoundError:  # somebody removed it just now
        return
    except OSError as error:
        found.doubt(paths[0], error)
        return
    found.still_in += [Holder(_told(path), ()) for path in paths if doomed.sought.stands_in([os.fsencode(path.name)])]


def _content(path: Path) -> Iterator[bytes]:
    """Yield what is in a file; of a link what it names; of anything else nothing."""
    if path.is_symlink():
        yield os.fsencode(path.readlink())
    elif path.is_file():
        yield from run_folders.chunks_of(path)


def _told(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "replace")
