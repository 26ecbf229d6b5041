"""Changes of the store as they happen, of whatever process: to go through, or to be called for."""

from __future__ import annotations

import atexit
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

from renex_jupyter.errors import RenexError, invalid_argument, shown, told, warn
from renex_jupyter.query.changes import checked_kinds
from renex_jupyter.records.events import ChangeEvent
from renex_jupyter.session.current import current
from renex_jupyter.session.following import POLL, Following

LAST_LOOK = 10.0  # seconds that stopping may take


def watch(
    since: str | int | ChangeEvent | None = None,
    namespace: str | None = None,
    *,
    kinds: str | Iterable[str] | None = None,
    actions: str | Iterable[str] | None = None,
    timeout: float | None = None,
) -> Iterator[ChangeEvent]:
    """Give each change of the store once, within a second of its being recorded, by whatever process.

    The changes of one process come in its order, those of several by their time as far as that keeps it. Each bears a
    cursor: `watch(since=change.cursor)` goes on right after it, in this or another process, today or in a year. A change
    that comes late, such as with `renex import`, comes once as well. Where nothing is recorded yet, it is waited for.

    Parameters
    ----------
    since : the cursor of a change, or the change; 0: every change there ever was; None: from this call on.
    namespace : only changes of objects in it.
    kinds : only of these tables, such as "runs" or ["model_versions", "aliases"].
    actions : only these, such as "create", "delete", "register" or "set".
    timeout : seconds without such a change after which it ends; 0: at the end of what is there; None: never.

    Raises
    ------
    RenexError : `invalid_argument`, `not_found` for a kind that is none; `foreign_store` for the cursor of another store;
        while it waits, what the store cannot be read for.
    """
    return until_idle(following(since, namespace, kinds, actions), timeout)


def on_change(
    callback: Callable[[ChangeEvent], Any],
    since: str | int | ChangeEvent | None = None,
    namespace: str | None = None,
    *,
    kinds: str | Iterable[str] | None = None,
    actions: str | Iterable[str] | None = None,
) -> Listener:
    """Call a function for each change of the store, in a thread of its own, until `.stop()` or the end of the process.

    What the function raises is told once, and the next change comes. See `watch` for the rest.

    Raises
    ------
    RenexError : as `watch`; `invalid_argument` for what cannot be called.
    """
    if not callable(callback):
        raise invalid_argument(f"{shown(callback)} cannot be called.", "Give a function of one change.")
    return Listener(callback, following(since, namespace, kinds, actions))


class Listener:
    """Calls a function for each change; as a context manager until the end of its block."""

    def __init__(self, callback: Callable[[ChangeEvent], Any], changes: Following) -> None:
        self._callback, self._changes = callback, changes
        self._cursor = changes.cursor
        self._last: ChangeEvent | None = None
        self._stopped = threading.Event()
        self._told: set[str] = set()
        self._thread = threading.Thread(target=self._listen, name="renex-changes", daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    @property
    def cursor(self) -> str:
        """The cursor of the last change that the function was called for."""
        return self._last.cursor if self._last is not None else self._cursor

    def stop(self) -> None:
        """End it, once the function was called for everything that is recorded now; waits 10 seconds at most."""
        self._stopped.set()
        atexit.unregister(self.stop)
        if self._thread is not threading.current_thread():
            self._thread.join(LAST_LOOK)

    def _listen(self) -> None:
        stopped = False
        while not stopped or self._changes.more:
            stopped = self._stopped.is_set()  # asked before the look, so that the last one sees all
            for change in self._look():
                try:
                    self._callback(change)
                except Exception as error:  # noqa: BLE001  the function's own
                    self._tell(f"the function that is called on changes raised {told(error)}")
                self._last = change
            if not self._changes.more:
                self._stopped.wait(POLL)

    def _look(self) -> list[ChangeEvent]:
        try:
            return self._changes.look()
        except Exception as error:  # noqa: BLE001  the next look may succeed
            self._changes.more = False
            self._tell(f"changes cannot be read: {error.line if isinstance(error, RenexError) else told(error)}")
            return []

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            warn(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<listener of changes, {'listening' if self._thread.is_alive() else 'ended'}>"


def following(
    since: object, namespace: object, kinds: str | Iterable[str] | None, actions: str | Iterable[str] | None
) -> Following:
    """Return what follows the store of this session, its arguments checked.

    Raises
    ------
    RenexError : as `watch`.
    """
    if namespace is not None and not isinstance(namespace, str):
        raise invalid_argument(f"{shown(namespace)} is no namespace.", 'Use its name, such as namespace="vision".')
    tables = None if kinds is None else checked_kinds(_several(kinds, "kinds"))
    wanted = None if actions is None else _several(actions, "actions")
    return Following(current().store, since, namespace=namespace, kinds=tables, actions=wanted)


def _check_timeout(timeout: object) -> None:
    number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if timeout is not None and not (number and timeout >= 0):  # type: ignore[operator]
        raise invalid_argument(f"timeout={shown(timeout)} is no number of seconds.", "Use timeout=60, or None.")


def _several(given: object, what: str) -> list[str]:
    words = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    if not all(isinstance(each, str) and each.strip() for each in words):
        raise invalid_argument(
            f"{what}={shown(given)} are no words.", 'Use words, such as kinds=["runs", "snapshots"].'
        )
    return [str(each) for each in words]


def until_idle(changes: Following, timeout: float | None, *, within: float | None = None) -> Iterator[ChangeEvent]:
    """Give each change until none comes for `timeout` seconds, or `within` seconds are over, whatever comes.

    Raises
    ------
    RenexError : `invalid_argument` for what is no number of seconds.
    """
    _check_timeout(timeout)
    _check_timeout(within)
    return _given(changes, timeout, math.inf if within is None else time.monotonic() + within)


def _given(changes: Following, timeout: float | None, until: float) -> Iterator[ChangeEvent]:
    since = time.monotonic()
    while True:
        for change in changes.look():
            yield change
            since = time.monotonic()  # when the reader came back for the next
            if since >= until:
                return
        if changes.more:
            continue
        left = min(math.inf if timeout is None else since + timeout, until) - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(POLL, left))
