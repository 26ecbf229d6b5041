"""What an action logs without our package, and what the system says of it: written on its run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from renex_jupyter.tasks.action import Action
from renex_jupyter.tasks.order import Order


class Logged:
    """All sources of points, params and tags of one action."""

    def __init__(self, order: Order, folder: Path, action: Action, note: Callable[[str], None]) -> None:
        self.order = order

    def printed(self, text: str) -> None:
        """Take the next piece of what it printed."""

    def look(self, so_far: float) -> None:
        """Write what is new, `so_far` seconds after the start."""

    def finish(self) -> None:
        """Write what is left."""
