"""Models, their versions, and what was decided about these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display, model_words
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.changes import DERIVED
from renex_jupyter.records.experiments import DEFAULT_NAMESPACE

LATEST = model_words.LATEST
ACTIVE, RETIRED = "active", "retired"  # states of a version
RETIRE, REPLACE, RESTORE = "retire", "replace", "restore"  # decisions about one
DONE = {
    RETIRE: "retired",
    REPLACE: "replaced",
    RESTORE: "restored",
    "keep": "kept",
    "investigate": "to be investigated",
    "recalibrate": "to be recalibrated",
    "retrain": "to be retrained",
}


@dataclass(frozen=True, slots=True)
class Model:
    """What the models that solve one task have in common, with the rules for them."""

    model_id: str
    name: str
    created_at: datetime
    namespace: str = DEFAULT_NAMESPACE
    task: str | None = None
    owner: str | None = None
    description: str | None = None
    metadata: Mapping[str, Any] | None = None
    starred: bool = False
    archived: bool = False
    versions: int = field(default=0, metadata=DERIVED)  # of it now
    aliases: Mapping[str, int] = field(default_factory=dict, metadata=DERIVED)  # alias -> number of the version
    latest: int | None = field(default=None, metadata=DERIVED)  # number of its newest active version

    @property
    def title(self) -> str:
        marks = [word for word, holds in (("starred", self.starred), ("archived", self.archived)) if holds]
        return f"model '{self.reference}'" + (f" ({', '.join(marks)})" if marks else "")

    @property
    def reference(self) -> str:
        """The text that means it wherever a model is asked for."""
        return f"{self.namespace}/{self.name}"

    def rows(self) -> Rows:
        return [
            ("task", self.task or ""),
            ("description", self.description or ""),
            ("owner", self.owner or ""),
            ("versions", f"{self.versions:,}"),
            ("latest", f"v{self.latest}" if self.latest else ""),
            ("aliases", ", ".join(f"{alias} v{version}" for alias, version in self.aliases.items())),
            ("metadata", display.pairs((self.metadata or {}).items())),
            ("created", display.moment(self.created_at)),
            ("id", self.model_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One immutable trained member of a model, with where it comes from."""

    model_version_id: str
    model_id: str
    model: str = field(metadata=DERIVED)
    version: int  # from 1
    artifact_id: str
    created_at: datetime
    namespace: str = field(default=DEFAULT_NAMESPACE, metadata=DERIVED)
    run_id: str | None = None
    snapshot_id: str | None = None  # the state after the run, else before it
    environment_id: str | None = None
    checkpoint_id: str | None = None
    dataset: str | None = None  # that it was trained on, by its name
    dataset_version_id: str | None = None
    framework: str | None = None
    description: str | None = None
    metadata: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)  # of its run, as they were when it was registered
    metrics: Mapping[str, float] = field(default_factory=dict)  # of its checkpoint or run, likewise
    status: str = ACTIVE  # active, retired, released: a policy has let go of its contents
    registered_by: str | None = None
    aliases: tuple[str, ...] = field(default=(), metadata=DERIVED)
    labels: tuple[str, ...] = field(default=(), metadata=DERIVED)
    logged: Mapping[str, float] = field(default_factory=dict, metadata=DERIVED)  # on it since; "accuracy@test"
    run: str | None = field(default=None, metadata=DERIVED)  # name of the run
    of_state_before: bool = field(default=False, metadata=DERIVED)  # the snapshot is the state before its run
    same_as: int | None = field(default=None, metadata=DERIVED)  # the first version of its model with these contents
    decisions: tuple[Decision, ...] = field(default=(), metadata=DERIVED)  # about it, the oldest first

    @property
    def reference(self) -> str:
        """The text that means it wherever a version is asked for."""
        return f"{self.namespace}/{self.model}:{self.version}"

    @property
    def title(self) -> str:
        return f"model version {self.reference}" + (f" ({self.status})" if self.status != ACTIVE else "")

    def rows(self) -> Rows:
        before = " (the state before its run, which had no state after it yet)" if self.of_state_before else ""
        return [
            ("aliases", ", ".join(self.aliases)),
            ("labels", ", ".join(self.labels)),
            ("description", self.description or ""),
            ("contents", f"the same as those of v{self.same_as}" if self.same_as else ""),
            ("metrics", display.pairs(self.metrics.items())),
            ("logged since", display.pairs(self.logged.items())),
            ("params", display.pairs(self.params.items())),
            ("framework", self.framework or ""),
            ("dataset", self.dataset or ""),
            ("run", " ".join(each for each in (f"'{self.run}'" if self.run else "", short(self.run_id)) if each)),
            ("snapshot", f"{short(self.snapshot_id)}{before}" if self.snapshot_id else ""),
            ("environment", short(self.environment_id)),
            ("checkpoint", short(self.checkpoint_id)),
            ("artifact", short(self.artifact_id)),
            ("metadata", display.pairs((self.metadata or {}).items())),
            ("decisions", "\n".join(each.line for each in self.decisions)),
            ("registered", " by ".join(e for e in (display.moment(self.created_at), self.registered_by) if e)),
            ("id", self.model_version_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a version: who, when, why."""

    decision_id: str
    model_id: str | None
    model_version_id: str | None  # None: on a look at drift without a model
    decision: str  # retire, replace, restore; on a look at drift also keep, investigate, recalibrate, retrain
    reason: str
    created_at: datetime
    author: str | None = None
    replaced_by: str | None = None  # id of the version that takes its place
    drift_report_id: str | None = None  # the look at drift that it was taken on
    reference: str = field(default="", metadata=DERIVED)  # of the version
    successor: str = field(default="", metadata=DERIVED)  # reference of what takes its place

    @property
    def line(self) -> str:
        """The decision on one line."""
        by = f" by {self.author}" if self.author else ""
        return f"{self._done}: {self.reason} ({display.moment(self.created_at)}{by})"

    @property
    def title(self) -> str:
        return f"model version {self.reference} {self._done}" if self.reference else f"decision: {self._done}"

    def rows(self) -> Rows:
        return [
            ("reason", self.reason),
            ("decided", " by ".join(each for each in (display.moment(self.created_at), self.author) if each)),
            ("id", self.decision_id),
        ]

    @property
    def _done(self) -> str:
        done = DONE.get(self.decision, self.decision)
        return f"{done} by {self.successor or short(self.replaced_by)}" if self.replaced_by else done

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html
