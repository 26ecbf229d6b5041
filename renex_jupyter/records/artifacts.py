"""Artifacts: bytes by hash, or a pointer with a checksum; and checkpoints, which are artifacts at a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.changes import DERIVED

UPLOADED, TRACKED = "uploaded", "tracked"  # modes


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """One entry of an artifact that is a folder."""

    path: str  # below the folder, with slashes
    kind: str  # file, dir, link
    sha256: str | None = None  # of its content; of a link of the text that it names; of a folder None
    size: int | None = None  # bytes
    mode: int | None = None  # permission bits


@dataclass(frozen=True, slots=True)
class Artifact:
    """Bytes by hash (uploaded), or a pointer with checksum and size (tracked)."""

    artifact_id: str
    owner_kind: str
    owner_id: str
    name: str
    mode: str  # uploaded, tracked
    created_at: datetime
    kind: str = "file"  # file, folder, text, table, image, figure, histogram, dict, model, checkpoint, dataset
    run_id: str | None = None  # in which it was logged
    uri: str | None = None  # where it was taken from, or lies
    sha256: str | None = None  # of a folder over the paths, modes and contents of all its entries
    size: int | None = None  # bytes
    mime: str | None = None
    step: int | None = None
    metadata: Mapping[str, Any] | None = None
    files: tuple[ArtifactFile, ...] | None = None  # of a folder; None: it is one file

    @property
    def title(self) -> str:
        return f"artifact '{self.name}' {short(self.artifact_id)} {self.mode}"

    def rows(self) -> Rows:
        return [
            ("kind", " ".join(each for each in (self.kind, self.mime) if each)),
            ("of", f"{self.owner_kind} {short(self.owner_id)}"),
            ("step", "" if self.step is None else str(self.step)),
            ("uri", self.uri or ""),
            ("files", "" if self.files is None else f"{len(self.files):,}"),
            ("size", "" if self.size is None else display.size(self.size)),
            ("sha256", self.sha256 or ""),
            ("metadata", display.pairs((self.metadata or {}).items())),
            ("created", display.moment(self.created_at)),
            ("id", self.artifact_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class ArtifactCheck:
    """What a look at an artifact found; true where it is what it was."""

    artifact: Artifact
    verdict: str  # ok, changed, missing, unreachable
    reason: str

    @property
    def ok(self) -> bool:
        """Whether it is what it was."""
        return self.verdict == "ok"

    def __bool__(self) -> bool:
        return self.ok

    @property
    def title(self) -> str:
        return f"{self.artifact.title}: {self.verdict}"

    def rows(self) -> Rows:
        return [("reason", self.reason), ("uri", self.artifact.uri or ""), ("id", self.artifact.artifact_id)]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An artifact at a step that a run can go on from, or that becomes a model version."""

    checkpoint_id: str
    run_id: str
    step: int
    artifact_id: str
    created_at: datetime
    metrics: Mapping[str, float] = field(default_factory=dict, metadata=DERIVED)
    path: Path | None = field(default=None, metadata=DERIVED)  # of its verified contents here, where asked for

    @property
    def title(self) -> str:
        return f"checkpoint {short(self.checkpoint_id)} of step {self.step}"

    def rows(self) -> Rows:
        return [
            ("metrics", display.pairs(self.metrics.items())),
            ("path", str(self.path) if self.path else ""),
            ("run", short(self.run_id)),
            ("artifact", short(self.artifact_id)),
            ("created", display.moment(self.created_at)),
            ("id", self.checkpoint_id),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html
