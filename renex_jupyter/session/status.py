"""What is recorded, where, and what is open now."""

from __future__ import annotations

from dataclasses import dataclass

from renex_jupyter.ids import short
from renex_jupyter.query.snapshots import get_snapshot
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.changes import now
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.diffs import last_snapshot
from renex_jupyter.session.found_runs import mark_vanished
from renex_jupyter.session.unfinished import unfinished
from renex_jupyter.store.access import declared


@dataclass(frozen=True, slots=True)
class Status:
    """The store of this project and the session of this process."""

    store: str  # folder
    exists: bool
    notebook: str | None
    experiment: str  # namespace/name
    active_run: str | None
    last_snapshot: str | None  # of this notebook, or where it has none, of the project
    runs: int
    snapshots: int
    metric_points: int
    store_bytes: int
    access: str = "private"  # who may enter the store
    unfinished_checkout: str | None = None  # what to do about it

    @property
    def title(self) -> str:
        return "renex"

    def rows(self) -> Rows:
        if not self.exists:
            return [
                ("store", f"{self.store} (not there yet: nothing was recorded)"),
                ("notebook", self.notebook or "unknown"),
            ]
        kept = [display.count(self.runs, "run"), display.count(self.snapshots, "snapshot")]
        return [
            ("store", f"{self.store} ({display.size(self.store_bytes)})"),
            ("holds", ", ".join([*kept, display.count(self.metric_points, "metric point")])),
            ("access", self.access),
            ("notebook", self.notebook or "unknown"),
            ("experiment", self.experiment),
            ("open run", self.active_run or "none"),
            ("last snapshot", f"{self.last_snapshot}; diff tells what changed since" if self.last_snapshot else ""),
            ("checkout", self.unfinished_checkout or ""),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


def status() -> Status:
    """Return where the store is, what it holds and what is open; creates nothing."""
    session = current()
    store, notebook = session.store, session.notebook
    counts = {"runs": 0, "snapshots": 0, "points": 0}
    if store.exists:
        mark_vanished(session)
        counts = store.reader.rows(
            """
            select (select count(*) from runs) as runs, (select count(*) from metrics) as points,
                   (select count(*) from snapshots where not coalesce(hidden, false)) as snapshots"""
        )[0]
    left = unfinished(store.layout)
    active = session.innermost
    last = last_snapshot(session) if counts["snapshots"] else None
    return Status(
        store=str(store.layout.root),
        exists=store.exists,
        notebook=str(notebook) if notebook else None,
        experiment=f"{session.namespace}/{session.experiment}",
        active_run=f"{active.name} ({short(active.run_id)})" if active else None,
        last_snapshot=_told(session, last) if last else None,
        runs=counts["runs"],
        snapshots=counts["snapshots"],
        metric_points=counts["points"],
        store_bytes=sum(path.stat().st_size for path in store.layout.root.rglob("*") if path.is_file()),
        access=declared(store.layout).words,
        unfinished_checkout=left.line if left else None,
    )


def _told(session: Session, snapshot_id: str) -> str:
    """Return id and words of a snapshot, and how long ago it was taken."""
    snapshot = get_snapshot(session.store.reader, snapshot_id)
    words = (short(snapshot_id), snapshot.label, f'"{snapshot.message}"' if snapshot.message else "")
    ago = display.seconds(max(0.0, (now() - snapshot.created_at).total_seconds()))
    return f"{' '.join(word for word in words if word)}, {ago} ago"
