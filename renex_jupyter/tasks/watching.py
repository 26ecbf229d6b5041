"""See what an action prints, from any process: what was printed so far, and all that comes until its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from renex_jupyter.store import liveness
from renex_jupyter.tasks.order import Outcome
from renex_jupyter.tasks.output import LEFT_OUT, LOG, TAIL
from renex_jupyter.tasks.process import read_outcome, read_state

KNOWN_BY = 500  # characters, by which the place is found again that somebody has seen the output up to


def watch(
    folder: Path,
    echo: Callable[[str], None],
    *,
    interval: float = 0.2,
    is_over: Callable[[], bool] | None = None,
    rest: Callable[[], str] | None = None,
) -> Outcome | None:
    """Show what an action printed and prints, as a screen would, until it has ended; anybody may, at any time.

    Parameters
    ----------
    is_over : says whether the run has ended, asked while no supervisor tells; without it, a missing folder is the end.
    rest : returns the output as it was kept, for when the folder is removed between two looks, as it is at a run's end.

    Returns
    -------
    The outcome; None when the supervisor, or the folder, is gone without one.
    """
    with _Shown(folder, echo) as shown:
        while True:
            outcome, state = read_outcome(folder), read_state(folder)
            over = not state and is_over is not None and is_over()
            shown.update()
            if outcome is None and (over or _is_gone(folder, state, ends_unseen=is_over is None)):
                outcome = read_outcome(folder)
                if not shown.update() and rest is not None:
                    shown.rest(rest())
                shown.end()
                return outcome
            if outcome is not None:
                shown.end()
                return outcome
            time.sleep(interval)


def _is_gone(folder: Path, state: dict[str, Any], *, ends_unseen: bool) -> bool:
    """Say whether nobody looks after the action any more; before anybody does, only a missing folder tells."""
    if state:
        return liveness.is_gone(state["pid"], state["pid_started"], state["boot_id"], None)
    return ends_unseen and not folder.exists()


class _Shown:
    """How far somebody has seen the output in a run's folder."""

    def __init__(self, folder: Path, echo: Callable[[str], None]) -> None:
        self._folder, self._echo = folder, echo
        self._position = 0  # bytes of whole lines, of all that was ever printed
        self._open = ""  # the line that was not ended
        self._has_tail = False
        self._last = ""  # what was shown last, of whole lines
        self._log: IO[bytes] | None = None  # held open: what is written to it last is read though the folder is gone

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._log is not None:
            self._log.close()

    def update(self) -> bool:
        """Show what is new; a line that changed is written over, and what is not kept is told.

        Returns
        -------
        False: the folder is gone, and there may have been more.
        """
        head, tail = self._head(), self._tail()
        there = (self._folder / LOG).exists()
        if head is None or (not there and self._has_tail):
            return there
        self._has_tail = bool(tail)
        self._take(head, tail)
        return there

    def rest(self, text: str) -> None:
        """Show what follows, in the output as it was kept, on what was shown; secrets may be taken out of it."""
        place = text.rfind(self._last) if self._last else 0
        if place >= 0:
            self._show(text[place + len(self._last) :].encode())
        elif found := LEFT_OUT.search(text.encode()):  # what was shown last is left out
            self.end()
            self._show(text.encode()[found.start() :])

    def _take(self, head: bytes, tail: bytes) -> None:
        found = LEFT_OUT.match(tail)
        body = tail[found.end() :] if found else tail
        begin = len(head) + (int(found[1]) if found else 0)  # of the body
        if self._position < begin and found is None:
            self._show(head[self._position :] + body)
            return
        if self._position < begin:
            self._show(head[self._position :])
            reached = max(self._position + len(self._open.encode()), len(head))
            self.end()
            self._echo(f"… {begin - reached} bytes left out …\n")
            self._position, self._last = begin, ""
        self._show(body[self._position - begin :])

    def end(self) -> None:
        """Leave the cursor on a line of its own."""
        if self._open:
            self._echo("\n")
            self._open = ""

    def _show(self, data: bytes) -> None:
        whole, end, rest = data.rpartition(b"\n")
        now = data.decode("utf-8", "replace")
        first = now.partition("\n")[0]
        if first.startswith(self._open):
            if now != self._open:
                self._echo(now[len(self._open) :])
        else:
            padding = " " * (len(self._open) - len(first))
            self._echo("\r" + first + padding + now[len(first) :])
        self._open = rest.decode("utf-8", "replace")
        self._position += len(whole) + len(end)
        self._last = (self._last + (whole + end).decode("utf-8", "replace"))[-KNOWN_BY:]

    def _head(self) -> bytes | None:
        """Return the log, also of a folder that was removed since the last look; None: it was never there."""
        with suppress(OSError):
            self._log = self._log or (self._folder / LOG).open("rb")
            self._log.seek(0)
            return self._log.read()
        return None

    def _tail(self) -> bytes:
        with suppress(OSError):
            return (self._folder / TAIL).read_bytes()
        return b""
