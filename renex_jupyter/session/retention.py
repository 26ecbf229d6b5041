"""Letting the contents of model versions go: their rows stay, and say so; the bytes are freed by the next `gc`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from renex_jupyter.query import artifacts as query
from renex_jupyter.records.changes import Change, fields
from renex_jupyter.records.policies import RELEASED, Subject
from renex_jupyter.session.current import Session


def release(session: Session, model: Mapping[str, Any], versions: Sequence[Subject]) -> None:
    """Release the contents of some versions of a model, all at once; the caller is `alone`.

    Bytes that a checkpoint or an artifact of a run still holds stay with it.
    """
    changes = [change for each in versions for change in _released(session, each, model["namespace"])]
    if changes:
        session.begin()
        session.store.write(*changes)


def _released(session: Session, version: Subject, namespace: str) -> list[Change]:
    """Return the changes: first the version says it, then its artifact goes."""
    before = {"status": version.status}
    said = Change("model_versions", version.id, "update", {"status": RELEASED}, before, namespace)
    known = session.store.reader.rows(
        "select artifact_id from inside.artifacts where artifact_id = ?", [version.artifact_id]
    )
    gone = []
    for row in known:
        artifact = query.get_artifact(session.store.reader, row["artifact_id"])
        was = {name: value for name, value in fields(artifact).items() if name != "files"}
        gone.append(Change("artifacts", artifact.artifact_id, "delete", {}, was, namespace))
    return [said, *gone]
