"""Bring what a run printed: of a running one from its folder, as it comes, of one that ended from the blobs.

What the blobs could not take, as on a full disk, lies in the folder still.
"""

from __future__ import annotations

import io
import re
import stat
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import RenexError
from renex_jupyter.records import display
from renex_jupyter.records.runs import Run
from renex_jupyter.store import run_folders
from renex_jupyter.store.store import Store
from renex_jupyter.tasks.output import LOG, TAIL
from renex_jupyter.views import text
from renex_jupyter.views.output import Output

LINES, CHARS = 200, 40_000  # at the end of the output, that are shown unasked
MOST = 4 * 2**20  # bytes of one output, whatever a store has
SLOW, LARGE = 3.0, 200_000  # seconds between two looks at so many characters
_OWN_ID = re.compile(r"[0-9a-f]{32}")  # as a part of a path, an id could say anything else

Seen = tuple[object, ...]


class Printed:
    """Keeps the box of output up to date for one run.

    Parameters
    ----------
    changed : is called when the reader opens or closes the box, or wants all of it.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.box = Output()
        self._run: Run | None = None
        self._seen: Seen | None = None
        self._read_at = 0.0
        self.box.observe(lambda _: changed(), ["opened", "whole"])

    def show(self, run: Run | None) -> None:
        """Turn to a run, or to none; `look` fills the box."""
        if run is None or self._run is None or run.run_id != self._run.run_id:
            self._seen = None
            with self.box.hold_sync():
                self.box.whole, self.box.label, self.box.text = False, "", ""
                self.box.notice, self.box.more = "", False
                self.box.of = run.run_id if run else ""
        self._run = run

    def look(self, store: Store) -> None:
        """Read the output if there is anything new in it; costs a few looks at files when there is not."""
        run = self._run
        if run is None or not self._is_time():
            return
        folder = store.layout.runs / run.run_id
        there = () if run.output_sha256 or not _OWN_ID.fullmatch(run.run_id) else _state(folder)
        if not run.output_sha256 and not there:
            return  # nothing of it is kept; or it ended just now, and the store will say more in a moment
        seen = (run.run_id, run.output_sha256, there, self.box.opened, self.box.whole)
        if seen == self._seen:
            return
        self._seen, self._read_at = seen, time.monotonic()
        self._fill(store, run, folder)

    def _is_time(self) -> bool:
        return len(self.box.text) < LARGE or time.monotonic() - self._read_at >= SLOW

    def _fill(self, store: Store, run: Run, folder: Path) -> None:
        printed, problem = "", ""
        if self.box.opened:
            try:
                printed = text.plain(_recorded(store, run.output_sha256) if run.output_sha256 else _so_far(folder))
            except (RenexError, OSError) as error:
                problem = str(error)
        shown = printed if self.box.whole else last_lines(printed)
        # What is recorded has no secrets of a known form any more; what is on its way has.
        said = shown if run.output_sha256 else redact_text(shown)
        size = f" ({display.size(run.output_size)})" if run.output_size else ""
        with self.box.hold_sync():
            self.box.of, self.box.label, self.box.text = run.run_id, f"Output{size}", said
            self.box.more = len(shown) < len(printed)
            self.box.notice = problem or self._about(printed, shown)

    def _about(self, printed: str, shown: str) -> str:
        if len(shown) < len(printed):
            return f"The last {display.count(_lines(shown), 'line')} of {_lines(printed):,}."
        return "" if printed or not self.box.opened else "Nothing printed yet."


def last_lines(printed: str) -> str:
    """Return the end of a text: at most `LINES` lines and `CHARS` characters."""
    start = len(printed)
    for _ in range(LINES):
        start = printed.rfind("\n", 0, max(0, start - 1)) + 1
        if start == 0:
            break
    return printed[max(start, len(printed) - CHARS) :]


def _lines(printed: str) -> int:
    return printed.count("\n") + (not printed.endswith("\n"))


def _state(folder: Path) -> tuple[tuple[int, int], ...]:
    """Return what tells one state of the output in the folder of a run from the next; empty when there is none."""
    return _state_of(folder, (LOG, TAIL)) or _state_of(folder, run_folders.PRINTED)


def _state_of(folder: Path, names: tuple[str, str]) -> tuple[tuple[int, int], ...]:
    found = []
    for name in names:
        try:
            about = (folder / name).lstat()
        except OSError:
            continue
        if not stat.S_ISREG(about.st_mode):
            return ()  # a link or a pipe, which a run never makes
        found.append((about.st_size, about.st_mtime_ns))
    return tuple(found)


def _so_far(folder: Path) -> str:
    names = (LOG, TAIL) if _state_of(folder, (LOG, TAIL)) else run_folders.PRINTED
    return "".join(_text(folder / name) for name in names)


def _text(path: Path) -> str:
    found = _Beginning()
    with suppress(FileNotFoundError), closing(run_folders.chunks_of(path)) as chunks:
        for chunk in chunks:
            if found.tell() >= MOST:
                break
            found.write(chunk)
    return found.getvalue().decode("utf-8", "replace")


class _Beginning(io.BytesIO):
    """Takes the first `MOST` bytes, so that no stored content fills the memory."""

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # the blobs bring bytes
        super().write(data[: max(0, MOST - self.tell())])
        return len(data)


def _recorded(store: Store, sha256: str) -> str:
    found = _Beginning()
    store.blobs.copy_to(sha256, found)
    return found.getvalue().decode("utf-8", "replace")
