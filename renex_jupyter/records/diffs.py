"""Two states and what differs between them, as data, as text and as HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from renex_jupyter.records import diff_lines, display
from renex_jupyter.records.changes import plain
from renex_jupyter.records.diff_lines import Line, printable
from renex_jupyter.records.environments import Package
from renex_jupyter.records.snapshots import Cell, FileEntry

SHOWN_LINES = 200  # of one part; `as_dict` has them all
NOUNS = {"code": "cell", "files": "file", "environment": "package", "config": "config value", "metrics": "metric"}


@dataclass(frozen=True, slots=True)
class State:
    """One moment, as far as it can be compared."""

    title: str
    cells: tuple[Cell, ...] = ()
    files: Mapping[str, FileEntry] = field(default_factory=dict)
    packages: Mapping[str, Package] = field(default_factory=dict)  # by name
    python: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    notebook: str | None = None  # path relative to the project


@dataclass(frozen=True, slots=True)
class CellChange:
    """One cell that differs; positions count from 0, and from 1 where they are shown."""

    kind: str  # added, removed, changed, moved
    cell_type: str
    cell_id: str | None
    before: int | None
    after: int | None
    moved: bool = False  # against the other cells; a changed cell may have moved too
    lines: tuple[
        str, ...
    ] = ()  # "+...", "-...", " ..." as in a unified diff; "" between two places; of a moved one its first
    of: int = 0  # how many cells its notebook has, of a removed one before
    before_type: str | None = None  # where the type differs

    def as_lines(self) -> Iterator[Line]:
        """Return the change and its lines."""
        place = self.before if self.after is None else self.after
        kind = f"{self.before_type} -> {self.cell_type}" if self.before_type else self.cell_type
        of = f" (of {self.of}{' before' if self.after is None else ''})" if self.of else ""
        way = f", moved from {(self.before or 0) + 1}" if self.moved else ""
        yield Line(_sign(self.kind), f"{kind} cell {(place or 0) + 1}{of}{way}")
        yield from _told(self.lines)


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
    before_kind: str | None = None  # file, link, dir
    after_kind: str | None = None
    content_differs: bool = False
    lines: tuple[str, ...] = ()  # of a text, as those of a cell; of a link its targets
    note: str = ""  # why there are no lines, or not all

    def as_lines(self) -> Iterator[Line]:
        """Return the change and its lines."""
        name = f"{self.before_path} -> {self.path}" if self.kind == "renamed" else self.path
        facts = ", ".join(part for part in (self._sizes, self._kinds, self._modes, self.note) if part)
        yield Line(_sign(self.kind), f"{name} ({facts})" if facts else name)
        yield from _told(self.lines)

    @property
    def _sizes(self) -> str:
        if self.kind == "renamed" or {self.before_kind, self.after_kind} & {"link", "dir"}:
            return ""
        if self.kind == "changed" and not self.content_differs:
            return "same content"
        sizes = [size for size in (self.before_size, self.after_size) if size is not None]
        shown = [display.size(size) for size in sizes]
        if len(set(shown)) < len(set(sizes)):
            shown = [f"{size:,} B" for size in sizes]
        return " -> ".join(dict.fromkeys(shown))

    @property
    def _kinds(self) -> str:
        kinds = [each for each in (self.before_kind, self.after_kind) if each]
        if len(set(kinds)) > 1:
            return f"{kinds[0]} -> {kinds[1]}"
        return {"dir": "folder", "link": "link"}.get(kinds[0], "") if kinds else ""

    @property
    def _modes(self) -> str:
        if None in (self.before_mode, self.after_mode) or self.before_mode == self.after_mode:
            return ""
        return f"mode {self.before_mode:o} -> {self.after_mode:o}"


@dataclass(frozen=True, slots=True)
class PackageChange:
    """One package that differs, or the interpreter as "python"."""

    kind: str  # added, removed, upgraded, downgraded, changed (the versions have no order, or the origin differs)
    key: str
    before: str | None = None  # version
    after: str | None = None
    before_origin: str | None = None  # of a package that no index gave: VCS with commit, editable path, file
    after_origin: str | None = None

    def as_lines(self) -> Iterator[Line]:
        """Return one line."""
        if self.kind in ("added", "removed"):
            origin = self.before_origin or self.after_origin
            yield Line(_sign(self.kind), f"{self.key} {self.after or self.before}{f' from {origin}' if origin else ''}")
            return
        versions = " -> ".join(dict.fromkeys((self.before or "", self.after or "")))
        origins = ""
        if self.before_origin != self.after_origin:
            origins = f" from {self.before_origin or 'an index'} -> {self.after_origin or 'an index'}"
        ordered = f" ({self.kind})" if self.kind != "changed" else ""
        yield Line("~", f"{self.key} {versions}{origins}{ordered}")


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One key of config or metrics that differs."""

    kind: str  # added, removed, changed
    key: str
    before: Any = None
    after: Any = None
    delta: float | None = None  # after - before, of two finite numbers
    relative: float | None = None  # of a metric: delta / |before|

    def as_lines(self) -> Iterator[Line]:
        """Return one line."""
        if self.kind != "changed":
            yield Line(_sign(self.kind), f"{self.key} {_shown(self.before if self.after is None else self.after)}")
            return
        percent = "" if self.relative is None else f", {self.relative * 100:+.3g} %"
        delta = "" if self.delta is None else f" ({self.delta:+.6g}{percent})"
        yield Line("~", f"{self.key} {_shown(self.before)} -> {_shown(self.after)}{delta}")


