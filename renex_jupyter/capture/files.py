"""The project's files at one moment, read by a process of its own (worker.py)."""

from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from renex_jupyter.errors import RenexError, from_os_error
from renex_jupyter.records.snapshots import FileEntry, FilePart, FileTree, Finding, LeftOut
from renex_jupyter.store.interrupts import interrupts_held_back
from renex_jupyter.store.sought import Sought

T = TypeVar("T")
DAY = 86_400.0  # seconds; who waits for a large file can interrupt it
PATIENCE = 0.1  # seconds that an interrupt may have to wait
COMMAND = ("-X", "utf8", "-P", "-m", "renex_jupyter.capture.worker")  # -P: a random.py of the project is not imported


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What was read of one file or folder."""

    is_folder: bool
    entries: tuple[FileEntry, ...]  # ordered by path; of a file just one, whose path is its name
    left_out: tuple[LeftOut, ...] = ()
    findings: tuple[Finding, ...] = ()  # places of it that look like secrets


def capture_files(
    root: Path,
    blobs: Path | None,
    *,
    exclude: Collection[str] = (),
    include: Sequence[str] = (),
    max_file_size: int,
    timeout: float,
    purged: Collection[str] = (),
    imported: Iterable[str] = (),
    index: Path | None = None,
) -> FileTree:
    """Return the tree of files below `root` and keep their contents.

    Parameters
    ----------
    root : the project's folder.
    blobs : the store's `blobs` folder; None: contents are hashed, nothing is kept.
    exclude : paths relative to `root` that are left out with all that is below them.
    include : paths relative to `root` that are kept although an ignore file or, for a file named itself, its name
        as a secret says otherwise.
    max_file_size : bytes; a larger file becomes an entry without `sha256`.
    timeout : seconds.
    purged : SHA-256 of contents that are not kept again, unless they are asked for by `include`.
    imported : paths relative to `root` of files that are kept although an ignore file says otherwise; unlike `include`
        it overrides neither what is a secret nor what was purged.
    index : folder in which is kept what was read before, for the next process; None: nowhere.

    Returns
    -------
    Entries ordered by path; a path that is not valid UTF-8 is in the form of `renex_jupyter.records.paths`.

    Raises
    ------
    RenexError : `timeout`, `not_found` (no such folder), `interrupted` (the reading process died twice), or what the
        store says: `disk_full`, `permission`, `read_only`.
    """
    request = _request(
        root, blobs, exclude, include, max_file_size, purged=sorted(purged), imported=imported, index=index
    )
    return _ask(request, timeout, _tree)


def _tree(worker: Worker, answer: dict[str, Any]) -> FileTree:
    """Return the tree that an answer tells; parts that were told before are not told again."""
    told = {
        part: FilePart(part, tuple(FileEntry(*each) for each in answer["entries"][part])) for part in answer["entries"]
    }
    worker.parts = {part: told.get(part) or worker.parts[part] for part in answer["parts"]}
    left_out = tuple(LeftOut(*each) for each in answer["left_out"])
    findings = tuple(Finding(*each) for each in answer["findings"])
    return FileTree(answer["files_id"], tuple(worker.parts.values()), left_out, answer["partial"], findings)


def search_files(
    root: Path, sought: Sought, *, max_file_size: int, timeout: float
) -> tuple[tuple[str, tuple[int, ...], str | None], ...]:
    """Return where a text stands in the files that a snapshot would take.

    Returns
    -------
    Path, numbers of its first lines that have it, and SHA-256 of each such file, ordered by path; no lines and None where
    it stands in the name only.

    Raises
    ------
    RenexError : as `capture_files`.
    """
    request = _request(root, None, (), (), max_file_size, sought=sought.as_json())
    found = _ask(request, timeout, lambda _, answer: answer["found"])
    return tuple((path, tuple(lines), sha256) for path, lines, sha256 in found)


def read_texts(root: Path, paths: Sequence[str], *, limit: int, timeout: float) -> dict[str, bytes]:
    """Return what some small files say now, by path; of a link its target. What cannot be read is left out.

    Parameters
    ----------
    paths : as the entries of a tree have them.
    limit : bytes; a larger file is left out.

    Raises
    ------
    RenexError : as `capture_files`.
    """
    request = {"root": _text(root.absolute()), "texts": list(paths), "limit": limit}
    found = _ask(request, timeout, lambda _, answer: answer["texts"])
    return {path: b64decode(content) for path, content in found.items()}


def upload(
    path: Path,
    blobs: Path | None,
    *,
    purged: Collection[str] = (),
    reserved: Collection[str] = (),
    hide_secrets: bool = True,
    only: Iterable[str] | None = None,
    timeout: float = DAY,
) -> Uploaded:
    """Return the entries of one file, or of all in a folder, and keep their contents, whole or not at all.

    Parameters
    ----------
    path : a link is followed here, but none inside of a folder.
    blobs : the store's `blobs` folder; None: contents are hashed, nothing is kept.
    purged : SHA-256 of contents that are refused.
    reserved : names, in lower case, of what is left out of a folder wherever it lies.
    hide_secrets : leave out what is named like a secret in a folder.
    only : paths in the folder, what is not there is passed over; None: all of it.
    timeout : seconds.

    Raises
    ------
    RenexError : `not_found`, `permission`, `invalid_argument` for what is neither file nor folder, `conflict` for what
        changes while it is read and for what was purged, `timeout`, `interrupted`, or what the store says.
    """
    request = {
        "root": _text(path.absolute()),
        "upload": {
            "blobs": _text(blobs.absolute()) if blobs else None,
            "purged": sorted(purged),
            "reserved": sorted(reserved),
            "hide_secrets": hide_secrets,
            "only": None if only is None else [_text(Path(each)) for each in only],
        },
    }
    answer = _ask(request, timeout, lambda _, answer: answer, _uploads)
    entries = tuple(FileEntry(path, "file", *rest) for path, *rest in answer["entries"])
    left_out = tuple(LeftOut(*each) for each in answer["left_out"])
    return Uploaded(answer["is_folder"], entries, left_out, tuple(Finding(*each) for each in answer["findings"]))


def read_table(paths: Sequence[Path], kind: str, into: Path, *, timeout: float = DAY) -> dict[str, Any]:
    """Have tables, or a dataset of images, written as Parquet into a folder: see table_reading.py.

    Raises
    ------
    RenexError : `not_found`, `permission`, `invalid_argument` for what is not of this format, `timeout`, `interrupted`.
    """
    table = {"paths": [_text(each.absolute()) for each in paths], "format": kind, "into": _text(into)}
    request = {"root": _text(paths[0].absolute()), "table": table}
    return _ask(request, timeout, lambda _, answer: answer, _tables)


def stop_worker() -> None:
    """End the reading processes; the next capture starts another."""
    for slot in (_slot, _uploads, _tables):
        with slot.lock:
            worker, slot.worker = slot.worker, None
            if worker and worker.owner == os.getpid():
                with suppress(KeyboardInterrupt):  # its input has ended, and so will it
                    worker.end()


class EndedError(Exception):
    """The reading process is gone."""


class Worker:
    """A running reading process. Only one thread talks to it at a time."""

    def __init__(self) -> None:
        try:
            self.process = subprocess.Popen(
                [sys.executable, *COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                cwd=Path(sys.executable).anchor,  # no folder of the user stays busy
                start_new_session=True,  # Ctrl-C is for the kernel
            )
        except OSError as error:
            raise from_os_error(error, "the process that reads files cannot be started") from error
        self.input = cast("IO[bytes]", self.process.stdin)
        self.owner = os.getpid()
        self.number = 0
        self.parts: dict[str, FilePart] = {}  # of the last tree
        self.answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(self.process.stdout, self.answers), daemon=True).start()

    def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Return the answer to this request; answers to earlier ones, which nobody waited for, are dropped."""
        number = self._send({**request, "known": list(self.parts)})
        try:
            while answer := self.answers.get(timeout=max(0.0, deadline - time.monotonic())):
                if answer["id"] == number:
                    return answer
        except queue.Empty:
            self.end(kill=True)
            raise
        except BaseException:  # Ctrl-C: nobody waits any more
            with suppress(EndedError):
                self._send({})
            raise
        self.end(kill=True)  # its output has ended; the process may take a moment longer
        raise EndedError

    def end(self, *, kill: bool = False) -> None:
        """End the process, at once or after what it is doing."""
        self.input.close()
        try:
            self.process.wait(0 if kill else 1.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _send(self, request: dict[str, Any]) -> int:
        self.number += 1
        rest = memoryview(json.dumps({"id": self.number, **request}).encode() + b"\n")
        try:
            while rest:
                rest = rest[self.input.write(rest) or 0 :]
        except OSError as error:
            self.end(kill=True)
            raise EndedError from error
        except BaseException:  # half a line was sent
            self.end(kill=True)
            raise
        return self.number


class Slot:
    """The one worker of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.worker: Worker | None = None
        self.inherited: list[Worker] = []  # of the process that forked us: kept, so that none is finalised here

    def running(self) -> Worker:
        """Return the worker, started if need be."""
        if self.worker and self.worker.owner != os.getpid():
            self.forget()
        if self.worker is None or self.worker.process.poll() is not None:
            self.worker = Worker()
        return self.worker

    def forget(self) -> None:
        """Leave the worker to the process that we were forked from."""
        if self.worker:
            self.inherited.append(self.worker)
            self.worker.input.close()
        self.worker = None

    def after_fork(self) -> None:
        """Begin anew in a forked child; another thread may have held the lock in that moment."""
        self.lock = threading.Lock()
        self.forget()


_slot = Slot()
_uploads = Slot()  # an artifact of many gigabytes must not keep a snapshot waiting
_tables = Slot()  # nor must a table of millions of rows


def _ask(request: dict[str, Any], timeout: float, read: Callable[[Worker, dict[str, Any]], T], slot: Slot = _slot) -> T:
    """Return what `read` makes of the answer."""
    deadline = time.monotonic() + timeout
    lock, held = slot.lock, False
    try:
        while not held:
            with interrupts_held_back():  # one between the lock and our note of it would leave it held for good
                held = lock.acquire(timeout=max(0.0, min(PATIENCE, deadline - time.monotonic())))
            if not held and time.monotonic() >= deadline:
                raise queue.Empty
        for _ in range(2):
            with suppress(EndedError):
                worker = slot.running()
                return read(worker, _unpacked(worker.ask(request, deadline)))
        hint = f"Try it by hand: {sys.executable} {' '.join(COMMAND)} < /dev/null"
        raise RenexError("interrupted", "the process that reads the project's files ended twice.", hint)
    except queue.Empty:
        raise _too_slow(request, timeout) from None
    finally:
        if held:
            lock.release()


def _unpacked(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise RenexError(*answer["error"])
    return answer


def _listen(stream: IO[bytes], answers: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    with suppress(OSError, ValueError), os.fdopen(stream.fileno(), "rb", closefd=False) as lines:
        for line in lines:
            if line.startswith(b'{"id"'):  # a sitecustomize of the user may print, too
                answers.put(json.loads(line))
    answers.put(None)
    stream.close()


def _request(
    root: Path,
    blobs: Path | None,
    exclude: Iterable[str],
    include: Iterable[str],
    max_file_size: int,
    *,
    purged: Sequence[str] = (),
    imported: Iterable[str] = (),
    sought: dict[str, Any] | None = None,
    index: Path | None = None,
) -> dict[str, Any]:
    return {
        "root": _text(root.absolute()),
        "blobs": _text(blobs.absolute()) if blobs else None,
        "exclude": [_text(Path(os.path.normpath(each))) for each in exclude],
        "include": [_text(Path(os.path.normpath(each))) for each in include],
        "imported": [_text(Path(each)) for each in imported],
        "max_file_size": max_file_size,
        "purged": purged,
        "sought": sought,
        "index": _text(index.absolute()) if index else None,
    }


def _text(path: Path) -> str:
    """Return a path as the worker's Python, which is always in UTF-8 mode, reads it."""
    return os.fsencode(path).decode("utf-8", "surrogateescape").replace(os.sep, "/")


def _too_slow(request: dict[str, Any], timeout: float) -> RenexError:
    hint = "Leave large folders out in .renexignore, or raise %config Renex.capture_timeout."
    return RenexError("timeout", f"reading the files of {request['root']} took longer than {timeout:g} s.", hint)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_slot.after_fork)
    os.register_at_fork(after_in_child=_uploads.after_fork)
    os.register_at_fork(after_in_child=_tables.after_fork)
atexit.register(stop_worker)
