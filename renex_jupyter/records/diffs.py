"""Two states and what differs between them, as data, as text and as HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from renex_jupyter.records import display
from renex_jupyter.records.changes import plain
from renex_jupyter.records.snapshots import Cell, FileEntry

SHOWN_LINES = 200  # of one part; `as_dict` has them all
SHOWN_CHARACTERS = 200  # of one line
COLOURS = {
    "+": "var(--jp-success-color1, #2e7d32)",
    "-": "var(--jp-error-color1, #c62828)",
    "~": "var(--jp-warn-color1, #b26a00)",
    " ": "var(--jp-ui-font-color2, #616161)",
}


@dataclass(frozen=True, slots=True)
class State:
    """One moment, as far as it can be compared."""

    title: str
    cells: tuple[Cell, ...] = ()
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)  # name -> version
    python: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    notebook: str | None = None  # path relative to the project


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a diff as text: its sign says what happened."""

    sign: str  # + - ~ or a space
    text: str
    indent: int = 1

    def __str__(self) -> str:
        return f"{'  ' * self.indent}{self.sign} {printable(self.text)}".rstrip()


@dataclass(frozen=True, slots=True)
class CellChange:
    """One cell that differs; positions count from 0."""

    kind: str  # added, removed, changed, moved
    cell_type: str
    cell_id: str | None
    before: int | None
    after: int | None
    moved: bool = False  # against the other cells; a changed cell may have moved too
    lines: tuple[str, ...] = ()  # "+...", "-...", " ..." as in a unified diff; "" stands between two places

    def as_lines(self) -> Iterator[Line]:
        """Return the change and its lines."""
        place = self.before if self.after is None else self.after
        way = f", moved from {self.before}" if self.moved else ""
        yield Line(_sign(self.kind), f"{self.cell_type} cell {place}{way}")
        for line in self.lines:
            yield Line(line[0], line[1:], 3) if line else Line(" ", "...", 3)


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that differs."""

    kind: str  # added, removed, changed, renamed
    path: str
    before_path: str | None = None  # of a renamed one
    before_size: int | None = None  # bytes
    after_size: int | None = None
    before_mode: int | None = None
    after_mode: int | None = None

    def as_lines(self) -> Iterator[Line]:
        """Return one line."""
        if self.kind == "renamed":
            yield Line("~", f"{self.before_path} -> {self.path}")
            return
        sizes = [f"{size:,} bytes" for size in (self.before_size, self.after_size) if size is not None]
        modes = f", mode {self.before_mode:o} -> {self.after_mode:o}" if self._mode_changed else ""
        yield Line(_sign(self.kind), f"{self.path} ({' -> '.join(dict.fromkeys(sizes))}{modes})")

    @property
    def _mode_changed(self) -> bool:
        return None not in (self.before_mode, self.after_mode) and self.before_mode != self.after_mode


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One key of config or metrics, or one package, that differs."""

    kind: str  # added, removed, changed
    key: str
    before: Any = None
    after: Any = None
    delta: float | None = None  # after - before, of two finite numbers

    def as_lines(self) -> Iterator[Line]:
        """Return one line."""
        if self.kind != "changed":
            yield Line(_sign(self.kind), f"{self.key} {_shown(self.before if self.after is None else self.after)}")
            return
        delta = "" if self.delta is None else f" ({self.delta:+.6g})"
        yield Line("~", f"{self.key} {_shown(self.before)} -> {_shown(self.after)}{delta}")


Change = CellChange | FileChange | ValueChange


@dataclass(frozen=True, slots=True, repr=False)
class Diff:
    """What differs from state `a` to state `b`, over code, files, environment, config and metrics."""

    a: str  # their titles
    b: str
    cells: tuple[CellChange, ...] = ()
    files: tuple[FileChange, ...] = ()
    packages: tuple[ValueChange, ...] = ()  # with "python" first where the interpreter differs
    config: tuple[ValueChange, ...] = ()
    metrics: tuple[ValueChange, ...] = ()

    @property
    def parts(self) -> dict[str, tuple[Change, ...]]:
        """The changes by part."""
        return {
            "code": self.cells,
            "files": self.files,
            "environment": self.packages,
            "config": self.config,
            "metrics": self.metrics,
        }

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not any(self.parts.values())

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        parts = {name: plain(changes) for name, changes in self.parts.items()}
        return {"a": self.a, "b": self.b, "same": self.same, **parts}

    def __str__(self) -> str:
        if self.same:
            return f"No differences between {printable(self.a)} and {printable(self.b)}."
        lines = [f"{printable(self.a)} -> {printable(self.b)}"]
        for name, changes in self._shown():
            lines += [f"{name}: {_counted(changes)}", *map(str, _lines(changes))]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """Return the same for a notebook, without scripts and with every stored text escaped."""
        if self.same:
            return f"<div>{escape(str(self))}</div>"
        parts = "".join(_html_part(name, changes) for name, changes in self._shown())
        head = f"{printable(self.a)} → {printable(self.b)}"
        return f'<div style="color:var(--jp-ui-font-color1, inherit)"><b>{escape(head)}</b>{parts}</div>'

    def _shown(self) -> Iterator[tuple[str, tuple[Change, ...]]]:
        return ((name, changes) for name, changes in self.parts.items() if changes)


def printable(text: str) -> str:
    """Return a stored text for a terminal, on one line and not too long."""
    plainly = display.printable(text, keep="\t")
    return plainly if len(plainly) <= SHOWN_CHARACTERS else f"{plainly[: SHOWN_CHARACTERS - 4]} ..."


def _sign(kind: str) -> str:
    return {"added": "+", "removed": "-"}.get(kind, "~")


def _shown(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _counted(changes: Sequence[Change]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(Counter(each.kind for each in changes).items()))


def _lines(changes: Sequence[Change]) -> list[Line]:
    lines = [line for each in changes for line in each.as_lines()]
    more = len(lines) - SHOWN_LINES
    return lines if more <= 0 else [*lines[:SHOWN_LINES], Line(" ", f"... and {more:,} lines more")]


def _html_part(name: str, changes: Sequence[Change]) -> str:
    rows = "".join(f'<div style="color:{COLOURS[line.sign]}">{escape(str(line))}</div>' for line in _lines(changes))
    style = "font-family:var(--jp-code-font-family, monospace);white-space:pre-wrap"
    head = f"{name}: {_counted(changes)}"
    return f'<div style="margin-top:8px">{escape(head)}</div><div style="{style}">{rows}</div>'
