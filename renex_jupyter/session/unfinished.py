"""The note of a checkout in place that is under way, by which it can be finished, or taken back, after a crash."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from renex_jupyter.errors import RenexError
from renex_jupyter.ids import short
from renex_jupyter.records.changes import now
from renex_jupyter.store.layout import Layout, json_object, write_whole
from renex_jupyter.store.store import Store


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What a project was to become, and what it was."""

    snapshot_id: str
    safety_id: str  # the snapshot to go back to
    began: str  # local time, for a person
    project: str  # as a snapshot names it

    @classmethod
    def of(cls, snapshot_id: str, safety_id: str, project: str) -> Unfinished:
        """Return the note of a checkout that begins now."""
        return cls(snapshot_id, safety_id, f"{now().astimezone():%Y-%m-%d %H:%M:%S}", project)

    @property
    def ids(self) -> tuple[str, str]:
        """Both snapshots."""
        return self.snapshot_id, self.safety_id

    @property
    def line(self) -> str:
        """What is to be known of it, on one line."""
        return (
            f"of {short(self.snapshot_id)} {self._where}, begun at {self.began}, did not end: "
            f"{command(self.snapshot_id)} finishes it, {command(self.safety_id)} goes back"
        )

    def other_than(self, wanted: str) -> str | None:
        """Return the snapshot to go back to when `wanted` is one of both; None when it is neither."""
        return {self.safety_id: self.snapshot_id, self.snapshot_id: self.safety_id}.get(wanted)

    def in_the_way(self) -> RenexError:
        """Return the refusal to begin another checkout."""
        return RenexError("conflict", self._fact, f"{self._hint} With force another one begins.")

    def not_ours(self, layout: Layout) -> RenexError:
        """Return the refusal to begin one in a project while another one, of the same store, is half done."""
        hint = f"{self._hint} That is done there. If there is no such folder any more, remove {layout.unfinished_checkout}."
        there = replace(self, project=str(layout.project)) if self.project == "." else self
        return RenexError("conflict", there._fact, hint)  # noqa: SLF001  one of ours

    def is_needed(self, snapshot_id: str) -> RenexError:
        """Return the refusal to take a snapshot away by which it is finished or taken back."""
        return RenexError("conflict", f"snapshot {short(snapshot_id)} is needed: {self._fact}", self._hint)

    @property
    def _where(self) -> str:
        return "in place" if self.project == "." else f"in place in {self.project}"

    @property
    def _fact(self) -> str:
        return f"a checkout of {short(self.snapshot_id)} {self._where}, begun at {self.began}, did not end."

    @property
    def _hint(self) -> str:
        return f"Finish it with {command(self.snapshot_id)}, or go back with {command(self.safety_id)}."

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


def check_not_needed(store: Store, object_id: str) -> None:
    """Refuse to take away a snapshot, or a run with its snapshots, that an unfinished checkout needs.

    Raises
    ------
    RenexError : `conflict`.
    """
    left = unfinished(store.layout)
    if left is None:
        return
    rows = store.reader.rows(
        """
        select snapshot_id from inside.snapshots
        where snapshot_id in ($one, $other) and $id in (snapshot_id, run_id)""",
        {"one": left.snapshot_id, "other": left.safety_id, "id": object_id},
    )
    if rows:
        raise left.is_needed(rows[0]["snapshot_id"])


def command(snapshot_id: str) -> str:
    """Return what a user types to bring a state back in place."""
    return f"%renex checkout {short(snapshot_id)} --in-place"
