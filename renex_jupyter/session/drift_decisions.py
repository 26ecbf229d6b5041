"""Decisions on looks at drift: who decided what and why, and what is done about the model version."""

from __future__ import annotations

from typing import Any

from renex_jupyter.errors import invalid_argument, shown
from renex_jupyter.ids import new_id
from renex_jupyter.query import drift as query
from renex_jupyter.query import models
from renex_jupyter.records import changes
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.drift import PROPOSALS, REPLACE, RETIRE, DriftReport
from renex_jupyter.records.models import Decision
from renex_jupyter.session import decisions
from renex_jupyter.session.aliases import kept_reason
from renex_jupyter.session.current import current as open_session

REASON_HINT = 'Say why, such as reason="the new sensor reads lower; labels follow on Friday".'


def decide(
    report: str | DriftReport, decision: str, reason: str, *, model: object = None, successor: object = None
) -> Decision:
    """Decide on a look at drift: who, when and why is kept with it, and with the model version.

    `retire` retires the model version, and `replace` has its successor take its place, as `rx.retire_version` and
    `rx.replace_version` do; every other decision is only recorded.

    Parameters
    ----------
    decision : keep, investigate, recalibrate, retrain, replace or retire; it need not be what was proposed.
    model : the model version that it is about; None: that of the report.
    successor : which replaces it; None: the candidate of the report.

    Raises
    ------
    RenexError : `invalid_argument` without a reason, or to retire or replace without a model; `conflict`, `not_found`,
        `ambiguous`, `policy_failed` as those functions.
    """
    if decision not in PROPOSALS:
        raise invalid_argument(f"{shown(decision)} is no decision.", f"Use one of: {', '.join(PROPOSALS)}.")
    said = (kept_reason(reason) or "").strip()
    if not said:
        raise invalid_argument("a decision needs a reason.", REASON_HINT)
    session = open_session()
    read = session.store.reader
    found = query.as_report(read, query.find_report(read, report))
    wanted = found.model_version_id if model is None else model
    row = None if wanted is None else models.find_version(read, wanted, session.namespace)
    if row is None and decision in (RETIRE, REPLACE):
        raise invalid_argument(f"{decision}: the report names no model version.", "Give model='digits:3'.")
    session.begin()
    if decision in (RETIRE, REPLACE):
        assert row is not None
        made = _carried_out(found, decision, row["model_version_id"], said, successor)
    else:
        version = {"model_id": None, "model_version_id": None} if row is None else row
        made = Decision(
            new_id(),
            version["model_id"],
            version["model_version_id"],
            decision,
            said,
            now(),
            session.store.journal.actor,
            drift_report_id=found.drift_report_id,
        )
        namespace = session.namespace if row is None else row["namespace"]
        session.store.write(Change("decisions", made.decision_id, "create", changes.fields(made), namespace=namespace))
    kept = query.decisions_of(read, found.drift_report_id)
    return next(each for each in kept if each.decision_id == made.decision_id)


def _carried_out(report: DriftReport, decision: str, version: str, reason: str, successor: Any) -> Decision:
    """Retire or replace a model version."""
    if decision == RETIRE:
        return decisions.retire(version, reason, drift_report_id=report.drift_report_id)
    heir = successor or (report.facts.get("candidate") or {}).get("model_version_id")
    if heir is None:
        raise invalid_argument("replace: it is not said by what.", "Give successor='digits:4'.")
    return decisions.replace(version, heir, reason, drift_report_id=report.drift_report_id)
