"""Child processes that may be killed: forked from one that has everything imported and nothing open."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any

PATIENCE = 240.0  # seconds until a child that says nothing is taken for stuck
IMPORTED = (
    "pytest",
    "duckdb",
    "pandas",
    "renex_jupyter.session.snapshots",
    "renex_jupyter.session.runs",
    "renex_jupyter.session.sql",
    "renex_jupyter.store.keeping.fsck",
    "renex_jupyter.store.keeping.rebuild",
    "renex_jupyter.store.reader",
)
BROKEN = 70  # exit code of a child that an exception ended
_started: list[Child] = []
_lock = (
    threading.Lock()
)  # multiprocessing asks after all children at each start, and two that ask take the answer from one
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(IMPORTED))


class Child:
    """A process of its own that calls `action(say, *given)`; what it says can be read here, also after its death."""

    def __init__(self, action: Callable[..., Any], *given: Any) -> None:
        self._ours, theirs = _context.Pipe(duplex=False)
        self.process = _context.Process(target=_call, args=(theirs, action, given))
        with _lock:
            self.process.start()
        theirs.close()
        _started.append(self)

    def says(self, patience: float = PATIENCE) -> Any:
        """Return the next thing that it says; fail with its traceback when an exception ended it."""
        if not self._ours.poll(patience):
            self.kill()
            raise AssertionError(f"nothing was said for {patience:g} s")
        kind, value = self._ours.recv()
        if kind == "error":
            raise AssertionError(value)
        return value

    def answer(self, patience: float = PATIENCE) -> Any:
        """Return what the action returned."""
        try:
            value = self.says(patience)
            while not isinstance(value, Answer):
                value = self.says(patience)
        except EOFError:
            raise AssertionError(f"it ended with {self.wait()} and no answer") from None
        self.wait()
        return value.value

    def kill(self) -> int:
        """Kill it and return its exit code, which is not -9 when it was faster."""
        self.process.kill()
        return self.wait()

    def wait(self) -> int:
        """Wait for its end and return the exit code, -9 when it was killed."""
        assert connection.wait([self.process.sentinel], PATIENCE), "it does not end"
        with _lock:
            code = self.process.exitcode
        assert code is not None
        if code == BROKEN:
            while True:
                self.says()  # fails with the traceback
        return code


class Answer:
    """What the action returned, to tell it from what it said before."""

    def __init__(self, value: Any) -> None:
        self.value = value


def answers(alive: list[Child], patience: float, behind: str) -> list[Any]:
    """Return the answers of all; fail with the first error that is not only there because of another (`behind`)."""
    found, failed = [], []
    for each in alive:
        try:
            found.append(each.answer(patience))
        except AssertionError as error:
            failed.append(str(error))
    assert not failed, "\n".join([text for text in failed if behind not in text] or failed)
    return found


def kill_all() -> None:
    """Kill those that a failed test left behind."""
    while _started:
        _started.pop().process.kill()


def ask(action: Callable[..., Any], *given: Any) -> Any:
    """Return what `action(say, *given)` returns in a fresh process."""
    return Child(action, *given).answer()


def meeting(parties: int) -> Any:
    """Return a barrier to hand to children."""
    return _context.Barrier(parties)


def die() -> None:
    """End this process as the kernel does when it has to: nothing is closed, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def _call(pipe: Connection, action: Callable[..., Any], given: tuple[Any, ...]) -> None:
    try:
        pipe.send(("said", Answer(action(lambda value: pipe.send(("said", value)), *given))))
    except BaseException:  # noqa: BLE001  whatever it is, the parent is told
        pipe.send(("error", traceback.format_exc()))
        os._exit(BROKEN)
