"""What became of a snapshot that was deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.snapshots import Snapshot

FREE = "gc --yes frees the file contents that no other snapshot has."


@dataclass(frozen=True, slots=True)
class Deleted:
    """A snapshot that was deleted, or would be."""

    dry_run: bool
    snapshot: Snapshot

    @property
    def _title(self) -> str:
        state = "would be deleted" if self.dry_run else "is deleted"
        return f"snapshot {short(self.snapshot.snapshot_id)} {state}"

    def _rows(self) -> list[tuple[str, str]]:
        snapshot = self.snapshot
        return [
            ("label", snapshot.label or ""),
            ("message", snapshot.message or ""),
            ("created", display.moment(snapshot.created_at)),
            ("holds" if self.dry_run else "held", snapshot.summary),
            ("next", "to delete it, add --yes (dry_run=False)" if self.dry_run else FREE),
        ]

    def __str__(self) -> str:
        return display.text_card(self._title, self._rows())

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return display.card(self._title, self._rows())
