"""What differs between two versions of a model, or of two models, as data, as text and as HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from renex_jupyter.records import diff_lines, display
from renex_jupyter.records.changes import plain
from renex_jupyter.records.diff_lines import Line, printable
from renex_jupyter.records.diffs import FileChange, PackageChange, ValueChange

EQUAL, DIFFERENT, UNKNOWN = "equal", "different", "unknown"  # what is said of the code
SHOWN_LINES = 200  # of one part; `as_dict` has them all


@dataclass(frozen=True, slots=True, repr=False)
class ModelVersionDiff:
    """What differs from version `a` to version `b`; with `unchanged` also what does not."""

    a: str  # their references
    b: str
    facts: tuple[ValueChange, ...] = ()  # dataset, framework
    params: tuple[ValueChange, ...] = ()
    metrics: tuple[ValueChange, ...] = ()  # as registered, or as logged since; "accuracy@test"
    packages: tuple[PackageChange, ...] = ()  # with "python" first where the interpreter differs
    files: tuple[FileChange, ...] = ()  # of their contents
    code: str = UNKNOWN  # equal, different, unknown: cells and code files of the snapshots that they come from
    code_overview: str = ""  # how much of it differs: "2 cells, 1 file"
    unchanged: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # part -> key -> value, where asked for
    notes: tuple[str, ...] = ()  # what must be known to read it

    @property
    def parts(self) -> dict[str, tuple[ValueChange | PackageChange | FileChange, ...]]:
        """The changes by part."""
        return {
            "facts": self.facts,
            "params": self.params,
            "metrics": self.metrics,
            "environment": self.packages,
            "files": self.files,
        }

    @property
    def same(self) -> bool:
        """Whether nothing differs, as far as it is known."""
        return not any(self.parts.values()) and self.code != DIFFERENT

    @property
    def overview(self) -> str:
        """How much differs: "2 params, 1 metric, code"; empty where nothing does."""
        nouns = {"facts": "fact", "params": "param", "metrics": "metric", "environment": "package", "files": "file"}
        told = [display.count(len(changes), nouns[name]) for name, changes in self.parts.items() if changes]
        return ", ".join([*told, *(["code"] if self.code == DIFFERENT else [])])

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        parts = {name: plain(changes) for name, changes in self.parts.items()}
        code = {"code": self.code, "code_overview": self.code_overview}
        more = {"unchanged": plain(self.unchanged)} if self.unchanged else {}
        return {"a": self.a, "b": self.b, "same": self.same, "notes": list(self.notes), **parts, **code, **more}

    def __str__(self) -> str:
        lines = [self._title, *map(printable, self.notes)]
        for heading, some in self._sections():
            lines += [heading, *map(str, some)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """Return the same for a notebook, without scripts and with every stored text escaped."""
        return diff_lines.page(self._title, "", self.notes, list(self._sections()))

    @property
    def _title(self) -> str:
        if self.same:
            return f"No differences between {printable(self.a)} and {printable(self.b)}."
        return f"{printable(self.a)} -> {printable(self.b)}: {self.overview}"

    def _sections(self) -> Iterator[tuple[str, list[Line]]]:
        for name, changes in self.parts.items():
            lines = [line for each in changes for line in each.as_lines()]
            lines += [Line(" ", f"{key} {display.number(each)}") for key, each in self.unchanged.get(name, {}).items()]
            if lines:
                counts = [f"{n} {kind}" for kind, n in sorted(Counter(each.kind for each in changes).items())]
                counts += [f"{len(self.unchanged[name])} equal"] if self.unchanged.get(name) else []
                more = len(lines) - SHOWN_LINES
                cut = [Line(" ", f"... and {more:,} lines more")] if more > 0 else []
                yield f"{name}: {', '.join(counts)}", [*lines[:SHOWN_LINES], *cut]
        yield f"code: {' '.join(each for each in (self.code, self.code_overview) if each)}", []
