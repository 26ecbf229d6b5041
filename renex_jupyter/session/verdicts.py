"""The policies of one model at work: ask them, do what they say, and record what changed of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from renex_jupyter.analysis import policies as rules
from renex_jupyter.analysis.label_policies import Question, decide
from renex_jupyter.analysis.policies import Said
from renex_jupyter.analysis.retain_policies import retain, spared
from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.ids import new_id
from renex_jupyter.query import policies as query
from renex_jupyter.query.models import numbered
from renex_jupyter.records.changes import Change, now
from renex_jupyter.records.models import ACTIVE
from renex_jupyter.records.policies import MET, UNMET, Policy, Subject, Verdict
from renex_jupyter.records.times import moment_of
from renex_jupyter.session import retention
from renex_jupyter.session.alone import alone
from renex_jupyter.session.current import Session, never_in_the_way
from renex_jupyter.session.pattern_questions import PatternQuestions
from renex_jupyter.store import locks
from renex_jupyter.store.layout import os_errors

LOCK = "policies.lock"
WAIT = 10.0  # seconds
ORDER = ("convert", "evaluate", "require", "label", "retain")  # a checkpoint becomes a version before that is asked
_at_work: ContextVar[bool] = ContextVar("at_work", default=False)


@dataclass(slots=True)
class Work:
    """One time at which the policies of one model are asked."""

    session: Session
    model: Mapping[str, Any]  # row of `inside.models`
    versions: Collection[str] | None = None  # ids; None: all
    checkpoint: str | None = None  # id; None: all, where `checkpoints` says that they are asked about
    checkpoints: bool = True
    acts: bool = False  # else nothing is changed and nothing recorded
    releases: bool = False  # contents are let go, where it acts
    only: bool = False  # nothing is done to other versions than `versions`
    carefully: bool = False  # a fault of one policy is a warning
    touched: set[str] = field(default_factory=set)  # versions that something happened to
    moved: dict[str, int] = field(default_factory=dict)  # alias -> number that would have it, where nothing is done

    @property
    def model_id(self) -> str:
        return str(self.model["model_id"])

    @property
    def title(self) -> str:
        return f"{self.model['namespace']}/{self.model['name']}"

    def wants(self, said: Said) -> bool:
        """Say whether a version was asked about, or something happened to it."""
        return self.may_change(said.subject) or said.subject.id in self.touched

    def may_change(self, version: Subject) -> bool:
        """Say whether a version is one of those that this is about."""
        return self.versions is None or version.id in self.versions


def is_at_work() -> bool:
    """Say whether this is called by what a policy does, which looks at the others by itself."""
    return _at_work.get()


def ask(work: Work, policies: Iterable[Policy]) -> list[Verdict]:
    """Return what policies say; where `work` acts, do it and record it."""
    ordered = sorted(policies, key=lambda each: (ORDER.index(each.kind), each.created_at, each.policy_id))
    if not work.acts:
        return [verdict for each in ordered for verdict in _verdicts(each, _asked(work, each, ordered))]
    found: list[Verdict] = []
    with _at_a_time(work.session):
        for each in ordered:
            with _careful(work, each):
                verdicts = _verdicts(each, _asked(work, each, ordered))
                found += record(work.session, verdicts, work.model["namespace"])
    return found


def record(session: Session, verdicts: list[Verdict], namespace: str) -> list[Verdict]:
    """Write the verdicts that are not the last ones of their policy on their subject; return all."""
    last = query.last_verdicts(session.store.reader, {each.policy_id for each in verdicts}) if verdicts else {}
    made = [
        each if last.get((each.policy_id, each.subject_id)) == (each.verdict, each.reason) else _with_id(each)
        for each in verdicts
    ]
    changes = [
        Change("policy_results", each.result_id, "verdict", _columns(each), namespace=namespace)
        for each in made
        if each.result_id is not None
    ]
    if changes:
        session.begin()
        session.store.write(*changes)
    return made


def of_said(policy: Policy, said: Said) -> Verdict:
    """Return the verdict of a policy."""
    subject = said.subject
    reason = redact_text(said.reason)
    return Verdict(policy.policy_id, policy.name, policy.kind, policy.model_id, subject.kind, subject.id, said.verdict,
                   reason, now(), subject.number, said.facts)  # fmt: skip


def _verdicts(policy: Policy, said: Iterable[Said]) -> list[Verdict]:
    return [of_said(policy, each) for each in said]


def _with_id(verdict: Verdict) -> Verdict:
    return replace(verdict, result_id=new_id())


def _columns(verdict: Verdict) -> dict[str, Any]:
    names = (
        "result_id",
        "policy_id",
        "model_id",
        "subject_kind",
        "subject_id",
        "verdict",
        "reason",
        "facts",
        "created_at",
        "policy",
        "kind",
    )
    return {name: getattr(verdict, name) for name in names}


@contextmanager
def _at_a_time(session: Session) -> Iterator[None]:
    """Let the policies of no other process or thread be at work; what they call takes the lock of words by itself."""
    with (
        os_errors("the policies cannot be asked"),
        locks.hold(session.store.layout.root / LOCK, timeout=WAIT),
    ):
        token = _at_work.set(True)
        try:
            yield
        finally:
            _at_work.reset(token)


@contextmanager
def _careful(work: Work, policy: Policy) -> Iterator[None]:
    """Let a fault in one policy be a warning, where a training program logs, and the others go on."""
    if not work.carefully:
        yield
        return
    with never_in_the_way(f"what policy '{policy.name}' of model '{work.title}' says"):
        yield


def _asked(work: Work, policy: Policy, others: Iterable[Policy]) -> list[Said]:
    said = _KINDS[policy.kind](work, policy, others)
    return [each for each in said if each.subject.kind != query.VERSION or work.wants(each)]


def _versions(work: Work) -> list[Subject]:
    """Return the versions of the model; where nothing is done, with the aliases as they would be then."""
    found = query.versions_of(work.session.store.reader, work.model_id)
    for alias, number in work.moved.items():
        found = [replace(each, aliases=_moved(each, alias, number)) for each in found]
    return found


def _moved(version: Subject, alias: str, number: int) -> tuple[str, ...]:
    others = tuple(each for each in version.aliases if each != alias)
    return (*others, alias) if version.number == number else others


def _evaluate(work: Work, policy: Policy, _others: Iterable[Policy]) -> list[Said]:
    return [rules.evaluate(policy.rule, each) for each in _versions(work) if _is_asked(work, each)]


def _require(work: Work, policy: Policy, _others: Iterable[Policy]) -> list[Said]:
    return [rules.require(policy.rule, each) for each in _versions(work) if _is_asked(work, each)]


def _is_asked(work: Work, version: Subject) -> bool:
    """Say whether a version is asked about: of all of them those that are neither retired nor released."""
    return version.status == ACTIVE if work.versions is None else version.id in work.versions


def _label(work: Work, policy: Policy, others: Iterable[Policy]) -> list[Said]:
    """Say which version gets the alias; it is decided again in the lock of words, in which nobody else moves it."""
    session, alias = work.session, str(policy.rule["alias"])
    read = session.store.reader
    needed = [each.rule for each in others if each.kind == "require" and alias in each.rule.get("alias", (alias,))]
    goal = query.goal_of(read, policy.rule)
    patterns = PatternQuestions(session, work.model, policy.rule) if policy.rule.get("no_worse_patterns") else None

    def decided(*, acted: bool) -> tuple[list[Said], Subject | None, int | None]:
        holder = query.holder_of(read, work.model_id, alias)
        question = Question(policy.rule, goal, needed, acted=acted, patterns=patterns)
        found = decide(question, _versions(work), holder)
        winner = found.winner if found.winner and (work.may_change(found.winner) or not work.only) else None
        return list(found.said), winner, holder

    said, winner, holder = decided(acted=False)
    if winner is not None and work.acts:
        with alone(session.store, what=f"the aliases of model '{work.title}'"):
            said, winner, holder = decided(acted=True)
            if winner is not None:
                _promote(work, policy, alias, winner, next(each for each in said if each.subject is winner))
            elif work.only:  # meanwhile another one is better, which is left as it is
                said, _, holder = decided(acted=False)
    if winner is not None:
        work.touched |= {each.subject.id for each in said if each.subject is winner or _was(each, holder)}
        if not work.acts and winner.number is not None:
            work.moved[alias] = winner.number
    return [each for each in said if work.versions is not None or each.subject.status == ACTIVE or _was(each, holder)]


def _was(said: Said, holder: int | None) -> bool:
    return holder is not None and said.subject.number == holder


def _promote(work: Work, policy: Policy, alias: str, winner: Subject, said: Said) -> None:
    from renex_jupyter.session.aliases import point_alias

    assert winner.number is not None
    version = numbered(work.session.store.reader, work.model, winner.number)
    work.session.begin()
    why = f"policy '{policy.name}': {said.reason.partition(': ')[2] or said.reason}"
    point_alias(work.session, dict(work.model), alias, version, redact_text(why))


def _retain(work: Work, policy: Policy, others: Iterable[Policy]) -> list[Said]:
    """Say which versions' contents stay: what one policy of this kind keeps, no other one lets go."""
    keeping = [each for each in others if each.kind == "retain" and each.policy_id != policy.policy_id]

    def said(*, acted: bool) -> list[Said]:
        versions = _versions(work)
        kept = {each.subject.id: (other, each) for other in keeping for each in _retained(work, other, versions)
                if each.verdict != UNMET}  # fmt: skip
        found = [spared(each, *kept[each.subject.id]) if each.verdict == UNMET and each.subject.id in kept else each
                 for each in _retained(work, policy, versions, acted=acted)]  # fmt: skip
        return [each for each in found if work.may_change(each.subject) or not work.only]

    if not (work.acts and work.releases):
        found = said(acted=False)
        work.touched |= {each.subject.id for each in found}  # one that comes pushes others out
        return found
    with alone(work.session.store, what=f"the versions of model '{work.title}'"):
        found = said(acted=True)
        going = [each.subject for each in found if each.verdict == UNMET]
        retention.release(work.session, work.model, going)
    return found


