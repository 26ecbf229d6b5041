"""The thread that keeps a view up to date."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from renex_jupyter.config import settings

FASTEST = 0.2  # seconds between two refreshes: at most five messages a second reach the page
IDLE = 5.0  # seconds after which a view is refreshed though nothing was recorded: a run may have lost its process
SHARE = 3  # a refresh that took t seconds is followed by a pause of at least t * SHARE, up to IDLE


class Watcher:
    """Calls `refresh` when the marker changed, when woken, and now and then; no exception ends it.

    Parameters
    ----------
    marker : returns something that changes whenever the store does; must be cheap.
    glance : looks at every poll at what changes beside the store; must be as cheap.
    failed : is told what the others raised.
    """

    def __init__(
        self,
        marker: Callable[[], object],
        refresh: Callable[[], None],
        glance: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._marker, self._refresh, self._glance, self._failed = marker, refresh, glance, failed
        self._wanted = threading.Event()
        self.resting = False  # nobody looks: an idle pace will do
        self._stopped = False
        self._seen: object = None
        self._refreshed = -IDLE
        self._thread = threading.Thread(target=self._watch, name="renex-panel", daemon=True)

    def start(self) -> None:
        """Begin with a first refresh."""
        self._wanted.set()
        self._thread.start()

    def wake(self) -> None:
        """Refresh soon, whatever the marker says: the reader of the panel asked for something else."""
        self._wanted.set()

    def end(self) -> None:
        """Let the thread end, at the latest after the refresh that is under way."""
        self._stopped = True
        self._wanted.set()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self.end()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=10)

    def _watch(self) -> None:
        pause = 0.0
        while not self._stopped:
            asked = self._wanted.wait(max(pause, IDLE if self.resting else settings().panel_poll))
            self._wanted.clear()
            if not self._stopped:
                pause = self._look(asked)
                time.sleep(FASTEST if asked else 0)

    def _look(self, asked: bool) -> float:
        """Refresh if there is a reason to; return the seconds to leave the store alone after it."""
        began = time.monotonic()
        try:
            marker = self._marker()
            due = asked or marker != self._seen or began - self._refreshed >= IDLE
            if due:
                self._refreshed = began
                self._refresh()
                self._seen = marker
            self._glance()
        except Exception as error:  # noqa: BLE001  # whatever it is, the panel must say it and go on
            self._seen, self._refreshed = None, began
            self._tell(error)
            return IDLE
        return min(IDLE, SHARE * (time.monotonic() - began)) if due else 0.0

    def _tell(self, error: Exception) -> None:
        with contextlib.suppress(Exception):  # the page is gone; the next look will find out
            self._failed(error)
