"""What a supervisor is told to run, and what it tells of the end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of this machine that a container sees."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """The container in which an action runs."""

    image: str
    user: str  # "uid:gid"
    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)  # of the process in it
    gpus: str | None = None  # "all", a number, or ids with commas between
    cpus: float | None = None
    network: str = "bridge"


@dataclass(frozen=True, slots=True)
class Relay:
    """A store of its own that the action logs into; what it logs of its run is written on the run of the order."""

    store: str  # folder
    nth: int | None = (
        None  # which of the runs that it opens is meant, from 0; None: the one that bears the order's run id
    )


@dataclass(frozen=True, slots=True)
class Order:
    """An action, where and within which limits it runs, and where the run is recorded.

    It goes to the supervisor through a pipe and is written nowhere: its arguments may hold what no file should.
    """

    run_id: str
    store: str  # folder of the store that the run is recorded in
    argv: tuple[str, ...]
    cwd: str  # in a container the folder in there
    namespace: str = "default"
    detached: bool = False  # nobody waits for it: the supervisor has `closer` record the end
    closer: tuple[str, ...] = ()  # argv of what records the end where the process that gave the order has gone
    timeout: float | None = None  # seconds
    memory: int | None = None  # bytes, of the process and its children together
    grace: float = 5.0  # seconds between SIGINT, SIGTERM and SIGKILL
    parse_stdout: bool = False  # lines like `loss: 0.3` are metrics
    sample_every: float = 5.0  # seconds between two system metrics; 0: none
    output_kept: int = 2**20  # bytes of text: the first and the last half
    output_shown: int = 20 * 2**20  # bytes that go through to whoever watches
    relay: Relay | None = None
    redactor: str = "renex_jupyter.capture.secrets:redact"  # takes secrets out of params and tags: module and function
    container: Container | None = None

    def to_json(self) -> str:
        """Return the order as a text for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Return the order that `to_json` wrote."""
        told: dict[str, Any] = json.loads(text)
        container, relay = told.pop("container"), told.pop("relay")
        if container is not None:
            mounts = tuple(Mount(**each) for each in container.pop("mounts"))
            container = Container(mounts=mounts, **container)
        for name in ("argv", "closer"):
            told[name] = tuple(told[name])
        return cls(**told, container=container, relay=Relay(**relay) if relay is not None else None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an action ended, as the supervisor leaves it in the run's folder."""

    status: str  # finished, failed, stopped; lost: its supervisor was killed, and nobody wrote this
    duration_s: float
    exit_code: int | None = None  # negative: the number of the signal that ended it; None: it never started
    error: str | None = None  # why it failed: a limit that it passed, or the last lines of its output
    peak_memory_bytes: int | None = None
    output_size: int = 0  # bytes that it printed
    fault: Mapping[str, str] | None = None  # code, message and hint of the error that kept it from starting
