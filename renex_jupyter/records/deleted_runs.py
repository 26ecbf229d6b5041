"""What became of runs and experiments that were deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.experiments import Experiment
from renex_jupyter.records.runs import Run

ADD_YES = "to delete it, add --yes (dry_run=False)"
FREE = "gc --yes frees the contents that nothing else names."
_UNSEEN = ("params", "links", "verifications")  # kinds of which nobody asks how many there were


@dataclass(frozen=True, slots=True)
class KeptSnapshot:
    """A snapshot of a deleted run that stays."""

    snapshot_id: str
    reason: str

    def __str__(self) -> str:
        return f"{short(self.snapshot_id)} ({self.reason})"


@dataclass(frozen=True, slots=True)
class DeletedRun:
    """A run that was deleted, or would be, with all that goes with it."""

    dry_run: bool
    run: Run
    children: tuple[Run, ...]  # that are part of it, and go with it
    counts: Mapping[str, int]  # of the objects that go, by kind: runs, snapshots, artifacts, checkpoints, events, ...
    kept: tuple[KeptSnapshot, ...] = ()

    @property
    def title(self) -> str:
        return f"run '{self.run.name}' ({short(self.run.run_id)}) {_state(dry_run=self.dry_run)}"

    def rows(self) -> Rows:
        return [
            ("experiment", f"{self.run.namespace}/{self.run.experiment}"),
            ("started", display.moment(self.run.started_at)),
            ("children", ", ".join(f"'{each.name}' ({short(each.run_id)})" for each in self.children)),
            *_told(self.counts, self.kept, dry_run=self.dry_run),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class DeletedExperiment:
    """An experiment that was deleted, or would be, with all that goes with it."""

    dry_run: bool
    experiment: Experiment
    counts: Mapping[str, int]
    kept: tuple[KeptSnapshot, ...] = ()

    @property
    def title(self) -> str:
        place = f"{self.experiment.namespace}/{self.experiment.name}"
        return f"experiment '{place}' {_state(dry_run=self.dry_run)}"

    def rows(self) -> Rows:
        return [
            ("description", self.experiment.description or ""),
            *_told(self.counts, self.kept, dry_run=self.dry_run),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


def _state(*, dry_run: bool) -> str:
    return "would be deleted" if dry_run else "is deleted"


def _told(counts: Mapping[str, int], kept: tuple[KeptSnapshot, ...], *, dry_run: bool) -> Rows:
    counted = [display.count(n, kind.removesuffix("s")) for kind, n in counts.items() if kind not in _UNSEEN]
    return [
        ("goes" if dry_run else "went", ", ".join(counted)),
        ("stays", ", ".join(f"snapshot {each}" for each in kept)),
        ("next", ADD_YES if dry_run else FREE),
    ]
