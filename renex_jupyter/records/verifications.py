"""What `verify` found: whether a run that was done again gave the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.changes import plain

REPRODUCED, CLOSE, DIFFERENT, FAILED = "reproduced", "close", "different", "failed"
VERDICTS = (REPRODUCED, CLOSE, DIFFERENT, FAILED)
RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-6, 1e-12
SHOWN = 20  # differences on a card; `as_dict` has them all


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was recorded."""

    kind: str  # metric (its values), points (how many there are), param, file, status
    what: str  # the key, the path, or "status"
    recorded: Any  # None: there was none
    now: Any  # None: there is none
    step: int | None = None  # of a metric: the first that differs
    count: int | None = None  # of a metric: how many of its points differ
    relative: float | None = None  # of a metric: the largest difference, as a fraction of the larger value
    close: bool = False  # all of it lies within the tolerance

    @property
    def line(self) -> str:
        """The difference on one line."""
        place = "" if self.step is None else f" at step {self.step}"
        more = [display.count(self.count, "point")] if self.count and self.count > 1 else []
        if self.relative is not None:
            more.append(f"relative difference up to {self.relative:.1g}")
        said = f" ({', '.join(more)})" if more else ""
        name = "" if self.kind == self.what else f" {self.what}"
        return f"{self.kind}{name}{place}: {_shown(self.recorded)} -> {_shown(self.now)}{said}"


@dataclass(frozen=True, slots=True, repr=False)
class Verification:
    """A recorded run against the same run, done again."""

    verification_id: str
    run_id: str
    rerun_run_id: str | None  # None: it could not be started
    verdict: (
        str  # reproduced: all is the same; close: within the tolerance; different; failed: it could not be done again
    )
    reason: str  # why it is not the same, as far as that is known; where it is, what that does not rest on, or ""
    differences: tuple[Difference, ...]
    relative_tolerance: float
    absolute_tolerance: float
    created_at: datetime
    ignored: tuple[str, ...] = ()  # patterns of metrics, params and files that were not compared, as asked for
    name: str = ""  # of the run
    compared: Mapping[str, int] = field(default_factory=dict)  # how many points, params, files of the recorded run
    ignore_files: tuple[str, ...] = ()  # whose rules leave files out of snapshots, and so of what is compared

    @property
    def ok(self) -> bool:
        """Whether the run gave the same, within the tolerance."""
        return self.verdict in (REPRODUCED, CLOSE)

    @property
    def line(self) -> str:
        """The verdict on one line, with the first difference."""
        first = next((each.line for each in self.differences), "")
        more = len(self.differences) - 1
        parts = [
            f"run '{self.name}' {short(self.run_id)} {self.verdict}",
            first,
            f"and {more} more" if more > 0 else "",
            f"ignoring {', '.join(self.ignored)}" if self.ignored else "",
            self.reason if self.ok else "",
        ]
        return " · ".join(part for part in parts if part)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "created_at"}
        return {**plain(told), "created_at": self.created_at.isoformat()}

    @property
    def title(self) -> str:
        return f"run '{self.name}': {self.verdict}"

    def rows(self) -> Rows:
        nouns = {"points": "metric point", "params": "param", "files": "file"}
        compared = [display.count(self.compared.get(name, 0), noun) for name, noun in nouns.items()]
        tolerance = f"{self.relative_tolerance:g} relative, {self.absolute_tolerance:g} absolute"
        return [
            ("compared", ", ".join(compared) if self.rerun_run_id else ""),
            ("not compared", f"what {_named(self.ignore_files)} leaves out" if self.ignore_files else ""),
            ("ignored", ", ".join(self.ignored)),
            ("differences", "\n".join(_lines(self.differences))),
            ("note" if self.ok and not self.differences else "likely reason", self.reason),
            ("tolerance", tolerance if self.verdict == CLOSE else ""),
            ("recorded", self.run_id),
            ("rerun", self.rerun_run_id or "none: it could not be started"),
        ]

    def __repr__(self) -> str:
        return str(self)

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


def _lines(differences: Sequence[Difference]) -> list[str]:
    more = len(differences) - SHOWN
    lines = [each.line for each in differences[:SHOWN]]
    return lines if more <= 0 else [*lines, f"and {more:,} more (all of them: --json)"]


def _named(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {display.count(len(paths) - 1, 'more ignore file')}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, float) else str(value)
    return text if len(text) <= display.LONGEST else f"{text[: display.LONGEST]}..."
