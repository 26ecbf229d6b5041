"""What a snapshot would keep, before anything is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display, notices
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.changes import plain
from renex_jupyter.records.snapshots import NOTEBOOK_WORDS, Finding, LeftOut

SHOWN = 50  # lines of what is left out; `as_dict` has them all
TITLE = "Dry run: nothing is kept"


@dataclass(frozen=True, slots=True)
class Amount:
    """Some contents."""

    count: int
    bytes: int  # before compression

    def __str__(self) -> str:
        return f"{self.count:,} ({display.size(self.bytes)})"


@dataclass(frozen=True, slots=True)
class LargeFile:
    """One of the largest files."""

    path: str
    size: int  # bytes


@dataclass(frozen=True, slots=True, repr=False)
class DryRun:
    """What a snapshot of this moment would keep, and what it would leave out."""

    summary: str  # as a snapshot says it: "12 cells, 4 files (3.1 MB), 109 packages"
    notebook: str | None  # path relative to the project, or of the script
    notebook_source: str  # live, disk, unanswered, history, script, none
    cells: str  # "12 cells (2 changed since run)"
    files: Mapping[str, Amount]  # by role: notebook, code, file
    largest: tuple[LargeFile, ...]  # at most ten, the largest first
    compared_with: str | None  # id of the last snapshot of this project
    new: int  # files against that one
    changed: int
    gone: int
    added: Amount  # contents that the store does not have yet
    python: str
    packages: int
    lock_files: tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    findings: tuple[Finding, ...] = ()
    refused: bool = False  # such findings make the snapshot fail, as `Renex.secrets_in_files` says
    message: str | None = None
    label: str | None = None

    @property
    def line(self) -> str:
        """The dry run on one line."""
        left_out = notices.left_out_line(self.left_out)
        parts = [TITLE.lower(), self.summary, f"left out: {left_out}" if left_out else ""]
        return " · ".join(part for part in [*parts, notices.findings_line(self.findings)] if part)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return dict(plain(self))

    @property
    def title(self) -> str:
        return TITLE

    def rows(self) -> Rows:
        since = (
            f" since snapshot {short(self.compared_with)}" if self.compared_with else ", as there is no snapshot yet"
        )
        changes = f"{self.new:,} new, {self.changed:,} changed, {self.gone:,} gone"
        locks = f", lock files: {', '.join(self.lock_files)}" if self.lock_files else ""
        return [
            ("message", self.message or ""),
            ("label", self.label or ""),
            ("notebook", self._notebook),
            ("cells", self.cells),
            ("files", ", ".join(f"{role} {amount}" for role, amount in self.files.items())),
            ("largest", ", ".join(f"{each.path} ({display.size(each.size)})" for each in self.largest)),
            ("changes", changes + since),
            ("new bytes", f"{display.count(self.added.count, 'content')} of {display.size(self.added.bytes)}"),
            ("environment", f"Python {self.python}, {display.count(self.packages, 'package')}{locks}"),
            ("config", display.pairs(self.config.items())),
            ("metrics", display.pairs(self.metrics.items())),
            ("left out", _listed([f"{each.path} ({each.reason})" for each in self.left_out])),
            ("secrets", self._secrets),
        ]

    @property
    def _notebook(self) -> str:
        words = NOTEBOOK_WORDS.get(self.notebook_source, self.notebook_source)
        return ": ".join(part for part in (self.notebook, words) if part)

    @property
    def _secrets(self) -> str:
        if not self.findings:
            return ""
        end = "The snapshot would be refused." if self.refused else "They would be kept as they are."
        return f"{_listed([notices.place(each) for each in self.findings])}\n{end}"

    def __repr__(self) -> str:
        return str(self)

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


def _listed(lines: list[str]) -> str:
    more = len(lines) - SHOWN
    return "\n".join([*lines[:SHOWN], *([f"and {more:,} more"] if more > 0 else [])])
