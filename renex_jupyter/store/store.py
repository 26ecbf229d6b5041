"""An open store: writes go to the journal, questions to the reader, contents to the blobs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renex_jupyter.config import STORE_VARIABLE, settings
from renex_jupyter.errors import RenexError, warn
from renex_jupyter.records.changes import Change
from renex_jupyter.records.metrics import Point
from renex_jupyter.store import layout as layouts
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.store.journal import Journal
from renex_jupyter.store.layout import Layout

if TYPE_CHECKING:
    from renex_jupyter.store.reader import Reader


class Store:
    """One store folder, as one process uses it. Nothing is created before the first record is written."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.blobs = Blobs(self.layout.blobs)
        self._journal: Journal | None = None
        self._readers: list[Reader] = []  # the last is ours; one that a fork inherited must not even be destroyed
        self._known: set[tuple[str, str]] = set()  # what `ensure` need not ask for again
        self._known_at = 0  # when something was last purged
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._folding = self._fold_again = False
        self._doubted = False  # the index could not be read, and nobody has made it again since
        self._sealed_at_fold = 0
        if self.layout.exists():
            layouts.check(self.layout)

    @property
    def exists(self) -> bool:
        """Say whether something was ever recorded here."""
        return self.layout.exists()

    @property
    def reader(self) -> Reader:
        """The reader of this process.

        Raises
        ------
        RenexError : `not_found` before anything was recorded.
        """
        if not self.exists:
            hint = "Record something first: %snapshot, %%task or rx.start_run()."
            raise RenexError("not_found", f"nothing is recorded yet in {self.layout.project}.", hint)
        if not self._readers or self._readers[-1].pid != os.getpid():
            from renex_jupyter.store.reader import Reader  # duckdb is loaded by the first question, not by logging

            # Not the method itself: in a forked child the cycle would be collected, and DuckDB cannot bear that.
            mend = weakref.WeakMethod(self._mend_in_background)
            self._readers.append(Reader(self.layout, lambda: (found := mend()) and found()))
            if self.layout.has_moved():
                self.fold_in_background()  # `history.duckdb` still names the old folder
            _warn_of_losses(self.layout)
        return self._readers[-1]

    @property
    def journal(self) -> Journal:
        """The journal of this process; a forked child gets its own."""
        journal = self._journal
        if journal is None or journal.pid != os.getpid():
            journal = self._open_journal()
        return journal

    def write(self, *changes: Change) -> None:
        """Keep changes, with one `write()`."""
        self.journal.write_changes(changes)
        self._fold_if_rotated()

    def write_points(self, points: Iterable[Point]) -> None:
        """Keep metric points, with one `write()`."""
        self.journal.write_points(points)
        self._fold_if_rotated()

    def ensure(self, kind: str, object_id: str, after: Mapping[str, Any], *, namespace: str | None = None) -> None:
        """Create an object whose id says its content, unless it is there already."""
        self.ensure_all(kind, {object_id: lambda: after}, namespace=namespace)

    def ensure_all(
        self, kind: str, objects: Mapping[str, Callable[[], Mapping[str, Any]]], *, namespace: str | None = None
    ) -> None:
        """Create those of some objects, by the ids that say their content, which are not there already."""
        purged = self.layout.purged_at()
        if purged != self._known_at:
            self._known.clear()
            self._known_at = purged
        new = [each for each in objects if (kind, each) not in self._known]
        there = self.having(kind, new) if new and self.exists else set()
        for object_id in new:
            if object_id not in there:  # one by one: many parts of a tree may be more than one write should be
                self.write(Change(kind, object_id, "create", objects[object_id](), namespace=namespace))
            self._known.add((kind, object_id))

    def having(self, kind: str, ids: Sequence[str]) -> set[str]:
        """Return those of some ids under which an object is recorded."""
        from renex_jupyter.store.tables import among  # duckdb is loaded by the first question, not by logging

        query = f"select distinct id from inside.changes where kind = ? and {among('id', ids)}"
        return {row["id"] for row in self.reader.rows(query, [kind])}

    def settle(self) -> None:
        """Make everything written durable and have it folded; called when a run or a snapshot ends."""
        journal = self.journal
        journal.sync()
        journal.seal()
        self.fold_in_background()

    def fold_in_background(self) -> None:
        """Have a child process fold; if one is at it, another follows it, so that nothing sealed is left waiting."""
        if not settings().fold_in_background:
            return
        with self._lock:
            self._sealed_at_fold = self._journal.sealed if self._journal else 0
            self._fold_again = self._folding
            if not self._folding:
                thread = threading.Thread(target=self._fold_in_child, name="renex-fold", daemon=True)
                with suppress(RuntimeError):  # no more threads: a later call folds
                    thread.start()
                    self._folding = True

    def fold(self) -> int:
        """Seal what this process wrote and fold everything sealed, here and now; return the number of files folded."""
        from renex_jupyter.store.fold import fold

        self.journal.seal()
        return fold(self.layout, doubted=self._take_doubt())

    def _mend_in_background(self) -> None:
        self._doubted = True
        self.fold_in_background()

    def _take_doubt(self) -> bool:
        with self._lock:
            doubted, self._doubted = self._doubted, False
            return doubted

    def _fold_in_child(self) -> None:
        again = True
        while again:
            words = ["--doubted"] if self._take_doubt() else []
            with suppress(OSError):  # readers see the journal; the next fold catches up
                subprocess.run(
                    [sys.executable, "-P", "-m", "renex_jupyter.store.fold", str(self.layout.root), *words],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # an interrupt of the cell is not meant for it
                    check=False,
                )
            with self._lock:
                again, self._fold_again = self._fold_again, False
                self._folding = again

    def forget_if_gone(self) -> bool:
        """Begin anew when somebody deleted the store, or our journal, meanwhile; say whether that was so."""
        journal = self._journal
        if journal is None or journal.pid != os.getpid() or (self.layout.exists() and not journal.gone):
            return False
        journal.leave()
        self._journal = None
        self._known.clear()
        return True

    def _open_journal(self) -> Journal:
        if self._pid != os.getpid():  # forked: a lock may be held by a thread that does not exist here
            self._pid, self._lock, self._folding = os.getpid(), threading.RLock(), False
            inherited, self._journal = self._journal, None
            if inherited is not None:
                inherited.abandon()
        with self._lock:
            if self._journal is None:
                layouts.create(self.layout.root)
                layouts.check(self.layout)
                limits = settings()
                self._journal = Journal(
                    self.layout.journal, rotate_bytes=limits.rotate_bytes, sync_interval=limits.sync_interval
                )
                self._sealed_at_fold = 0  # counted by each journal anew
            return self._journal

    def _fold_if_rotated(self) -> None:
        journal = self._journal
        if journal is not None and journal.sealed > self._sealed_at_fold:
            self.fold_in_background()


def _warn_of_losses(layout: Layout) -> None:
    if layout.damaged.is_dir():
        from renex_jupyter.store.losses import losses_of

        lost = [loss for loss in losses_of(layout) if loss.matters]
        if lost:
            what = f"{lost[0].path.name} and {len(lost) - 1} more files" if lost[1:] else lost[0].path.name
            hint = "Bring them back from a backup with renex import, or accept it with renex fsck --accept."
            warn(f"records of {layout.root} are lost, which stood in {what}. {hint}")


def locate(start: Path) -> Path:
    """Return the folder of the store for work in `start`: the setting, the variable, the nearest upward, or a new place."""
    return named() or layouts.find(start) or layouts.place_for_new(start)


def named() -> Path | None:
    """Return the store that the setting or the variable names; it may be anywhere, whatever the project is."""
    name = settings().store or os.environ.get(STORE_VARIABLE, "")
    return Path(name).expanduser().absolute() if name else None
