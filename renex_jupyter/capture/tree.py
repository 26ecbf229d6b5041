"""One capture of a project's files in the reading process, and what it remembers of it for the next one."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from renex_jupyter.capture.index import Index
from renex_jupyter.capture.parts import Entry, parts_of
from renex_jupyter.capture.reading import Contents
from renex_jupyter.capture.walk import INCOMPLETE, Folder, Walk
from renex_jupyter.capture.wanted import Wanted
from renex_jupyter.records.paths import from_text
from renex_jupyter.store.batch import Batch
from renex_jupyter.store.blobs import Blobs

SAVE_EVERY = 20.0  # seconds: a capture that is given up has not read in vain


@dataclass(frozen=True, slots=True)
class Tree:
    """What a capture found."""

    files_id: str
    parts: dict[str, list[Entry]]
    left_out: list[tuple[str, str]]
    partial: bool
    findings: list[tuple[str, int, str]]  # path, line, kind


@dataclass(slots=True)
class Memory:
    """What is known of one project."""

    index: Index = field(default_factory=Index)
    saved_in: Path | None = None  # the file of the index
    folders: dict[str, Folder] = field(default_factory=dict)
    limits: tuple[object, ...] = ()  # under which the folders were gone through
    contents: tuple[object, ...] = ()  # how the store's folders of contents looked after that
    tree: Tree | None = None
    saved_at: float = 0.0

    def open(self, root: str, folder: str | None) -> None:
        """Take up the index that another process has left in a folder of the store."""
        path = Path(folder, f"{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.json.zst") if folder else None
        if path and path != self.saved_in:
            self.saved_in = path
            if not self.index.known:
                self.index = Index.load(path)
        self.saved_at = time.monotonic()

    def save(self) -> None:
        """Leave the index to the next process."""
        if self.saved_in and self.index.fresh:
            self.index.save(self.saved_in)
        self.saved_at = time.monotonic()

    def forget_what_is_gone(self) -> None:
        """Drop what is known of files that are no more: a name may be a secret, too."""
        known = self.index.known
        if self.tree and len(known) > sum(map(len, self.tree.parts.values())):
            there = {from_text(entry[0]) for part in self.tree.parts.values() for entry in part}
            self.index.known = {path: said for path, said in known.items() if path in there}
            contents = {entry[3] for part in self.tree.parts.values() for entry in part}
            self.index.findings = {sha: said for sha, said in self.index.findings.items() if sha in contents}


class Capture:
    """One capture, as a request wants it."""

    def __init__(self, request: dict[str, Any], memory: Memory, check: Callable[[], None]) -> None:
        self.memory, self._check = memory, check
        self.root: str = request["root"]
        memory.open(self.root, request["index"])
        blobs = Blobs(Path(request["blobs"])) if request["blobs"] else None
        self.batch = Batch(blobs) if blobs else None
        self.wanted = Wanted.of(request["exclude"], request["include"], request["imported"])
        self.limits = (request["max_file_size"], frozenset[str](request["purged"]))

    def go_on(self) -> None:
        """Raise when nobody waits any more."""
        self._check()
        if time.monotonic() - self.memory.saved_at > SAVE_EVERY:
            self.memory.save()

    def take(self) -> Tree:
        """Go through the project; the contents are in the store when this returns."""
        memory = self.memory
        if memory.limits != self.limits or memory.contents != self._looks():
            memory.folders = {}
        try:
            walk = self._walk()
            if memory.folders and memory.contents != self._looks():  # beside us something was put there, or freed
                memory.folders = {}
                walk = self._walk()
            if self.batch:
                self.batch.flush()
        finally:
            if self.batch:
                self.batch.give_up()
        if walk.changed or memory.tree is None or len(walk.folders) != len(memory.folders):
            memory.tree = self._tree(walk)
            memory.forget_what_is_gone()
        memory.folders, memory.limits, memory.contents = walk.folders, self.limits, self._looks()
        return memory.tree

    def _walk(self) -> Walk:
        contents = Contents(self.root, self.batch, self.memory.index, *self.limits, self.go_on)
        walk = Walk(contents, self.wanted, self.go_on, time.time(), self.memory.folders)
        walk.run()
        return walk

    def _looks(self) -> tuple[object, ...]:
        """Return how the folders of the contents look: whoever takes one away changes the time of its folder."""
        if self.batch is None:
            return self.memory.contents
        with suppress(OSError), os.scandir(self.batch.blobs.folder) as entries:
            return tuple(sorted((each.name, each.stat().st_mtime_ns) for each in entries if len(each.name) == 2))
        return ()

    def _tree(self, walk: Walk) -> Tree:
        files_id, parts = parts_of(walk.entries())
        found = self.memory.index.findings
        findings = [
            (entry[0], line, kind)
            for part in (parts.values() if found else ())
            for entry in part
            for line, kind in found.get(entry[3] or "", ())
        ]
        left_out = walk.left_out
        return Tree(files_id, parts, left_out, any(why in INCOMPLETE for _, why in left_out), findings)
