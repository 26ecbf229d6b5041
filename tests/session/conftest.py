"""A project folder to work in."""

from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, a project with two files."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname='p'\n")
    (tmp_path / "model.py").write_text("def model():\n    return 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path
