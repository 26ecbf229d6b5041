"""Real kernels of their own, in a project folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kernels import Kernel, Start


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, a project; kernels use an IPython profile of its own."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def start(project: Path) -> Iterator[Start]:
    """Start kernels in the project; they are stopped at the end."""
    kernels: list[Kernel] = []

    def begin() -> Kernel:
        kernels.append(Kernel(project))
        return kernels[-1]

    yield begin
    for kernel in kernels:
        kernel.stop()
