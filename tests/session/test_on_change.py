"""Callbacks: called in a thread of their own for each change, and never in the way."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.records.events import ChangeEvent

PATIENCE = 60.0  # seconds


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_function_is_called_for_each_change_from_now_on(project: Path) -> None:
    rx.log_event("before")
    seen: list[ChangeEvent] = []
    listener = rx.on_change(seen.append, kinds="events")
    rx.log_event("one")
    until(lambda: len(seen) == 1)
    rx.log_event("two")
    until(lambda: len(seen) == 2)
    listener.stop()
    assert [(each.after or {})["name"] for each in seen] == ["one", "two"]
    assert listener.cursor == seen[-1].cursor


def test_it_is_called_in_a_thread_that_ends_with_stop(project: Path) -> None:
    threads: list[threading.Thread] = []
    listener = rx.on_change(lambda _: threads.append(threading.current_thread()))
    rx.log_event("one")
    listener.stop()
    assert threads
    assert threads[0] is not threading.current_thread()
    assert threads[0].daemon
    assert not threads[0].is_alive()


def test_stopping_waits_for_what_was_recorded_before(project: Path) -> None:
    for _ in range(10):
        seen: list[ChangeEvent] = []
        with rx.on_change(seen.append, kinds="events"):
            rx.log_event("just before")
        assert len(seen) == 1


def test_what_it_raises_is_told_once_and_the_next_change_comes(project: Path) -> None:
    seen: list[ChangeEvent] = []

    def fails(change: ChangeEvent) -> None:
        seen.append(change)
        raise ZeroDivisionError("by zero")

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with rx.on_change(fails, kinds="events"):
            for number in range(5):
                rx.log_event(f"e{number}")
    assert len(seen) == 5
    assert len([each for each in told if "ZeroDivisionError: by zero" in str(each.message)]) == 1


def test_it_may_log_and_stop_itself(project: Path) -> None:
    stopped = threading.Event()

    def once(change: ChangeEvent) -> None:
        rx.log_event("answer")
        listener.stop()
        stopped.set()

    listener = rx.on_change(once, kinds="events")
    rx.log_event("question")
    assert stopped.wait(PATIENCE)
    listener.stop()  # and wait until it has ended: what it logs belongs to no other test
    assert set(rx.list_events()["name"]) == {"question", "answer"}


def test_it_begins_at_a_cursor(project: Path) -> None:
    rx.log_event("one")
    rx.log_event("two")
    first = next(iter(rx.watch(0, kinds="events")))
    seen: list[ChangeEvent] = []
    rx.on_change(seen.append, first, kinds="events").stop()
    assert [(each.after or {})["name"] for each in seen] == ["two"]


def test_a_process_that_ends_has_it_called_for_what_it_recorded_last(project: Path) -> None:
    code = """
import renex_jupyter as rx
rx.on_change(lambda change: print(change.object_kind, flush=True), kinds="events")
rx.log_event("last")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout == "events\n"
    assert done.stderr == ""


def test_what_cannot_be_called_is_refused(project: Path) -> None:
    with pytest.raises(RenexError, match="cannot be called"):
        rx.on_change("print")  # type: ignore[arg-type]
