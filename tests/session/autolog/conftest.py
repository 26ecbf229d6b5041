"""A project to log in, and libraries that are as they were, before and after each test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
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


@pytest.fixture
def new_keras(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Writes what `import keras` loads in this test; nothing of it is left."""

    def of(name: str) -> bool:
        return name.partition(".")[0] == "keras"

    loaded = {name: sys.modules.pop(name) for name in list(filter(of, sys.modules))}
    monkeypatch.syspath_prepend(str(project))

    def write(source: str) -> None:
        (project / "keras.py").write_text(source)

    yield write
    for name in list(filter(of, sys.modules)):
        del sys.modules[name]
    sys.modules.update(loaded)
