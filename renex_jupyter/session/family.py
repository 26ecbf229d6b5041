"""A run across processes: what child processes are told of the run that is open here, and what this one was told.

It is told in the environment, and also in what `multiprocessing` hands to each process that it starts: a fork server and
the processes that it forks keep the environment of the moment in which the server was started.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from renex_jupyter.config import (
    EXPERIMENT_VARIABLE,
    NAMESPACE_VARIABLE,
    NESTING_VARIABLE,
    RUN_NAME_VARIABLE,
    RUN_STORE_VARIABLE,
    RUN_VARIABLE,
)

NAMES = (
    RUN_VARIABLE,
    RUN_NAME_VARIABLE,
    RUN_STORE_VARIABLE,
    NAMESPACE_VARIABLE,
    EXPERIMENT_VARIABLE,
    NESTING_VARIABLE,
)
CHOSEN = frozenset({RUN_NAME_VARIABLE, NAMESPACE_VARIABLE, EXPERIMENT_VARIABLE})  # whose values are the user's words
HANDED = "renex"  # the name of ours in what multiprocessing hands over
Told = dict[str, str | None]  # by variable


class Family:
    """What a process is told of the runs of the process that started it, and tells those that it starts."""

    def __init__(self) -> None:
        self._given: Told | None = None  # what this process was told, while the environment tells its own run
        self._before: Told = {}  # and what the environment told then
        handed = _handed().get(HANDED)
        if handed is not None and is_child_of_multiprocessing():
            _say(handed, handed)  # a script that is started from here has only the environment

    @property
    def given(self) -> Told:
        """What this process was told. A forked one remembers by itself, and is told nothing."""
        if self._given is not None:
            return self._given
        handed: Told | None = _handed().get(HANDED)
        return handed if handed is not None else _environment()

    def tell(self, told: Told | None) -> None:
        """Tell processes that are started from now on; None: what they were told before this process opened a run."""
        if told is not None:
            if self._given is None:
                self._given, self._before = self.given, _environment()
            _say(told, told)
        elif self._given is not None:
            _say(self._before, self._given)
            self._given = None

    def forget(self) -> None:
        """Be told nothing: a kernel outlives whatever started it, and its notebook has runs of its own."""
        self.tell(None)
        _say({}, {})

    def blot(self, blot: Callable[[str], str]) -> None:
        """Take a purged secret out of what this process was told, and of what it tells."""

        def without(told: Told) -> Told:
            return {name: blot(value) if value and name in CHOSEN else value for name, value in told.items()}

        if self._given is not None:
            self._given, self._before = without(self._given), without(self._before)
        _say(without(_environment()), without(_handed().get(HANDED) or _environment()))


def is_child_of_multiprocessing() -> bool:
    """Say whether multiprocessing started this process, which then ends without a word to `atexit`."""
    module = sys.modules.get("multiprocessing.process")
    return module is not None and module.parent_process() is not None


def _environment() -> Told:
    return {name: os.environ.get(name) for name in NAMES}


def _say(environment: Told, handed: Told) -> None:
    for name in NAMES:
        value = environment.get(name)
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    _handed()[HANDED] = handed


def _handed() -> dict[str, Any]:
    """Return what multiprocessing copies into each process that it starts; without it nothing does."""
    module = sys.modules.get("multiprocessing.process")
    # While another thread just imports it, its functions do not work yet.
    process = getattr(module, "_current_process", None)
    return getattr(process, "_config", {})
