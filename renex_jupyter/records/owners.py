"""What can own metrics, artifacts, notes, tags and events: an object, by its kind and id."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """An object that others belong to."""

    kind: str  # run, experiment, namespace, checkpoint, artifact, model, model_version, evaluation, snapshot, dataset, ...
    id: str
    namespace: str
    title: str  # as a message names it: "run 'train' (3fa1b2c4)"

    @property
    def run_id(self) -> str | None:
        """The id, if it is a run."""
        return self.id if self.kind == "run" else None