def _retained(work: Work, policy: Policy, versions: list[Subject], *, acted: bool = False) -> list[Said]:
    """Return what one policy says, whatever the others keep."""
    rule = policy.rule
    since = moment_of(rule["younger_than"], "younger_than") if "younger_than" in rule else None
    return retain(rule, versions, query.goal_of(work.session.store.reader, rule), since, acted=acted)


def _convert(work: Work, policy: Policy, _others: Iterable[Policy]) -> list[Said]:
    """Say which checkpoints become versions, the oldest first: each may have to be better than the one before."""
    if not work.checkpoints:
        return []
    read, rule = work.session.store.reader, policy.rule
    goal = query.goal_of(read, rule)
    versions, found = _versions(work), []
    made = {each.checkpoint_id for each in versions}
    for each in query.checkpoints_of(read, work.model["namespace"], rule, work.checkpoint):
        if each.id in made:
            continue
        said = rules.convert(rule, each, versions, goal)
        if said.verdict == MET and work.acts:
            said = _converted(work, each, said)
            versions = _versions(work)
        elif said.verdict == MET:
            versions = [*versions, replace(each, kind=query.VERSION, name=each.name)]  # as if it were one
        found.append(said)
    return found


def _converted(work: Work, checkpoint: Subject, said: Said) -> Said:
    from renex_jupyter.session.versions import register

    made = register(work.session, work.model["name"], {"checkpoint": checkpoint.id}, namespace=work.model["namespace"])
    work.touched.add(made.model_version_id)
    if work.versions is not None:
        work.versions = {*work.versions, made.model_version_id}
    why = said.reason.partition(": ")[2]
    reason = f"{checkpoint.name} became v{made.version}: {why}"
    return replace(said, reason=reason, facts={**said.facts, "version": made.version})


_KINDS: dict[str, Callable[[Work, Policy, Iterable[Policy]], list[Said]]] = {
    "convert": _convert,
    "evaluate": _evaluate,
    "require": _require,
    "label": _label,
    "retain": _retain,
}
