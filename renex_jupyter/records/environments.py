"""Interpreter, packages and the machine beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine; its id is the hash of the other fields."""

    hardware_id: str
    cpu: str
    cores: int
    memory_bytes: int
    gpus: tuple[Mapping[str, Any], ...]
    host: str
