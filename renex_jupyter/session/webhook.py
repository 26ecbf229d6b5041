"""The webhook: each change of the store is posted to one address, where the setting `webhook_url` says so.

Of the processes that have the setting, the one that holds a lock posts for all of them, and the next one goes on where it
ended. Nothing that is recorded waits for it.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError, told, warn
from renex_jupyter.records.events import ChangeEvent
from renex_jupyter.session import exits
from renex_jupyter.session.following import POLL, Following
from renex_jupyter.store import locks
from renex_jupyter.store.layout import json_object, write_whole
from renex_jupyter.store.sharing import share
from renex_jupyter.store.store import Store

LOCK, POSITION = "webhook.lock", "webhook.json"
TRIES = 3  # of one change
PAUSE = 0.5  # seconds before the second try, twice as many before the next
FRESH = 86_400.0  # seconds for which the next process goes on where the last one ended
LONGEST_WAIT = 3600.0  # seconds, whatever the setting says
_posters: dict[tuple[int, str, str], Poster] = {}  # by process, store and address
_refused: set[str] = set()  # addresses that are none
_ended: set[int] = set()  # processes that are at their end: what comes still is left to the next one


def ensure(store: Store) -> None:
    """Have this process post changes if the setting says so; costs nothing once it does. It never raises."""
    url = settings().webhook_url
    key = (os.getpid(), str(store.layout.root), url)
    if not url or key in _posters or url in _refused or os.getpid() in _ended:
        return
    if not _is_address(url):
        _refused.add(url)
        warn("changes are posted nowhere: Renex.webhook_url is no address that begins with https:// or http://.")
        return
    try:
        _posters[key] = Poster(store, url)
        atexit.unregister(_end)
        atexit.register(_end)
        exits.watch()  # runs that are open end before that, and their ends are posted
    except Exception as error:  # noqa: BLE001  whatever it is, what is recorded now is more important
        _refused.add(url)
        warn(f"changes are not posted: {error.line if isinstance(error, RenexError) else told(error)}")


def stop() -> None:
    """Post what is recorded by now, and end; all of that takes no longer than the setting `webhook_timeout` says."""
    here = [each for key, each in list(_posters.items()) if key[0] == os.getpid()]  # a parent's are the parent's
    deadline = time.monotonic() + _timeout()
    for each in here:
        each.end_by(deadline)
    for each in here:
        each.wait()


def _end() -> None:
    _ended.add(os.getpid())
    stop()


class Poster:
    """A thread that posts what is recorded, one change after the other."""

    def __init__(self, store: Store, url: str) -> None:
        self._store, self._url = store, url
        self._changes = Following(store)  # from now on
        self._stopped = threading.Event()
        self._deadline = float("inf")  # by which the end of the process must not be kept waiting
        self._tries = TRIES
        self._told = False
        self._opener = urllib.request.build_opener(_NoRedirects)
        self._thread = threading.Thread(target=self._work, name="renex-webhook", daemon=True)
        self._thread.start()

    def end_by(self, deadline: float) -> None:
        """Post what is recorded by now, and end before this moment of the steady clock."""
        self._deadline = deadline
        self._stopped.set()

    def wait(self) -> None:
        """Wait until it has ended, or should have."""
        self._thread.join(max(0.0, self._deadline - time.monotonic()))

    def _work(self) -> None:
        while self._is_wanted:
            posted = False
            with suppress(Exception), self._alone() as first:  # the next round tries again
                if first:
                    self._post_all()
                    self._forget_if_unwanted()
                    posted = True
            if not self._stopped.is_set():
                self._stopped.wait(1.0)
            elif posted or not self._something_waits():
                break
            else:  # who posts may end just now, too, without having seen what we recorded last: then it is our turn
                time.sleep(POLL)
        for key in [key for key, each in list(_posters.items()) if each is self]:
            _posters.pop(key, None)  # who gives the address again begins anew

    def _something_waits(self) -> bool:
        """Say whether the one who posts has not posted everything yet, and there is time left to see to that."""
        if time.monotonic() >= self._deadline:
            return False
        with suppress(Exception):  # of a store that cannot be read nothing can be posted
            cursor = json_object(self._store.layout.root / POSITION).get("cursor")
            return bool(Following(self._store, cursor or 0).look())
        return False

    @property
    def _is_wanted(self) -> bool:
        """Whether the setting still says so."""
        return settings().webhook_url == self._url

    def _forget_if_unwanted(self) -> None:
        """Have nobody go on from here who is asked to post later: what is recorded until then was not meant for it."""
        if not self._is_wanted:
            (self._store.layout.root / POSITION).unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Say whether nobody else posts the changes of this store, and keep others from it for the block."""
        if not self._store.exists:
            yield False
            return
        flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self._store.layout.root / LOCK, flags, 0o600)
        try:
            share(self._store.layout.root / LOCK)
            yield locks.take(descriptor)
        finally:
            os.close(descriptor)

    def _post_all(self) -> None:
        """Post changes until the process ends."""
        self._go_on()
        stopped = False
        while (not stopped or self._changes.more) and self._is_wanted:
            stopped = self._stopped.is_set()
            with suppress(RenexError):
                for change in self._changes.look():
                    if time.monotonic() >= self._deadline or not self._is_wanted:
                        return
                    self._post(change)
                    self._note(change.cursor)
            if not self._changes.more:
                self._stopped.wait(POLL)

    def _go_on(self) -> None:
        """Begin where the last process ended, if that was not long ago."""
        known = json_object(self._store.layout.root / POSITION)
        at, cursor = known.get("at"), known.get("cursor")
        same = known.get("url") == _digest(self._url)  # the address itself may be a secret
        if same and isinstance(at, (int, float)) and 0 <= time.time() - at < FRESH:
            with suppress(RenexError):  # of a store that was here before
                self._changes = Following(self._store, cursor)
        self._note(self._changes.cursor)

    def _note(self, cursor: str) -> None:
        noted = {"url": _digest(self._url), "cursor": cursor, "at": time.time()}
        with suppress(OSError, RenexError):
            write_whole(self._store.layout.root / POSITION, json.dumps(noted).encode())

    def _post(self, change: ChangeEvent) -> None:
        """Post a change, some times if need be; one that is not taken is passed over."""
        data = json.dumps(change.as_dict(), ensure_ascii=False).encode("utf-8", "replace")
        for attempt in range(self._tries):
            if attempt:
                self._stopped.wait(PAUSE * 2 ** (attempt - 1))
            if (failed := self._send(data)) is None:
                self._tries = TRIES
                return
            if time.monotonic() >= self._deadline:
                break
        self._tries = 1  # until one is taken: each would wait as long
        if not self._told:
            self._told = True
            warn(f"a change could not be posted to {urlsplit(self._url).hostname}: {failed}. Others are still tried.")

    def _send(self, data: bytes) -> str | None:
        """Post once; return why it failed."""
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "renex_jupyter"}
        request = urllib.request.Request(self._url, data, headers, method="POST")  # noqa: S310  the scheme is checked
        timeout = max(0.1, min(_timeout(), self._deadline - time.monotonic()))
        try:
            with self._opener.open(request, timeout=timeout):
                return None
        except urllib.error.HTTPError as error:
            error.close()
            return f"it answered {error.code}"
        except (OSError, HTTPException, ValueError) as error:
            return f"{type(error).__name__}: {getattr(error, 'reason', error)}"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: what is recorded goes to the address that was given, and to no other."""

    def redirect_request(self, *_given: Any) -> None:
        return None


def _timeout() -> float:
    """Return the setting, in seconds that a socket can wait."""
    return min(max(0.0, settings().webhook_timeout), LONGEST_WAIT)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:32]
