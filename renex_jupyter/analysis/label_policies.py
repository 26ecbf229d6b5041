"""Which version an alias goes to by a policy of kind `label`, and why it goes to no other one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from renex_jupyter.analysis.condition_answers import not_measured
from renex_jupyter.analysis.policies import Findings, Rule, Said, in_order, is_better, name_of, require
from renex_jupyter.analysis.policy_numbers import exact, gain, gain_shown, one, side_by_side, signed
from renex_jupyter.records.failure_patterns import WORSE, two_rates
from renex_jupyter.records.models import ACTIVE
from renex_jupyter.records.policies import MET, UNMET, Subject

NOBODY = "no version had it"


@dataclass(frozen=True, slots=True)
class Decision:
    """Where an alias goes, and what is said of every version."""

    winner: Subject | None  # that gets it now; None: it stays where it is
    said: tuple[Said, ...]  # in the order of the versions


@dataclass(frozen=True, slots=True)
class PatternAnswer:
    """How a version does on a named pattern, against another one."""

    pattern: str  # its name
    error: str = "error"  # what is counted
    rate: float | None = None
    other_rate: float | None = None
    change: str | None = None  # worse, better, same
    p_value: float | None = None  # adjusted over the patterns that are asked for
    missing: str | None = None  # name of the version that it is not measured for


Patterns = Callable[[Subject, Subject], Sequence[PatternAnswer]]  # of a version against another one


@dataclass(frozen=True, slots=True)
class Question:
    """One question to a policy of kind `label`."""

    rule: Rule
    goal: str  # max or min
    requirements: Sequence[Rule] = ()  # of the alias
    acted: bool = False  # else it is told what would be
    patterns: Patterns | None = None  # asked where the rule says no_worse_patterns

    @property
    def alias(self) -> str:
        return str(self.rule["alias"])

    @property
    def metric(self) -> str:
        """As a version has it: accuracy@test."""
        return name_of(self.rule)

    @property
    def key(self) -> str:
        """As a sentence has it: accuracy."""
        return str(self.rule["metric"])


def decide(question: Question, versions: Sequence[Subject], holder: int | None) -> Decision:
    """Return which version gets the alias: the best of those that beat the one that has it and meet every condition.

    Parameters
    ----------
    holder : number of the version that has the alias now.
    """
    held = next((each for each in versions if each.number == holder), None)
    current = held if held is not None and held.status == ACTIVE else None
    fitting = [each for each in versions if each is not held and _findings(question, each, current).verdict == MET]
    winner = next(iter(in_order(fitting, question.metric, question.goal)), None)
    return Decision(winner, tuple(_said(question, each, held, current, winner) for each in versions))


def _said(
    question: Question, each: Subject, held: Subject | None, current: Subject | None, winner: Subject | None
) -> Said:
    if each is winner:
        found = _findings(question, each, current, f"{held.name}, which had it, is {held.status}" if held else NOBODY)
        return found.of(each, f"{'' if question.acted else 'would be '}promoted to {question.alias}", "")
    if each is held:
        return _of_holder(question, each, winner)
    return _findings(question, each, winner or current).of(each, "not promoted", "not promoted")


def _of_holder(question: Question, held: Subject, winner: Subject | None) -> Said:
    """Say of the version that has the alias that it keeps it, or who gets it."""
    value = held.metrics.get(question.metric)
    facts = {**_facts(question), "value": value}
    number = not_measured(question.metric, held.metrics) if value is None else f"{question.key} {one(value)}"
    if winner is None and held.status == ACTIVE:
        return Said(held, MET, f"{held.name} stays {question.alias}: {number}, no other version beats it", facts)
    if winner is None:
        said = f"{held.name} is {question.alias} though it is {held.status}: no other version may follow it"
        return Said(held, UNMET, said, facts)
    gave = "gave" if question.acted else "would give"
    other = winner.metrics[question.metric]
    if held.status != ACTIVE:
        number = f"it is {held.status}"
    elif value is not None:
        shown = side_by_side(value, other)
        number = f"{question.key} {shown[0]} vs {shown[1]} of {winner.name}"
    facts |= {"winner": winner.name, "winner_value": other}
    return Said(held, UNMET, f"{held.name} {gave} {question.alias} to {winner.name}: {number}", facts)


def _findings(question: Question, each: Subject, holder: Subject | None, nobody: str = NOBODY) -> Findings:
    """Return what speaks for a version to have the alias instead of its holder, and against it.

    Parameters
    ----------
    nobody : what is said where it has no holder.
    """
    found = Findings(facts=_facts(question))
    if each.status != ACTIVE:
        found.failed.append(f"it is {each.status}")
        return found
    value = each.metrics.get(question.metric)
    found.facts["value"] = value
    if value is None:
        found.missing.append(not_measured(question.metric, each.metrics))
    elif math.isnan(value):
        found.failed.append(f"{question.key} is NaN")
    elif holder is None:
        found.held.append(f"{question.key} {one(value)}, {nobody}")
    else:
        _compare(question, found, value, holder)
    found.ask(question.rule.get("where"), each)
    for rule in question.requirements:
        asked = require(rule, each, question.alias)
        if asked.verdict != MET:
            why = asked.reason.partition(": ")[2]
            (found.failed if asked.verdict == UNMET else found.missing).append(f"{why} (required)")
    if question.rule.get("no_worse_patterns"):
        _ask_patterns(question, found, each, holder)
    return found


def _ask_patterns(question: Question, found: Findings, each: Subject, holder: Subject | None) -> None:
    """Add on which named patterns a version is worse than the holder; it is not asked of one that fails anyway."""
    if holder is None or found.failed or question.patterns is None:
        why = "no version has the alias" if holder is None else "it fails without"
        found.facts["no_worse_patterns"] = f"not asked: {why}"
        return
    answers = question.patterns(each, holder)
    found.facts["no_worse_patterns"] = [
        {"pattern": a.pattern, "rate": a.rate, "other_rate": a.other_rate, "change": a.change, "p_value": a.p_value}
        for a in answers
    ]
    for answer in answers:
        if answer.missing is not None:
            found.missing.append(f"pattern '{answer.pattern}' is not measured for {answer.missing}")
        elif answer.change == WORSE:
            theirs, own = two_rates(answer.other_rate, answer.rate, answer.error)
            found.failed.append(f"worse on {answer.pattern}: {theirs} of {holder.name} to {own}")
    if answers and not found.failed and not found.missing:
        n = len(answers)
        found.held.append(f"not worse on {n:,} named pattern{'' if n == 1 else 's'}")


def _compare(question: Question, found: Findings, value: float, holder: Subject) -> None:
    """Add how a number stands against that of the holder."""
    other = holder.metrics.get(question.metric)
    found.facts |= {"holder": holder.name, "holder_value": other}
    key, goal, margin = question.key, question.goal, exact(question.rule.get("margin", 0.0))
    if other is None:
        found.missing.append(
            f"{not_measured(question.metric, holder.metrics)} for {holder.name}, which is {question.alias}"
        )
        return
    if math.isnan(other):
        found.held.append(f"{key} {one(value)} vs NaN of {holder.name}")
        return
    sign = 1 if goal == "max" else -1
    by = gain(value, other, goal)
    wins = is_better(value, other, goal) and by >= margin
    shown = side_by_side(value, other, lambda a, b: a != b and sign * (a - b) >= margin)
    said = f"{key} {shown[0]} vs {shown[1]} of {holder.name}"
    found.facts["gain"] = float(by)
    needs = f"needs {signed(margin, goal)}" if margin else f"needs {'more' if goal == 'max' else 'less'}"
    if wins:
        seen = gain_shown(*shown, by, goal)  # what a reader gets who subtracts
        found.held.append(f"{said} ({signed(seen, goal)}{f', {needs}' if margin else ''})")
    else:
        found.failed.append(f"{said}, {needs}")


def _facts(question: Question) -> dict[str, object]:
    rule = question.rule
    facts = {name: rule.get(name) for name in ("alias", "metric", "dataset", "margin") if rule.get(name) is not None}
    return {**facts, "goal": question.goal}
