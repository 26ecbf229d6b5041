"""Decisions about versions: retire one, replace it by another, restore it. Who, when and why is kept."""

from __future__ import annotations

from typing import Any

from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.ids import new_id
from renex_jupyter.query import models as query
from renex_jupyter.records.changes import Change, fields, now
from renex_jupyter.records.models import ACTIVE, REPLACE, RESTORE, RETIRE, RETIRED, Decision, ModelVersion
from renex_jupyter.records.policies import RELEASED
from renex_jupyter.session import requirements
from renex_jupyter.session.aliases import LET_GO, WHAT, alias_changes, check_active, kept_reason, version_of
from renex_jupyter.session.alone import alone
from renex_jupyter.session.current import Session, current
from renex_jupyter.store.reader import Reader

REASON_HINT = 'Say why, such as reason="its training data had the test set in it".'


def retire_version(ref: str | ModelVersion, reason: str, *, force: bool = False) -> Decision:
    """Decide that a version is not to be used any more: it is no `latest`, and gets no alias without force.

    It can still be loaded by its number, with a warning.

    Parameters
    ----------
    force : also take away the aliases that name it; whoever loads these finds none then.

    Raises
    ------
    RenexError : `conflict` while an alias names it, and for one that is retired or released; `not_found`, `ambiguous`,
        `invalid_argument` without a reason, `locked`.
    """
    return retire(ref, reason, force=force)


def retire(
    ref: str | ModelVersion, reason: str, *, force: bool = False, drift_report_id: str | None = None
) -> Decision:
    """Retire a version as `retire_version` does; the decision says on which look at drift it was taken."""
    reason = _checked(reason)
    session = current()
    found = query.find_version(session.store.reader, ref, session.namespace)
    session.begin()
    with alone(session.store, what=WHAT):
        record, row = _now(session, found)
        _check_status(record, ACTIVE)
        if record.aliases and not force:
            said = " and ".join(f"'{each}'" for each in record.aliases)
            raise RenexError(
                "conflict",
                f"{said} of model '{record.model}' is v{record.version}.",
                "rx.replace_version() (%renex model replace) moves it to another version; force=True (--force) takes it away.",
            )
        aliases = [
            each
            for alias in record.aliases
            for each in alias_changes(session, row, alias, None, f"v{record.version} is retired: {reason}")
        ]
        decision = _decision(session, record, RETIRE, reason, drift_report_id=drift_report_id)
        session.store.write(_status(record, RETIRED), *aliases, _change(decision, record))
    return _told(session.store.reader, decision)


def restore_version(ref: str | ModelVersion, reason: str) -> Decision:
    """Decide that a retired version may be used again. Aliases that it had do not come back.

    Raises
    ------
    RenexError : `conflict` for one that is not retired, or whose contents are gone; `not_found`, `ambiguous`,
        `invalid_argument` without a reason, `locked`.
    """
    reason = _checked(reason)
    session = current()
    found = query.find_version(session.store.reader, ref, session.namespace)
    session.begin()
    with alone(session.store, what=WHAT):
        record, _ = _now(session, found)
        _check_status(record, RETIRED)
        _check_contents(session, record)
        decision = _decision(session, record, RESTORE, reason)
        session.store.write(_status(record, ACTIVE), _change(decision, record))
    return _told(session.store.reader, decision)


def replace_version(
    old: str | ModelVersion, new: int | str | ModelVersion, reason: str, *, force: bool = False
) -> Decision:
    """Decide that a version takes the place of another: it gets its aliases, all at once, and the other is retired.

    One that is released stays that: it cannot be restored.

    Parameters
    ----------
    new : a version of the same model: its number, a reference, an id, or the record.
    force : although a policy that requires something for one of the aliases is not met.

    Raises
    ------
    RenexError : `policy_failed` with what is not met, `conflict` for a new version that is retired; `not_found`,
        `ambiguous`, `invalid_argument` without a reason, and for the same version twice, `locked`. Nothing is moved then.
    """
    return replace(old, new, reason, force=force)


def replace(
    old: str | ModelVersion,
    new: int | str | ModelVersion,
    reason: str,
    *,
    force: bool = False,
    drift_report_id: str | None = None,
) -> Decision:
    """Replace a version as `replace_version` does; the decision says on which look at drift it was taken."""
    reason = _checked(reason)
    session = current()
    read = session.store.reader
    found = query.find_version(read, old, session.namespace)
    model = query.find_model(read, found["model_id"])
    meant = version_of(read, model, new)
    if meant["model_version_id"] == found["model_version_id"]:
        raise invalid_argument(f"v{meant['version']} cannot take its own place.", "Give another version of the model.")
    session.begin()
    with alone(session.store, what=WHAT):
        record, row = _now(session, found)
        heir = query.numbered(read, row, meant["version"])
        check_active(heir)
        why = f"v{heir['version']} replaces v{record.version}: {reason}"
        changes = []
        for alias in record.aliases:
            if not force:
                requirements.check_required(session, row, heir, alias)
            changes += alias_changes(session, row, alias, heir["version"], f"forced: {why}" if force else why)
        decision = _decision(session, record, REPLACE, reason, heir["model_version_id"], drift_report_id)
        retired = [_status(record, RETIRED)] if record.status == ACTIVE else []
        session.store.write(*changes, *retired, _change(decision, record))
    return _told(read, decision)


def _checked(reason: object) -> str:
    kept = kept_reason(reason)
    if kept is None or not kept.strip():
        raise invalid_argument("a decision needs a reason.", REASON_HINT)
    return kept.strip()


def _now(session: Session, found: dict[str, Any]) -> tuple[ModelVersion, dict[str, Any]]:
    """Return a version and its model as they are now: somebody may have decided meanwhile."""
    read = session.store.reader
    row = query.find_version(read, found["model_version_id"])
    return query.as_version(read, row), query.find_model(read, row["model_id"])


def _check_status(record: ModelVersion, status: str) -> None:
    """Refuse a version of another status, with what was decided of one that is retired."""
    if record.status == status:
        return
    decided = record.status == RETIRED and record.decisions
    fact = (
        f"model version '{record.reference}' is {record.status}{f': {record.decisions[-1].line}' if decided else ''}."
    )
    hint = LET_GO if record.status == RELEASED else "Nothing is changed."
    raise RenexError("conflict", fact, hint)


def _check_contents(session: Session, record: ModelVersion) -> None:
    """Refuse a version that nobody could load."""
    if not session.store.reader.rows("select 1 from inside.artifacts where artifact_id = ?", [record.artifact_id]):
        raise RenexError("conflict", f"the contents of model version '{record.reference}' are there no more.", LET_GO)


def _decision(
    session: Session,
    record: ModelVersion,
    decision: str,
    reason: str,
    replaced_by: str | None = None,
    drift_report_id: str | None = None,
) -> Decision:
    return Decision(
        new_id(),
        record.model_id,
        record.model_version_id,
        decision,
        reason,
        now(),
        session.store.journal.actor,
        replaced_by,
        drift_report_id,
    )


def _status(record: ModelVersion, status: str) -> Change:
    before = {"status": record.status}
    return Change("model_versions", record.model_version_id, "update", {"status": status}, before, record.namespace)


def _change(decision: Decision, record: ModelVersion) -> Change:
    return Change("decisions", decision.decision_id, "create", fields(decision), namespace=record.namespace)


def _told(read: Reader, decision: Decision) -> Decision:
    """Return a decision as the store has it, with the references of the versions."""
    kept = query.decisions_on(read, decision.model_version_id)
    return next(each for each in kept if each.decision_id == decision.decision_id)
