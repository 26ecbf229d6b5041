"""A project to log in, and libraries that are as they were, before and after each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import renex_jupyter as rx

os.environ.setdefault("KERAS_BACKEND", "jax")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, a project; nothing is watched."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname='p'\n")
    monkeypatch.chdir(tmp_path)
    rx.autolog(disable=True)
    yield tmp_path
    rx.autolog(disable=True)
