"""What to do about a model after a look at drift: the first rule that fits makes the proposal, and says why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter.records import display
from renex_jupyter.records.drift import (
    ALERT,
    ATTENTION,
    INVESTIGATE,
    KEEP,
    RECALIBRATE,
    REPLACE,
    RETIRE,
    RETRAIN,
    ColumnDrift,
    PatternWindow,
    PerformanceWindow,
    Thresholds,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the rules look at."""

    results: Sequence[ColumnDrift] = ()
    reference: PerformanceWindow | None = None  # the performance then
    latest: PerformanceWindow | None = None  # the performance now
    binary: bool = True  # the error is 0 or 1
    has_model: bool = False
    n_current: int = 0  # rows of the current data, or of its last window
    facts: Mapping[str, Any] | None = None


def propose(seen: Seen, limits: Thresholds) -> tuple[str, str]:
    """Return the proposal and the rule that fired, in words."""
    for rule in (_retire, _replace, _retrain, _recalibrate, _investigate):
        found = rule(seen, limits)
        if found is not None:
            return found
    told = "nothing drifts beyond noise and the thresholds"
    if seen.latest is not None and seen.latest.value is not None and seen.reference is not None:
        told = f"the {_values(seen)}, which is within the tolerance, and {told}"
    return KEEP, f"{told}."


def rose(then: PerformanceWindow | PatternWindow, now: PerformanceWindow | PatternWindow) -> bool:
    """Say whether an error is higher than it was beyond the intervals of both.

    References
    ----------
    The interval of a difference from the intervals of its parts: R. G. Newcombe, Statistics in Medicine 17 (1998).
    """
    if then.value is None or then.high is None or now.value is None or now.low is None:
        return False
    difference = now.value - then.value
    return difference > math.hypot(now.value - now.low, then.high - then.value)


def _retire(seen: Seen, limits: Thresholds) -> tuple[str, str] | None:
    if not seen.has_model:
        return None
    if seen.n_current == 0:
        return RETIRE, "no traffic: the current window has no rows, so nothing asks the model any more."
    now = seen.latest
    if limits.worst is not None and now is not None and now.low is not None and now.low > limits.worst:
        return RETIRE, (
            f"below the floor: the {now.metric} {_range(now)} in {now.window} is above {_number(limits.worst)}, "
            "the worst that is of use."
        )
    return None


def _replace(seen: Seen, _limits: Thresholds) -> tuple[str, str] | None:
    said = (seen.facts or {}).get("candidate")
    if not said or not said.get("better") or said.get("worse_patterns"):
        return None
    patterns = said.get("patterns") or 0
    kept = f", and worse on none of {display.count(patterns, 'named pattern')}" if patterns else ""
    return REPLACE, (
        f"candidate {said['model']} is better on the same samples: {_number(said['value'])} instead of "
        f"{_number(said['than'])} (p {said['p_value']:.2g}, paired){kept}."
    )


def _retrain(seen: Seen, limits: Thresholds) -> tuple[str, str] | None:
    then, now = seen.reference, seen.latest
    if then is None or now is None or then.value is None or now.value is None or not rose(then, now):
        return None
    rise = now.value - then.value
    allowed = limits.tolerance if seen.binary else limits.tolerance * abs(then.value)
    if rise <= allowed:
        return None
    return RETRAIN, (
        f"performance: the {_values(seen)}; its interval excludes the reference, and the rise of {_number(rise)} is "
        f"more than the tolerance {_number(allowed)}."
    )


def _recalibrate(seen: Seen, limits: Thresholds) -> tuple[str, str] | None:
    said = (seen.facts or {}).get("calibration") or {}
    if not said.get("calibrated") or said.get("current") is None:
        return None
    if said["current"] <= limits.ece + (said.get("noise") or 0.0):
        return None
    if _worse_patterns(seen) or (
        seen.reference is not None and seen.latest is not None and rose(seen.reference, seen.latest)
    ):
        return None  # it is not the calibration only
    return RECALIBRATE, (
        f"calibration only: the calibration error went from {_number(said['reference'])} to {_number(said['current'])} "
        f"(up to {_number(limits.ece)} counts as calibrated), while the {_values(seen)} did not get worse."
    )


def _investigate(seen: Seen, limits: Thresholds) -> tuple[str, str] | None:
    parts = []
    worse = [each for each in _worse_patterns(seen) if each]
    if worse:
        parts.append(f"worse on {'; '.join(worse[:3])}")
    drifted = [each for each in seen.results if each.level in (ALERT, ATTENTION)]
    if drifted:
        most = sorted(drifted, key=lambda each: -(each.psi or 0))[:3]
        named = ", ".join(f"{_title(each)} (PSI {_number(each.psi)})" for each in most)
        more = f" and {len(drifted) - 3} more" if len(drifted) > 3 else ""
        parts.append(f"drift of {named}{more}")
    parts += _of_facts(seen.facts or {}, limits)
    if not seen.n_current and not seen.has_model:
        parts.append("the current data has no rows")
    if not parts:
        return None
    then = seen.latest is not None and seen.latest.value is not None
    said = (
        f"while the {_values(seen)}, which is within the tolerance"
        if then
        else "and what it does to performance is not known"
    )
    return INVESTIGATE, f"{'; '.join(parts)}, {said}." if seen.has_model else f"{'; '.join(parts)}."


def _of_facts(facts: Mapping[str, Any], limits: Thresholds) -> list[str]:
    parts = []
    adversarial = facts.get("adversarial") or {}
    if adversarial.get("auc") is not None and adversarial["auc"] > max(limits.auc, adversarial.get("floor") or 0):
        parts.append(f"a classifier tells reference from current with AUC {_number(adversarial['auc'])}")
    for name, said in (facts.get("embeddings") or {}).items():
        if said.get("cosine") is not None and said["cosine"] < limits.cosine:
            parts.append(f"the centroid of '{name}' has cosine {_number(said['cosine'])} to that of the reference")
        elif said.get("auc") is not None and said["auc"] > max(limits.auc, said.get("floor") or 0):
            parts.append(f"a classifier tells '{name}' apart with AUC {_number(said['auc'])}")
    change = facts.get("change") or {}
    if change.get("at") is not None:
        parts.append(f"the error rises from about {change['since']} on")
    return parts


def _worse_patterns(seen: Seen) -> list[str]:
    if seen.reference is None or seen.latest is None:
        return []
    before = {each.name: each for each in seen.reference.patterns}
    return [
        f"'{each.name}': {_number(before[each.name].value)} to {_number(each.value)}"
        for each in seen.latest.patterns
        if each.name in before and rose(before[each.name], each)
    ]


def _title(result: ColumnDrift) -> str:
    return f"'{result.name}'" if result.role == "column" else f"the {result.role} '{result.name}'"


def _values(seen: Seen) -> str:
    then, now = seen.reference, seen.latest
    if now is None or now.value is None:
        return "performance"
    before = f" was {_number(then.value)} and" if then is not None and then.value is not None else ""
    return f"{now.metric}{before} is {_range(now)} in {now.window}"


def _range(now: PerformanceWindow) -> str:
    return f"{_number(now.value)} ({_number(now.low)} to {_number(now.high)})"


def _number(value: float | None) -> str:
    return "" if value is None else display.number(float(value), 3)
