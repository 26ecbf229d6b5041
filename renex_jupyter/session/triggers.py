"""What is looked at again when something is logged: policies of the model that it is about, named patterns of the dataset.

Nothing here stops a program that logs, and a store without policies is asked one cheap question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from renex_jupyter.errors import warn
from renex_jupyter.ids import short
from renex_jupyter.records.artifacts import Checkpoint
from renex_jupyter.records.datasets import PredictionSet
from renex_jupyter.records.failure_patterns import WORSE, NamedPattern
from renex_jupyter.records.models import ModelVersion
from renex_jupyter.records.owners import Owner
from renex_jupyter.records.policies import Policy
from renex_jupyter.session.current import Session, never_in_the_way

ABOUT = ("model_version", "checkpoint", "evaluation")  # kinds of owners that policies ask about
WORSE_PATTERN = "failure_pattern.worse"  # the event of a model version that is worse on a named pattern
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


def predictions_logged(session: Session, predictions: PredictionSet) -> None:
    """Measure the named patterns of a dataset on new predictions, and ask the policies of the model; never in the way.

    What got worse is an event on the model version: `failure_pattern.worse`, "worse on night images: 12 % to 19 %".
    """
    with never_in_the_way(f"how the named patterns measure on {predictions.title}"):
        patterns = _patterns_of(session, predictions)
        if patterns:
            _measure(session, predictions, patterns)
    if predictions.model_version_id is not None:
        with never_in_the_way(f"what the policies say of {predictions.model or 'a model version'}"):
            if _has_policies(session):
                _about_owner(session, "model_version", predictions.model_version_id)


def _patterns_of(session: Session, predictions: PredictionSet) -> list[NamedPattern]:
    """Return the named patterns of the dataset that was predicted on; a store without any is asked one cheap question."""
    read = session.store.reader
    rows = read.rows(
        """select v.dataset_id from inside.dataset_versions v join inside.named_patterns n using (dataset_id)
        where dataset_version_id = ? limit 1""",
        [predictions.dataset_version_id],
    )
    if not rows:
        return []
    from renex_jupyter.query.failure_patterns import named_patterns

    return named_patterns(read, rows[0]["dataset_id"])


def _measure(session: Session, predictions: PredictionSet, patterns: Sequence[NamedPattern]) -> None:
    from renex_jupyter.query.failure_patterns import measures
    from renex_jupyter.session.events import log_event
    from renex_jupyter.session.pattern_measures import measure

    ids = [each.named_pattern_id for each in patterns]
    told_before = {
        each.pattern_measure_id for each in measures(session.store.reader, ids, predictions.prediction_set_id)
    }
    found, faults = measure(session, predictions, patterns)
    for name, why in faults.items():
        warn(f"pattern '{name}' is not measured on {predictions.title}: {why}")
    for each in found:
        is_new = each.pattern_measure_id not in told_before
        if is_new and each.change == WORSE and predictions.model_version_id is not None:
            told = {
                "text": each.line,
                "pattern": each.pattern,
                "error": each.error,
                "error_rate": each.error_rate,
                "previous_rate": each.previous_rate,
                "p_value": each.p_value,
                "support": each.support,
                "dataset": predictions.dataset,
                "pattern_measure_id": each.pattern_measure_id,
            }
            log_event(WORSE_PATTERN, "patterns", told, on=f"model_version:{predictions.model_version_id}")


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
