"""Policies: declared rules of a model, and what they said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text

POLICY_KINDS = ("evaluate", "label", "require", "retain", "convert")
MET, UNMET, WAITING = "met", "unmet", "waiting"  # verdicts; waiting: something that it asks for is not measured yet


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
    result_id: str | None = None  # None: of a dry run, which records nothing

    @property
    def title(self) -> str:
        return f"{self.verdict}: {self.reason}"

    def rows(self) -> Rows:
        return [("policy", f"{self.policy} ({self.kind})"), ("facts", display.pairs(self.facts.items()))]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html