Change = CellChange | FileChange | PackageChange | ValueChange


@dataclass(frozen=True, slots=True, repr=False)
class Diff:
    """What differs from state `a` to state `b`, over code, files, environment, config and metrics."""

    a: str  # their titles
    b: str
    cells: tuple[CellChange, ...] = ()
    files: tuple[FileChange, ...] = ()
    packages: tuple[PackageChange, ...] = ()  # with "python" first where the interpreter differs
    config: tuple[ValueChange, ...] = ()
    metrics: tuple[ValueChange, ...] = ()
    notes: tuple[str, ...] = ()  # what must be known to read it, such as what could not be compared

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

    @property
    def overview(self) -> str:
        """How much differs: "2 cells, 1 file, 3 packages"; empty where nothing does."""
        return ", ".join(display.count(len(changes), NOUNS[name]) for name, changes in self.parts.items() if changes)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        parts = {name: plain(changes) for name, changes in self.parts.items()}
        return {"a": self.a, "b": self.b, "same": self.same, "notes": list(self.notes), **parts}

    def __str__(self) -> str:
        if self.same:
            return "\n".join([self._sameness, *map(printable, self.notes)])
        lines = [f"{printable(self.a)} -> {printable(self.b)}: {self.overview}", *map(printable, self.notes)]
        for heading, some in self._sections():
            lines += [heading, *map(str, some)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """Return the same for a notebook, without scripts and with every stored text escaped."""
        if self.same:
            return diff_lines.page(self._sameness, "", self.notes, ())
        return diff_lines.page(f"{self.a} → {self.b}", self.overview, self.notes, list(self._sections()))

    @property
    def _sameness(self) -> str:
        return f"No differences between {printable(self.a)} and {printable(self.b)}."

    def _sections(self) -> Iterator[tuple[str, list[Line]]]:
        return ((f"{name}: {_counted(changes)}", _lines(changes)) for name, changes in self.parts.items() if changes)


def _sign(kind: str) -> str:
    return {"added": "+", "removed": "-"}.get(kind, "~")


def _told(lines: Sequence[str]) -> Iterator[Line]:
    """Return the lines of a unified diff below their heading."""
    return (Line(line[0], line[1:], 3) if line else Line(" ", "...", 3) for line in lines)


def _shown(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _counted(changes: Sequence[Change]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(Counter(each.kind for each in changes).items()))


def _lines(changes: Sequence[Change]) -> list[Line]:
    lines = [line for each in changes for line in each.as_lines()]
    more = len(lines) - SHOWN_LINES
    return lines if more <= 0 else [*lines[:SHOWN_LINES], Line(" ", f"... and {more:,} lines more")]
