"""The note of a checkout in place that is under way, by which it can be finished, or taken back, after a crash."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from renex_jupyter.errors import RenexError
from renex_jupyter.ids import short
from renex_jupyter.records.changes import now
from renex_jupyter.store.layout import Layout, json_object, write_whole


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What a project was to become, and what it was."""

    snapshot_id: str
    safety_id: str  # the snapshot to go back to
    began: str  # local time, for a person
    project: str

    @classmethod
    def of(cls, snapshot_id: str, safety_id: str, project: Path) -> Unfinished:
        """Return the note of a checkout that begins now."""
        return cls(snapshot_id, safety_id, f"{now().astimezone():%Y-%m-%d %H:%M:%S}", ascii(str(project))[1:-1])

    @property
    def ids(self) -> tuple[str, str]:
        """Both snapshots."""
        return self.snapshot_id, self.safety_id

    @property
    def line(self) -> str:
        """What is to be known of it, on one line."""
        return (
            f"of {short(self.snapshot_id)} in place, begun at {self.began}, did not end: "
            f"{command(self.snapshot_id)} finishes it, {command(self.safety_id)} goes back"
        )

    def other_than(self, wanted: str) -> str | None:
        """Return the snapshot to go back to when `wanted` is one of both; None when it is neither."""
        return {self.safety_id: self.snapshot_id, self.snapshot_id: self.safety_id}.get(wanted)

    def in_the_way(self) -> RenexError:
        """Return the refusal to begin another checkout."""
        fact = f"a checkout of {short(self.snapshot_id)} in {self.project}, begun at {self.began}, did not end."
        hint = f"Finish it with {command(self.snapshot_id)}, or go back with {command(self.safety_id)}."
        return RenexError("conflict", fact, f"{hint} With force another one begins.")

    def write(self, layout: Layout) -> None:
        """Keep the note, durable."""
        write_whole(layout.unfinished_checkout, json.dumps(asdict(self)).encode() + b"\n")


def unfinished(layout: Layout) -> Unfinished | None:
    """Return the note of a checkout that is under way or did not end; None when there is none."""
    found = json_object(layout.unfinished_checkout)
    names = Unfinished.__dataclass_fields__
    if not all(isinstance(found.get(name), str) for name in names):
        return None
    return Unfinished(**{name: found[name] for name in names})


def command(snapshot_id: str) -> str:
    """Return what a user types to bring a state back in place."""
    return f"%renex checkout {short(snapshot_id)} --in-place"
