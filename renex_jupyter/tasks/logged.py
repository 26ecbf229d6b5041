"""What an action logs without a word to the kernel, and what the system says of it: written on its run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from renex_jupyter.tasks.action import Action
from renex_jupyter.tasks.order import Order
from renex_jupyter.tasks.outside import Outside
from renex_jupyter.tasks.recorder import Recorder
from renex_jupyter.tasks.relay import Relay
from renex_jupyter.tasks.stdout_metrics import StdoutMetrics


class Logged:
    """All sources of points, params and tags of one action."""

    def __init__(self, order: Order, journal: Path, action: Action, note: Callable[[str], None]) -> None:
        self._action, self._note = action, note
        self._recorder = Recorder(order)
        self._outside = Outside(journal, self._recorder, note)
        self._relay = Relay(order.relay, self._recorder) if order.relay is not None else None
        self._lines = StdoutMetrics() if order.parse_stdout else None
        self._every, self._samples = order.sample_every, 0
        self._failed = False

    def printed(self, text: str) -> None:
        """Take the next piece of what it printed, rendered."""
        if self._lines is not None:
            for key, value in self._lines.feed(text):
                self._recorder.point(key, value)

    def look(self, so_far: float) -> None:
        """Write what is new, `so_far` seconds after the start."""
        try:
            self._outside.look()
            if self._relay is not None:
                self._relay.look()
            if self._every > 0 and so_far >= (self._samples + 1) * self._every:
                self._sample(so_far)
        finally:  # what was taken does not wait for what fails
            self._tell(self._recorder.flush())

    def finish(self) -> None:
        """Write what is left."""
        try:
            if self._lines is not None:
                for key, value in self._lines.end():
                    self._recorder.point(key, value)
            self._outside.finish()
            if self._relay is not None:
                self._relay.finish()
        finally:
            self._tell(self._recorder.finish())
        if self._relay is not None and self._relay.bad:
            self._note(f"{self._relay.bad:,} records of its own store were not understood.")
        if self._recorder.lost:
            self._note(f"{self._recorder.lost:,} points are lost.")

    def _sample(self, so_far: float) -> None:
        for key, value in self._action.system().items():
            self._recorder.point(key, value, self._samples)
        self._samples = max(self._samples + 1, int(so_far / self._every))  # one that came late is not made up for

    def _tell(self, failed: str | None) -> None:
        if failed is not None and not self._failed:
            self._failed = True
            self._note(f"what is logged cannot be written yet, and is tried again: {failed}")
