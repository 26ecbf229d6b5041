"""Policies: declared rules of a model, and what they said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text

POLICY_KINDS = ("evaluate", "label", "require", "retain", "convert")
MET, UNMET, WAITING = "met", "unmet", "waiting"  # verdicts; waiting: something that it asks for is not measured yet
RELEASED = "released"  # state of a version whose contents a policy has let go
SHOWN = 50  # verdicts that are printed; as a list it has them all


@dataclass(frozen=True, slots=True)
class Policy:
    """A declared rule of a model."""

    policy_id: str
    model_id: str
    name: str
    kind: str  # one of POLICY_KINDS
    rule: Mapping[str, Any]  # see docs/policies.md
    created_at: datetime
    enabled: bool = True
    set_by: str | None = None

    @property
    def title(self) -> str:
        return f"policy '{self.name}' ({self.kind})" + ("" if self.enabled else " (off)")

    def rows(self) -> Rows:
        return [*((name, display.number(value)) for name, value in self.rule.items()), ("id", short(self.policy_id))]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class Subject:
    """What a policy is asked about: a version of a model, or a checkpoint, with what is known of it."""

    kind: str  # model_version, checkpoint
    id: str
    name: str  # "v7", "checkpoint of step 300 (3fa1b2c4)"
    created_at: datetime
    metrics: Mapping[str, float] = field(default_factory=dict)  # "accuracy", and on a dataset "accuracy@test"
    number: int | None = None  # of a version
    status: str = "active"
    aliases: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    description: str | None = None
    checkpoint_id: str | None = None  # that a version was made of
    artifact_id: str | None = None  # its contents


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy says of one version or checkpoint, in words that a person can read."""

    policy_id: str
    policy: str  # its name
    kind: str
    model_id: str
    subject_kind: str  # model_version, checkpoint
    subject_id: str
    verdict: str  # met, unmet, waiting
    reason: str  # "v7 not promoted: accuracy 0.941 vs 0.940 of v5, needs +0.002"
    created_at: datetime
    version: int | None = None  # number of the version that it is about
    facts: Mapping[str, Any] = field(default_factory=dict)  # the numbers that it rests on
    result_id: str | None = None  # None: it is not recorded, as of a dry run, or was recorded before

    @property
    def title(self) -> str:
        return f"{self.verdict}: {self.reason}"

    def rows(self) -> Rows:
        return [("policy", f"{self.policy} ({self.kind})"), ("facts", display.pairs(self.facts.items()))]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the policies of a model say; a list of verdicts."""

    model: str  # with its namespace
    verdicts: tuple[Verdict, ...]
    dry_run: bool  # nothing was changed and nothing recorded
    policies: int  # that were asked

    @property
    def title(self) -> str:
        """What was asked, on one line."""
        asked = display.count(self.policies, "policy") if self.policies == 1 else f"{self.policies:,} policies"
        said = f"{asked} of model '{self.model}', {display.count(len(self), 'verdict')}"
        return said + (" (dry run: nothing is changed or recorded)" if self.dry_run else "")

    def rows(self) -> Rows:
        shown = [(each.verdict, f"{each.reason}  [{each.policy}]") for each in self.verdicts[:SHOWN]]
        more = len(self.verdicts) - SHOWN
        return [*shown, *([("", f"and {more:,} more")] if more > 0 else [])]

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return a dict of each verdict, as `--json` prints it."""
        return [{name: getattr(each, name) for name in Verdict.__slots__} for each in self.verdicts]

    def _repr_html_(self) -> str:
        """Return a table of the verdicts, escaped."""
        cell = 'style="text-align:left;padding:2px 12px 2px 0;white-space:pre-wrap;vertical-align:top"'
        heads = "".join(f"<th {cell}>{name}</th>" for name in ("verdict", "reason", "policy", "kind"))
        lines = "".join(
            "<tr>"
            + "".join(f"<td {cell}>{escape(said)}</td>" for said in (each.verdict, each.reason, each.policy, each.kind))
            + "</tr>"
            for each in self.verdicts[:SHOWN]
        )
        more = len(self.verdicts) - SHOWN
        rest = f"<div>and {more:,} more</div>" if more > 0 else ""
        return f"<div><b>{escape(self.title)}</b><table><tr>{heads}</tr>{lines}</table>{rest}</div>"

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)

    def __getitem__(self, place: int) -> Verdict:
        return self.verdicts[place]

    __str__, _repr_pretty_ = text, pretty
