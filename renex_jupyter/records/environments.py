"""Interpreter, packages and the machine beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.changes import plain

EDITABLE, FILE = "editable ", "file "  # how the origin of a package from a folder or an archive begins
CONSTRAINT = "# constraint: "  # a line of the requirements that limits what else is installed
NOT_FOR_PIP = "is no requirement that pip reads"  # how a line ends that is a comment therefore
SHOWN_PACKAGES = 60  # on a card; `packages` has all of them


@dataclass(frozen=True, slots=True)
class Package:
    """One installed distribution."""

    name: str
    version: str
    imported: bool = False  # by a process that was captured
    origin: str | None = None  # "git+https://host/repo@commit", "editable /path", "file /path"; None: an index or conda


@dataclass(frozen=True, slots=True)
class Environment:
    """Interpreter, packages and lock files; hardware is not part of its id."""

    environment_id: str
    python: str  # "3.11.7"
    implementation: str  # "CPython"
    platform: str  # "linux-x86_64"
    packages: tuple[Package, ...]  # ordered by name
    requirements: str = ""  # pinned lines for the imported packages and what they need
    name: str | None = None
    lock_files: Mapping[str, str] | None = None  # path in the project -> sha256 of its content
    dockerfile: str | None = None
    locks_kept: bool = False  # the contents of the lock files are in the store

    @property
    def title(self) -> str:
        """Its id and its name."""
        return f"environment {short(self.environment_id)}{f' {self.name}' if self.name else ''}"

    def rows(self) -> Rows:
        """Return what is shown of it: name and text."""
        used = [each for each in self.packages if each.imported]
        placed = [each for each in self.packages if each.origin]
        counted = display.count(len(self.packages), "package")
        return [
            ("python", " ".join(filter(None, (self.implementation, self.python, f"on {self.platform}")))),
            ("packages", f"{counted}, {len(used):,} imported" if used else counted),
            ("imported" if used else "", _listed([f"{each.name} {each.version}" for each in used or self.packages])),
            ("not from an index", "\n".join(f"{each.name} {each.version} from {each.origin}" for each in placed)),
            ("lock files", "\n".join(f"{path} {short(sha)}" for path, sha in sorted((self.lock_files or {}).items()))),
            ("Dockerfile", display.count(len(self.dockerfile.splitlines()), "line") if self.dockerfile else ""),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class KnownEnvironment:
    """An environment with what the store knows of it."""

    environment: Environment
    current: bool = False  # that of this process
    runs: tuple[Mapping[str, Any], ...] = ()  # run_id and name, the newest first
    snapshots: tuple[Mapping[str, Any], ...] = ()  # snapshot_id and words, the newest first
    builds: tuple[str, ...] = ()  # folders of virtual environments

    @property
    def environment_id(self) -> str:
        """The id of the environment."""
        return self.environment.environment_id

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        mine = {name: plain(getattr(self, name)) for name in ("current", "runs", "snapshots", "builds")}
        return {**plain(self.environment), **mine}

    def rows(self) -> Rows:
        return [
            *self.environment.rows(),
            ("runs", _some([f"{short(each['run_id'])} {each['name'] or ''}".strip() for each in self.runs])),
            ("snapshots", _some([f"{short(e['snapshot_id'])} {e['words'] or ''}".strip() for e in self.snapshots])),
            ("built", "\n".join(self.builds) or "not yet: env build"),
        ]

    @property
    def title(self) -> str:
        return f"{self.environment.title}{' (the current one)' if self.current else ''}"

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class Build:
    """An environment that can be used: a virtual environment on this machine, or a Docker image."""

    environment_id: str
    kind: str  # venv, docker
    path: str | None = None  # folder of the virtual environment
    python: str | None = None  # its interpreter, in an image the one in there
    image: str | None = None  # tag
    seconds: float = 0.0  # that it took to build it
    cached: bool = False  # it was there already
    notes: tuple[str, ...] = ()  # what is other than recorded

    def rows(self) -> Rows:
        return [
            ("image", self.image or ""),
            ("folder", self.path or ""),
            ("python", self.python or ""),
            ("built", "before" if self.cached else f"in {display.seconds(self.seconds)}"),
            ("note", "\n".join(self.notes)),
        ]

    @property
    def title(self) -> str:
        what = "a Docker image" if self.kind == "docker" else "a virtual environment"
        return f"environment {short(self.environment_id)} as {what}"

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine; its id is the hash of the other fields."""

    hardware_id: str
    cpu: str
    cores: int
    memory_bytes: int
    gpus: tuple[Mapping[str, Any], ...]
    host: str


def _listed(names: list[str]) -> str:
    more = len(names) - SHOWN_PACKAGES
    return ", ".join([*names[:SHOWN_PACKAGES], *([f"and {more:,} more"] if more > 0 else [])])


def _some(lines: list[str], most: int = 5) -> str:
    return "\n".join([*lines[:most], *([f"and {len(lines) - most:,} more"] if len(lines) > most else [])])
