"""What a model asks of a version before an alias may name it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from renex_jupyter.analysis.policies import require
from renex_jupyter.errors import RenexError
from renex_jupyter.query import policies as query
from renex_jupyter.records.policies import MET
from renex_jupyter.session.current import Session
from renex_jupyter.session.verdicts import of_said, record

HINT = "Meet it first, or set it all the same with force=True and a reason, which is recorded (--force --reason TEXT)."


def check_required(session: Session, model: Mapping[str, Any], version: Mapping[str, Any], alias: str) -> None:
    """Refuse an alias to a version that does not meet what the policies of kind `require` ask for it.

    What they say is recorded. The caller is `alone`.

    Parameters
    ----------
    model, version : rows of `inside.models` and of `model_versions`.

    Raises
    ------
    RenexError : `policy_failed`, with what is not met.
    """
    read = session.store.reader
    policies = [
        each
        for each in query.policies_of(read, model["model_id"])
        if each.kind == "require" and alias in each.rule.get("alias", (alias,))
    ]
    if not policies:
        return
    versions = query.versions_of(read, model["model_id"])
    subject = next(each for each in versions if each.number == version["version"])
    verdicts = [of_said(each, require(each.rule, subject, alias)) for each in policies]
    record(session, verdicts, model["namespace"])
    failed = [each for each in verdicts if each.verdict != MET]
    if failed:
        reasons = "; ".join(f"{each.reason.partition(': ')[2]} (policy '{each.policy}')" for each in failed)
        fact = f"v{subject.number} of model '{model['namespace']}/{model['name']}' may not be '{alias}': {reasons}."
        raise RenexError("policy_failed", fact, HINT)
