"""What became of a snapshot that was deleted."""

from __future__ import annotations

from dataclasses import dataclass

from renex_jupyter.ids import short
from renex_jupyter.records import display
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
