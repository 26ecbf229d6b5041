"""What differs between two versions of datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.datasets import Field

NAMED = 8  # keys or columns that a text names


@dataclass(frozen=True, slots=True)
class DatasetDiff:
    """What is in the second version and not in the first, and the other way round."""

    a: str  # references of the two versions
    b: str
    added: tuple[str, ...] = ()  # keys of samples, of many the first
    removed: tuple[str, ...] = ()
    changed: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # key -> the columns that differ; of many the first
    changed_columns: Mapping[str, int] = field(default_factory=dict)  # column -> samples in which it differs
    n_added: int = 0
    n_removed: int = 0
    n_changed: int = 0
    unchanged: int = 0  # samples
    fields_added: tuple[Field, ...] = ()
    fields_removed: tuple[Field, ...] = ()
    fields_changed: Mapping[str, tuple[Field, Field]] = field(default_factory=dict)  # name -> before, after
    annotations_added: int = 0
    annotations_removed: int = 0

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        counts = (self.n_added, self.n_removed, self.n_changed, self.annotations_added, self.annotations_removed)
        return not (any(counts) or self.fields_added or self.fields_removed or self.fields_changed)

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return not self.same

    @property
    def title(self) -> str:
        return f"{self.a} -> {self.b}: " + ("the same content" if self.same else "what differs")

    def rows(self) -> Rows:
        changes = ", ".join(f"{name} in {count:,}" for name, count in list(self.changed_columns.items())[:NAMED])
        marks = [
            f"{count:,} {word}"
            for word, count in (("added", self.annotations_added), ("removed", self.annotations_removed))
            if count
        ]
        return [
            ("added", _keys(self.n_added, self.added)),
            ("removed", _keys(self.n_removed, self.removed)),
            ("changed", _keys(self.n_changed, tuple(self.changed)) + (f"; {changes}" if changes else "")),
            ("unchanged", display.count(self.unchanged, "sample")),
            ("new fields", ", ".join(f"{each.name} {each.type}" for each in self.fields_added)),
            ("fields gone", ", ".join(each.name for each in self.fields_removed)),
            ("fields changed", ", ".join(_change(*each) for each in self.fields_changed.values())),
            ("annotations", ", ".join(marks)),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


def _keys(count: int, keys: tuple[str, ...]) -> str:
    if not count:
        return ""
    more = ", ..." if count > NAMED else ""
    return f"{display.count(count, 'sample')}: {', '.join(keys[:NAMED])}{more}"


def _change(before: Field, after: Field) -> str:
    parts = [f"{was} to {now}" for was, now in ((before.type, after.type), (before.role, after.role)) if was != now]
    return f"{before.name} ({', '.join(parts)})"
