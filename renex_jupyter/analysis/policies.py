"""What a policy says of a version or a checkpoint, given what is known: a verdict, its words and its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from renex_jupyter.analysis.condition_answers import answer, not_measured
from renex_jupyter.analysis.policy_conditions import parse
from renex_jupyter.analysis.policy_numbers import gain, one, side_by_side
from renex_jupyter.records.models import ACTIVE
from renex_jupyter.records.policies import MET, UNMET, WAITING, Subject

Rule = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What a policy says of one subject."""

    subject: Subject
    verdict: str
    reason: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Findings:
    """What speaks for a subject, against it, and what is missing to tell."""

    held: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """What fails is told before what is missing: measuring the rest would not help."""
        return UNMET if self.failed else WAITING if self.missing else MET

    def ask(self, condition: str | None, subject: Subject) -> None:
        """Add what a condition says, if there is one."""
        if condition is None:
            return
        found = answer(parse(condition), subject.metrics)
        (self.held if found.holds else self.missing if found.holds is None else self.failed).extend(found.words)
        self.facts |= {"where": condition, "metrics": {**self.facts.get("metrics", {}), **found.values}}

    def words(self, subject: Subject, met: str, unmet: str) -> str:
        """Return the reason: `v7 promoted: ...`, `v7 not promoted: ...`, `v7 waits: ...`."""
        said = {MET: (met, self.held), UNMET: (unmet, self.failed), WAITING: ("waits", self.missing)}
        what, why = said[self.verdict]
        return f"{subject.name} {what}: {', '.join(why)}" if why else f"{subject.name} {what}"

    def of(self, subject: Subject, met: str, unmet: str) -> Said:
        """Return all of it."""
        return Said(subject, self.verdict, self.words(subject, met, unmet), self.facts)


def name_of(rule: Rule) -> str:
    """Return the metric of a rule as a subject has it: accuracy, accuracy@test."""
    return f"{rule['metric']}@{rule['dataset']}" if "dataset" in rule else str(rule["metric"])


def is_better(value: float, other: float, goal: str) -> bool:
    """Say whether a number is better than another one; NaN is not, and any number is better than it."""
    if math.isnan(value):
        return False
    return math.isnan(other) or gain(value, other, goal) > 0


def in_order(subjects: Iterable[Subject], metric: str, goal: str) -> list[Subject]:
    """Return the subjects that have a number, the best first; of equal ones the oldest."""
    known = [each for each in subjects if not math.isnan(each.metrics.get(metric, math.nan))]
    sign = -1 if goal == "max" else 1
    return sorted(known, key=lambda each: (sign * each.metrics[metric], each.number or 0, each.created_at))


def evaluate(rule: Rule, subject: Subject) -> Said:
    """Say on which datasets a version is not measured yet."""
    found = Findings()
    _ask_datasets(found, rule, subject)
    return found.of(subject, "is evaluated", "is not evaluated")


def require(rule: Rule, subject: Subject, alias: str | None = None) -> Said:
    """Say whether a version meets what an alias asks for.

    Parameters
    ----------
    alias : the one that is to name it; None: those of the rule.
    """
    found = Findings()
    wanted = [alias] if alias else list(rule.get("alias", ()))
    found.facts["alias"] = wanted
    _ask_datasets(found, rule, subject)
    found.ask(rule.get("where"), subject)
    if rule.get("description"):
        said = bool((subject.description or "").strip())
        (found.held if said else found.failed).append("has a description" if said else "it has no description")
    for label in rule.get("labels", ()):
        has = label in subject.labels
        (found.held if has else found.failed).append(
            f"has the label '{label}'" if has else f"it has no label '{label}'"
        )
    what = " or ".join(wanted) or "named by an alias"
    return found.of(subject, f"may be {what}", f"may not be {what}")


def convert(rule: Rule, checkpoint: Subject, versions: Sequence[Subject], goal: str) -> Said:
    """Say whether a checkpoint is to become a version of the model.

    Parameters
    ----------
    versions : those of the model so far.
    goal : max or min, of the metric of the rule.
    """
    found = Findings()
    if "metric" in rule:
        _ask_good_enough(found, rule, checkpoint, versions, goal)
    found.ask(rule.get("where"), checkpoint)
    return found.of(checkpoint, "becomes a version", "not converted")


def _ask_datasets(found: Findings, rule: Rule, subject: Subject) -> None:
    """Add on which datasets of a rule something is not measured; of a rule without datasets the metrics alone."""
    metrics = rule.get("metrics", ())
    names = [f"{metric}@{dataset}" for dataset in rule.get("datasets", ()) for metric in metrics]
    names = names if "datasets" in rule else list(metrics)
    absent = []
    for dataset in () if metrics else rule.get("datasets", ()):
        keys = [name for name in subject.metrics if name.endswith(f"@{dataset}")]
        names += keys
        if not keys:
            absent.append(f"it is not measured on dataset '{dataset}'")
    absent += [not_measured(name, subject.metrics) for name in names if name not in subject.metrics]
    there = {name: subject.metrics[name] for name in names if name in subject.metrics}
    if "datasets" in rule or metrics:
        found.facts |= {"datasets": list(rule.get("datasets", ())), "metrics": there}
    found.missing += absent
    if not absent and (names or "datasets" in rule):
        found.held.append(_measured(rule))


def _measured(rule: Rule) -> str:
    on = f" on {', '.join(rule['datasets'])}" if "datasets" in rule else ""
    return f"{', '.join(rule['metrics']) if 'metrics' in rule else 'measured'}{on}"


def _ask_good_enough(found: Findings, rule: Rule, checkpoint: Subject, versions: Sequence[Subject], goal: str) -> None:
    """Add whether a checkpoint is as good as the rule asks, and better than every version."""
    metric, key = name_of(rule), rule["metric"]
    value = checkpoint.metrics.get(metric)
    found.facts |= {"metric": key, "dataset": rule.get("dataset"), "goal": goal, "value": value}
    if value is None:
        found.missing.append(not_measured(metric, checkpoint.metrics))
        return
    if math.isnan(value):
        found.failed.append(f"{key} is NaN")
        return
    if "better_than" in rule:
        least, sign = rule["better_than"], ">" if goal == "max" else "<"
        good = is_better(value, least, goal)
        shown = side_by_side(value, least)
        found.facts["better_than"] = least
        (found.held if good else found.failed).append(
            f"{key} {shown[0]} {sign} {shown[1]}" if good else f"{key} {shown[0]}, needs {sign} {shown[1]}"
        )
    if rule.get("best"):
        rivals = in_order((each for each in versions if each.status == ACTIVE), metric, goal)
        if not rivals:
            found.held.append(f"{key} {one(value)}, no version has one yet")
            return
        best = rivals[0]
        other = best.metrics[metric]
        better, shown = is_better(value, other, goal), side_by_side(value, other)
        found.facts |= {"best": best.name, "best_value": other}
        said = f"{key} {shown[0]} vs {shown[1]} of {best.name}"
        (found.held if better else found.failed).append(said if better else f"{said}, needs {_more(goal)}")


def _more(goal: str) -> str:
    return "more" if goal == "max" else "less"
