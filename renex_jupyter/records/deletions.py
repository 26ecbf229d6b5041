"""What became of a snapshot, or an artifact, that was deleted."""

from __future__ import annotations

from dataclasses import dataclass

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.artifacts import TRACKED, Artifact, Checkpoint
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.snapshots import Snapshot

FREE = "gc --yes frees the file contents that no other snapshot has."


@dataclass(frozen=True, slots=True)
class Deleted:
    """A snapshot that was deleted, or would be."""

    dry_run: bool
    snapshot: Snapshot

    @property
    def title(self) -> str:
        state = "would be deleted" if self.dry_run else "is deleted"
        return f"snapshot {short(self.snapshot.snapshot_id)} {state}"

    def rows(self) -> Rows:
        snapshot = self.snapshot
        return [
            ("label", snapshot.label or ""),
            ("message", snapshot.message or ""),
            ("created", display.moment(snapshot.created_at)),
            ("holds" if self.dry_run else "held", snapshot.summary),
            ("next", "to delete it, add --yes (dry_run=False)" if self.dry_run else FREE),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class DeletedArtifact:
    """An artifact that was deleted, or would be."""

    dry_run: bool
    artifact: Artifact

    @property
    def title(self) -> str:
        return f"{self.artifact.title} {'would be deleted' if self.dry_run else 'is deleted'}"

    def rows(self) -> Rows:
        artifact = self.artifact
        free = f"what it points at stays: {artifact.uri}" if artifact.mode == TRACKED else FREE
        return [
            ("kind", artifact.kind),
            ("size", "" if artifact.size is None else display.size(artifact.size)),
            ("created", display.moment(artifact.created_at)),
            ("next", "to delete it, add --yes (dry_run=False)" if self.dry_run else free),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class DeletedCheckpoint:
    """A checkpoint that was deleted, or would be."""

    dry_run: bool
    checkpoint: Checkpoint
    artifact: Artifact

    @property
    def title(self) -> str:
        return f"{self.checkpoint.title} {'would be deleted' if self.dry_run else 'is deleted'}"

    def rows(self) -> Rows:
        size = self.artifact.size
        return [
            ("metrics", display.pairs(self.checkpoint.metrics.items())),
            ("size", "" if size is None else display.size(size)),
            ("next", "to delete it, add --yes (dry_run=False)" if self.dry_run else FREE),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html
