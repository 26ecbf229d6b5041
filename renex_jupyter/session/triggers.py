"""What is looked at again when something is logged: the policies of the model that it is about.

Nothing here stops a program that logs, and a store without policies is asked one cheap question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records.artifacts import Checkpoint
from renex_jupyter.records.models import ModelVersion
from renex_jupyter.records.owners import Owner
from renex_jupyter.records.policies import Policy
from renex_jupyter.session.current import Session, never_in_the_way

ABOUT = ("model_version", "checkpoint", "evaluation")  # kinds of owners that policies ask about
_seen: dict[str, tuple[Any, bool]] = {}  # store -> its marker, and whether it had policies


def version_registered(session: Session, version: ModelVersion | str) -> None:
    """Apply the policies of a model to a new version of it (a record, or its id); never in the way."""
    version_id = version if isinstance(version, str) else version.model_version_id
    with never_in_the_way(f"what the policies say of version {short(version_id)}"):
        if _has_policies(session):
            _about_owner(session, "model_version", version_id)


def metrics_logged(session: Session, owner: Owner) -> None:
    """Apply the policies of what metrics were logged on: a model version, a checkpoint, or an evaluation of one."""
    if owner.kind not in ABOUT:
        return
    with never_in_the_way(f"what the policies say of {owner.title}"):
        if _has_policies(session):
            _about_owner(session, owner.kind, owner.id)


def checkpoint_logged(session: Session, checkpoint: Checkpoint | str) -> None:
    """Ask the policies that make versions of checkpoints for a new one (a record, or its id); never in the way."""
    checkpoint_id = checkpoint if isinstance(checkpoint, str) else checkpoint.checkpoint_id
    with never_in_the_way(f"what the policies say of checkpoint {short(checkpoint_id)}"):
        if _has_policies(session):
            _about_owner(session, "checkpoint", checkpoint_id)


def _has_policies(session: Session) -> bool:
    """Say whether the store has any; it is asked again when it has changed."""
    from renex_jupyter.session.verdicts import is_at_work

    if is_at_work():  # what a policy does is followed up by itself
        return False
    key, marker = str(session.store.layout.root), session.store.reader.marker(points=False)
    known = _seen.get(key)
    if known is None or known[0] != marker:
        query = "select 1 as there from inside.policies where coalesce(enabled, true) limit 1"
        known = _seen[key] = (marker, bool(session.store.reader.rows(query)))
    return known[1]


def _about_owner(session: Session, kind: str, owner_id: str) -> None:
    """Ask the policies about the versions that an owner speaks of, and about its checkpoint."""
    from renex_jupyter.query import policies as query

    read = session.store.reader
    checkpoint = query.checkpoint_of(read, kind, owner_id)
    versions: dict[str, set[str]] = {}
    for row in query.models_of(read, kind, owner_id):
        versions.setdefault(row["model_id"], set()).add(row["model_version_id"])
    policies: dict[str, list[Policy]] = {}
    for each in query.policies_of(read):
        policies.setdefault(each.model_id, []).append(each)
    for model_id, found in policies.items():
        wanted = checkpoint is not None and any(each.kind == "convert" for each in found)
        if model_id in versions or wanted:
            _ask(session, model_id, found, versions.get(model_id, set()), checkpoint if wanted else None)


def _ask(
    session: Session, model_id: str, policies: Sequence[Policy], versions: set[str], checkpoint: str | None
) -> None:
    from renex_jupyter.session.verdicts import Work, ask

    rows = session.store.reader.rows("select * from inside.models where model_id = ?", [model_id])
    if rows:  # a policy may be left of a model that was deleted
        ask(
            Work(session, rows[0], versions, checkpoint, checkpoints=checkpoint is not None, acts=True, carefully=True),
            policies,
        )
