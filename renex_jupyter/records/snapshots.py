"""A snapshot and its parts: cells, files, what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display, notices
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.experiments import DEFAULT_NAMESPACE

# What is said of each source of the notebook.
NOTEBOOK_WORDS = {
    "disk": "the notebook as saved",
    "unanswered": "the notebook as saved: the page did not answer, unsaved edits are missing",
    "history": "no notebook is known: the executed cells instead",
    "none": "no notebook is known, and no cell was run",
}
WHOLE = ("live", "disk", "script", None)  # of these nothing is missing


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the notebook at one moment: its source, and what was run of it."""

    cell_id: str | None
    cell_type: str  # code, markdown, raw
    source: str
    execution_count: int | None = None
    executed_at: datetime | None = None
    duration_s: float | None = None
    status: str | None = None  # ok, error, interrupted, running; None: never run in this session
    stale: bool = False  # the source changed since it ran
    out_of_order: bool = False  # it ran later than a cell below it, or earlier than one above it

    @property
    def has_run(self) -> bool:
        """Whether it ran in this session; of a cell that ran before renex was loaded only the count is known."""
        return self.status is not None or self.execution_count is not None

    @property
    def state(self) -> str:
        """The cell in words: "run", "never run", "changed since run, out of order"; "" where there is nothing to run."""
        if self.cell_type != "code" or not self.source.strip():
            return ""
        if not self.has_run:
            return "never run"
        said = [text for text, so in (("changed since run", self.stale), ("out of order", self.out_of_order)) if so]
        return ", ".join(said) or "run"


def cells_in_words(cells: Sequence[Cell]) -> str:
    """Return "12 cells (3 changed since they ran, 1 out of order, 2 never run)".

    Where none of them has run, nothing is said of that: whoever takes a snapshot from a terminal knows of no execution.
    """
    never = sum(cell.state == "never run" for cell in cells) if any(cell.has_run for cell in cells) else 0
    stale = sum(cell.stale for cell in cells)
    told = (
        (stale, f"changed since {'it' if stale == 1 else 'they'} ran"),
        (sum(cell.out_of_order for cell in cells), "out of order"),
        (never, "never run"),
    )
    parts = ", ".join(f"{n} {words}" for n, words in told if n)
    return display.count(len(cells), "cell") + (f" ({parts})" if parts else "") if cells else ""


@dataclass(frozen=True, slots=True)
class CellExecution:
    """One execution of one cell, in the order of its session."""

    session_id: str
    seq: int  # from 1
    source: str
    cell_id: str | None = None
    execution_count: int | None = None
    started_at: datetime | None = None
    duration_s: float | None = None
    status: str | None = None  # ok, error, interrupted
    error: str | None = None


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One entry of the project tree."""

    path: str  # relative to the project, with "/"
    role: str  # code, file
    kind: str  # file, link, dir
    sha256: (
        str | None
    )  # of the content; of the target text for a link; None for a folder or a file that is only pointed at
    size: int  # bytes
    mode: int  # permission bits
    mtime_ns: int | None = None  # when the content was last changed, nanoseconds since the epoch; None: not known


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A path that was not kept, and why."""

    path: str
    reason: str  # secret, too large, unreadable, changed while read, vanished, special file


@dataclass(frozen=True, slots=True)
class Finding:
    """A place of a file that was kept and that looks as if it held a secret."""

    path: str
    line: int  # from 1; of the notebook: within the cell
    kind: str  # what it looks like, such as "AWS key"; never a part of it
    cell: int | None = None  # position of the notebook's cell, from 0


@dataclass(frozen=True, slots=True)
class Code:
    """What a notebook says: its cells, without outputs and counts."""

    code_id: str
    notebook: str | None  # path relative to the project
    source: str  # where the cells came from: live, disk, unanswered, history, script, none
    cells: tuple[Cell, ...]
    document: str | None = None  # the notebook as JSON text, to be kept as a blob
    script: str | None = None  # path in the project of the script that ran, if there is no notebook


@dataclass(frozen=True, slots=True)
class FilePart:
    """Some entries of a tree that follow each other; snapshots whose trees have the same part share it."""

    part_id: str
    entries: tuple[FileEntry, ...]  # ordered by path
    files: int = field(init=False, compare=False)  # and links, whose content is kept
    size: int = field(init=False, compare=False)  # bytes of those

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", sum(entry.sha256 is not None for entry in self.entries))
        object.__setattr__(self, "size", sum(entry.size for entry in self.entries if entry.sha256))


@dataclass(frozen=True, slots=True)
class FileTree:
    """The project's files at one moment."""

    files_id: str
    parts: tuple[FilePart, ...]
    left_out: tuple[LeftOut, ...] = ()
    partial: bool = False  # something could not be read
    findings: tuple[Finding, ...] = ()

    @property
    def entries(self) -> tuple[FileEntry, ...]:
        """The entries of all parts, ordered by path."""
        return tuple(entry for part in self.parts for entry in part.entries)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state at one moment: code, environment, files, config and metrics."""

    snapshot_id: str
    state_id: str  # code, environment and files only
    created_at: datetime
    namespace: str = DEFAULT_NAMESPACE
    message: str | None = None
    label: str | None = None
    parent_id: str | None = None
    run_id: str | None = None
    session_id: str | None = None
    notebook: str | None = None
    code_id: str | None = None
    environment_id: str | None = None
    files_id: str | None = None
    hardware_id: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = False
    hidden: bool = False
    notebook_source: str | None = None  # live, disk, unanswered, history, script, none
    script: str | None = None  # path in the project of the script that took it
    notebook_sha256: str | None = None
    notebook_size: int | None = None
    left_out: tuple[LeftOut, ...] = ()
    findings: tuple[Finding, ...] = ()
    project: str | None = None  # the folder that it was taken of; ".": the one in which the store lies; None: not known
    summary: str = ""  # "12 cells, 4 files (3.1 MB), 109 packages"

    @property
    def missing(self) -> str:
        """What is not known of the code, in plain words; "" where it is all there."""
        return "" if self.notebook_source in WHOLE else NOTEBOOK_WORDS.get(self.notebook_source or "", "")

    @property
    def _notebook(self) -> str:
        words = NOTEBOOK_WORDS.get(self.notebook_source or "", "")
        return ": ".join(part for part in (self.notebook, words) if part)

    @property
    def line(self) -> str:
        """The snapshot on one line."""
        name = f'"{self.message}"' if self.message else ""
        parts = [
            f"snapshot {short(self.snapshot_id)}",
            self.label or "",
            name,
            self.summary,
            self.missing,
            *self._notices,
        ]
        return " · ".join(part for part in parts if part)

    @property
    def _notices(self) -> tuple[str, str]:
        left_out = notices.left_out_line(self.left_out)
        return (f"left out: {left_out}" if left_out else "", notices.findings_line(self.findings))

    @property
    def title(self) -> str:
        return f"snapshot {short(self.snapshot_id)}"

    def rows(self) -> Rows:
        return [
            ("message", self.message or ""),
            ("label", self.label or ""),
            ("created", display.moment(self.created_at)),
            ("holds", self.summary),
            ("config", display.pairs(self.config.items())),
            ("metrics", display.pairs(self.metrics.items())),
            ("notebook" if self.notebook else "code", self.script or self._notebook),
            ("left out", notices.left_out_line(self.left_out)),
            ("secrets", f"{notices.findings_line(self.findings)}. {notices.TAKE_OUT}" if self.findings else ""),
            ("run", short(self.run_id)),
            ("hidden", "yes: lists pass it over" if self.hidden else ""),
            ("state", short(self.state_id)),
            ("id", self.snapshot_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html
