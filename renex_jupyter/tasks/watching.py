"""See what an action prints, from any process: what was printed so far, and all that comes until its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from renex_jupyter.store import liveness
from renex_jupyter.tasks.order import Outcome
from renex_jupyter.tasks.output import LEFT_OUT, LOG, TAIL
from renex_jupyter.tasks.process import read_outcome, read_state


def watch(folder: Path, echo: Callable[[str], None], *, interval: float = 0.2) -> Outcome | None:
    """Show what an action printed and prints, as a screen would, until it has ended; anybody may, at any time.

    Returns
    -------
    The outcome; None when the supervisor, or the folder, is gone without one.
    """
    shown = _Shown(folder, echo)
    while True:
        outcome, state = read_outcome(folder), read_state(folder)
        shown.update()
        if outcome is not None:
            shown.end()
            return outcome
        gone = not state or liveness.is_gone(state["pid"], state["pid_started"], state["boot_id"], None)
        if gone and (state or not folder.exists()):
            return read_outcome(folder)
        time.sleep(interval)


class _Shown:
    """How far somebody has seen the output in a run's folder."""

    def __init__(self, folder: Path, echo: Callable[[str], None]) -> None:
        self._folder, self._echo = folder, echo
        self._position = 0  # bytes of whole lines, of all that was ever printed
        self._open = ""  # the line that was not ended

    def update(self) -> None:
        """Show what is new; a line that changed is written over, and what is not kept is told."""
        head, tail = self._read(LOG), self._read(TAIL)
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
            self._position = begin
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

    def _read(self, name: str) -> bytes:
        with suppress(OSError):
            return (self._folder / name).read_bytes()
        return b""
