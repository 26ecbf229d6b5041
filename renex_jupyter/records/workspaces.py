"""Workspaces: a named, versioned view on one dataset, which says what is looked at and never holds the samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.changes import DERIVED
from renex_jupyter.records.charts import Chart
from renex_jupyter.records.experiments import DEFAULT_NAMESPACE
from renex_jupyter.records.workspace_specs import LATEST, WorkspaceSpec


@dataclass(frozen=True, slots=True)
class SavedWorkspace:
    """One version of a workspace."""

    workspace_id: str
    name: str
    dataset_id: str
    dataset: str  # reference of it, "ns/name"
    version: int  # from 1
    spec: WorkspaceSpec
    created_at: datetime
    namespace: str = field(default=DEFAULT_NAMESPACE, metadata=DERIVED)
    owner: str | None = None
    description: str | None = None
    archived: bool = False
    message: str | None = None
    saved_by: str | None = None
    saved_at: datetime | None = None

    @property
    def reference(self) -> str:
        """The text that means this version wherever a workspace is asked for."""
        return f"{self.namespace}/{self.name}:{self.version}"

    @property
    def title(self) -> str:
        return f"workspace {self.reference}"

    def rows(self) -> Rows:
        spec = self.spec
        following = "the newest version" if spec.version == LATEST else f"version {spec.version}"
        return [
            ("description", self.description or ""),
            ("dataset", f"{self.dataset}, {following}"),
            ("filter", str(spec.filter)),
            ("selection", str(spec.selection or "")),
            ("charts", ", ".join(each.name for each in spec.charts)),
            ("compares", ", ".join(each.title for each in spec.compare)),
            ("sorted by", ", ".join(map(str, spec.sort))),
            ("notes", spec.notes or ""),
            ("message", self.message or ""),
            ("saved", f"{display.moment(self.saved_at)}{f' by {self.saved_by}' if self.saved_by else ''}"),
            ("id", self.workspace_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class WorkspaceChange:
    """How what a workspace is on differs from what it was saved on; false where it does not."""

    version_then: int
    version_now: int
    digest_then: str
    digest_now: str
    samples_then: int
    samples_now: int
    count_then: int | None  # samples of the filter
    count_now: int | None  # None: it asks for columns that are gone
    missing_columns: tuple[str, ...] = ()  # that the workspace names
    retyped_columns: tuple[tuple[str, str, str], ...] = ()  # name, type then, type now
    missing_predictions: tuple[str, ...] = ()  # there are none of these on the version

    def __bool__(self) -> bool:
        return self.digest_then != self.digest_now or bool(self.missing_predictions or self.missing_columns)

    @property
    def title(self) -> str:
        if not self:
            return f"nothing changed: version {self.version_now} is what it was saved on"
        return f"saved on version {self.version_then}, now on version {self.version_now}"

    def rows(self) -> Rows:
        def moved(then: int | None, now: int | None) -> str:
            said = [f"{each:,}" if each is not None else "not known" for each in (then, now)]
            return f"{said[0]}, now {said[1]}" if then != now else said[0]

        return [
            ("samples", moved(self.samples_then, self.samples_now)),
            ("in the filter", moved(self.count_then, self.count_now)),
            ("missing columns", ", ".join(self.missing_columns)),
            ("other types", ", ".join(f"{name}: {then}, now {now}" for name, then, now in self.retyped_columns)),
            ("no predictions of", ", ".join(self.missing_predictions)),
            ("digest", f"{short(self.digest_then)}, now {short(self.digest_now)}" if self else short(self.digest_now)),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class WorkspaceDiff:
    """What differs between two workspaces, or two versions of one."""

    a: str  # references
    b: str
    changes: tuple[tuple[str, str, str], ...]  # what, as text in a, as text in b

    def __bool__(self) -> bool:
        return bool(self.changes)

    @property
    def title(self) -> str:
        return f"{self.a} and {self.b} {'differ' if self.changes else 'say the same'}"

    def rows(self) -> Rows:
        return [(what, f"{a or 'nothing'}  ->  {b or 'nothing'}") for what, a, b in self.changes]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


def differences(a: WorkspaceSpec, b: WorkspaceSpec) -> tuple[tuple[str, str, str], ...]:
    """Return what two specifications say differently: what, and both as texts."""
    pairs = [
        ("dataset version", str(a.version), str(b.version)),
        ("filter", str(a.filter), str(b.filter)),
        ("selection", _selected(a), _selected(b)),
        ("compares", _listed(each.title for each in a.compare), _listed(each.title for each in b.compare)),
        ("columns", _listed(a.columns or ("all",)), _listed(b.columns or ("all",))),
        ("sorted by", _listed(map(str, a.sort)), _listed(map(str, b.sort))),
        ("notes", a.notes or "", b.notes or ""),
    ]
    told = [each for each in pairs if each[1] != each[2]]
    if not any(what == "selection" for what, *_ in told) and a.selection != b.selection:
        told.append(("selection", _selected(a), f"{_selected(b)}, others"))
    gone = [("chart", _chart_text(each), "") for each in a.charts if each not in b.charts]
    new = [("chart", "", _chart_text(each)) for each in b.charts if each not in a.charts]
    return (*told, *gone, *new)


def _selected(spec: WorkspaceSpec) -> str:
    return "" if spec.selection is None else str(spec.selection)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _chart_text(chart: Chart) -> str:
    more = [f"{chart.bins} bins"] if chart.type == "histogram" else []
    more += [f"of '{chart.label}'"] if chart.label else []
    more += [f"where {chart.filter}"] if chart.filter is not None else []
    return ", ".join([chart.name, *more])
