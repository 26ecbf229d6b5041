"""Which versions' contents stay by a policy of kind `retain`, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from renex_jupyter.analysis.condition_answers import not_measured
from renex_jupyter.analysis.policies import Rule, Said, in_order, name_of
from renex_jupyter.analysis.policy_rules import kept
from renex_jupyter.records.models import ACTIVE
from renex_jupyter.records.policies import MET, RELEASED, UNMET, WAITING, Policy, Subject


def retain(
    rule: Rule, versions: Sequence[Subject], goal: str, since: datetime | None = None, *, acted: bool = False
) -> list[Said]:
    """Say of every version that has contents whether they stay (met), may go (unmet), or stay until it is measured.

    The newest one and what an alias names always stay. One that was not measured may be among the best, so it waits.

    Parameters
    ----------
    since : those registered after it are young enough; None: the rule does not ask.
    acted : they are released now; else it is told what can go.
    """
    here = sorted((each for each in versions if each.status != RELEASED), key=lambda each: -(each.number or 0))
    active = [each for each in here if each.status == ACTIVE]
    newest = {each.id for each in here[:1]} | {each.id for each in active[:1]}
    last = {each.id for each in active[: rule.get("keep_last", 0)]}
    best = _best(rule, active, goal)
    words = dict(zip((name for name in _ASKED if name in rule), kept(rule), strict=True))
    said = []
    for each in here:
        reasons = {
            "it is the newest": each.id in newest,
            f"it is {' and '.join(each.aliases)}": bool(each.aliases),
            f"it has the label {' and '.join(each.labels)}": bool(each.labels) and rule.get("keep_labelled", True),
            f"it is among the {words.get('keep_last')}": each.id in last and "keep_last" in rule,
            f"it is among the {words.get('keep_best')}": each.id in best,
            f"it is {words.get('younger_than')}": since is not None and each.created_at > since,
        }
        said.append(_said(rule, each, [why for why, holds in reasons.items() if holds], acted))
    return said


def spared(said: Said, policy: Policy, kept: Said) -> Said:
    """Return what is said of a version that one policy would let go and another one keeps."""
    why = kept.reason.partition(" stays: ")[2]
    return replace(
        said, verdict=kept.verdict, reason=f"{said.subject.name} stays: policy '{policy.name}' keeps it, {why}"
    )


_ASKED = ("keep_last", "keep_best", "younger_than")


def _best(rule: Rule, active: Sequence[Subject], goal: str) -> set[str]:
    """Return the ids of the best versions."""
    if "keep_best" not in rule:
        return set()
    return {each.id for each in in_order(active, name_of(rule), goal)[: rule["keep_best"]]}


def _said(rule: Rule, each: Subject, reasons: list[str], acted: bool) -> Said:
    facts: dict[str, Any] = {"status": each.status}
    if "metric" in rule:
        facts |= {"metric": rule["metric"], "dataset": rule.get("dataset"), "value": each.metrics.get(name_of(rule))}
    if reasons:
        return Said(each, MET, f"{each.name} stays: {', '.join(reasons)}", facts)
    if "keep_best" in rule and each.status == ACTIVE and name_of(rule) not in each.metrics:
        why = f"{not_measured(name_of(rule))}, so it may be one of the best"
        return Said(each, WAITING, f"{each.name} stays: {why}", facts)
    what = "released" if acted else "can go"
    return Said(each, UNMET, f"{each.name} {what}: it is neither {' nor '.join(_asked(rule))}", facts)


def _asked(rule: Rule) -> list[str]:
    told = [f"among the {each}" if not each.startswith("younger") else each for each in kept(rule)]
    labelled = "labelled, " if rule.get("keep_labelled", True) else ""
    return [f"{labelled}named by an alias", *told]
