"""Tasks, runs and what is written on them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.experiments import DEFAULT_EXPERIMENT, DEFAULT_NAMESPACE

STATUSES = ("running", "finished", "failed", "stopped", "lost")
LIMITS = ("timeout", "memory", "gpus")  # of an action
MOST_FILES = 8  # whose names a shown run tells


@dataclass(frozen=True, slots=True)
class Task:
    """A named, loggable action: its id is the hash of name, kind and source."""

    task_id: str
    name: str
    kind: str  # cell, command, function
    source: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FileChange:
    """What became of a file between the states before and after a run."""

    path: str
    change: str  # created, changed, deleted
    size: int | None = None  # bytes, after the run; None: there is none, or it was not kept

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a task: before-snapshot, action, after-snapshot."""

    run_id: str
    name: str
    started_at: datetime
    namespace: str = DEFAULT_NAMESPACE
    experiment: str = DEFAULT_EXPERIMENT
    task: str | None = None
    kind: str = "block"  # cell, command, function, block (a `with start_run()`)
    status: str = "running"
    executor: str = "kernel"  # kernel, process, container
    ended_at: datetime | None = None
    duration_s: float | None = None
    exit_code: int | None = None
    error: str | None = None
    notebook: str | None = None
    session_id: str | None = None
    before_snapshot_id: str | None = None
    after_snapshot_id: str | None = None
    environment_id: str | None = None
    hardware_id: str | None = None
    parent_run_id: str | None = None
    rerun_of: str | None = None
    user_name: str | None = None
    host: str | None = None
    archived: bool = False
    pid: int | None = None
    pid_started: float | None = None  # seconds since boot on Linux, since the epoch elsewhere
    boot_id: str | None = None
    action: Mapping[str, Any] | None = None  # how it was executed, for a rerun: argv, cwd, image, limits
    peak_memory_bytes: int | None = None  # of the process and its children together
    output_sha256: str | None = None  # what it printed, in the blobs
    output_size: int | None = None  # bytes that it printed
    starred: bool | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)  # the last value of each key
    tags: Mapping[str, str] = field(default_factory=dict)
    files: tuple[FileChange, ...] = ()  # between the states before and after it

    @property
    def line(self) -> str:
        """The run on one line, with at most four of its metrics."""
        code = f"exit code {self.exit_code}" if self.exit_code else ""
        parts = [f"run '{self.name}' {short(self.run_id)} {self.status}", display.seconds(self.duration_s), code]
        return " · ".join(part for part in [*parts, display.pairs(list(self.metrics.items())[:4], digits=4)] if part)

    @property
    def _place(self) -> str:
        """Where it was executed, as far as that was another place than the kernel."""
        words = [self.executor if self.executor != "kernel" else ""]
        words += [f"of image {self._told('image')}" if self._told("image") else ""]
        words += [f"in {self._told('cwd')}" if self._told("cwd") not in (None, ".") else ""]
        return " ".join(word for word in words if word)

    @property
    def _limits(self) -> list[tuple[str, Any]]:
        given = [(name, self._told(name)) for name in LIMITS if self._told(name) is not None]
        return [(name, display.size(value) if name == "memory" else value) for name, value in given]

    def _told(self, name: str, otherwise: Any = None) -> Any:
        return (self.action or {}).get(name, otherwise)

    @property
    def title(self) -> str:
        return f"run '{self.name}' {self.status}"

    def rows(self) -> Rows:
        return [
            ("experiment", f"{self.namespace}/{self.experiment}"),
            ("task", " ".join(part for part in (self.kind, self.task) if part)),
            ("command", shlex.join(map(str, self._told("argv", ())))),
            ("ran in", self._place),
            ("limits", display.pairs(self._limits)),
            ("started", display.moment(self.started_at)),
            ("duration", display.seconds(self.duration_s)),
            ("error", self.error or ""),
            ("exit code", "" if self.exit_code is None else str(self.exit_code)),
            ("peak memory", "" if self.peak_memory_bytes is None else display.size(self.peak_memory_bytes)),
            ("output", display.size(self.output_size) if self.output_size else ""),
            ("files", files_text(self.files)),
            ("params", display.pairs(self.params.items())),
            ("metrics", display.pairs(self.metrics.items())),
            ("tags", display.pairs(self.tags.items())),
            ("notebook", self.notebook or ""),
            (
                "snapshots",
                " → ".join(short(each) for each in (self.before_snapshot_id, self.after_snapshot_id) if each),
            ),
            ("rerun of", short(self.rerun_of) if self.rerun_of else ""),
            ("part of", short(self.parent_run_id) if self.parent_run_id else ""),
            ("marks", ", ".join(word for word in ("starred", "archived") if getattr(self, word))),
            ("environment", short(self.environment_id) if self.environment_id else ""),
            ("id", self.run_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


def files_text(files: Sequence[FileChange]) -> str:
    """Return `2 created, 1 changed: model.npy, log.txt`, with at most `MOST_FILES` names."""
    counts = [(sum(each.change == word for each in files), word) for word in ("created", "changed", "deleted")]
    names = ", ".join(each.path for each in files[:MOST_FILES])
    more = f" and {len(files) - MOST_FILES:,} more" if len(files) > MOST_FILES else ""
    return f"{', '.join(f'{n:,} {word}' for n, word in counts if n)}: {names}{more}" if files else ""
