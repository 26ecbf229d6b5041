"""Where a fault happens."""

from __future__ import annotations

from pathlib import Path


def made(project: Path) -> Path:
    """Make a project with one file."""
    project.mkdir()
    (project / "pyproject.toml").touch()
    (project / "model.py").write_text("a model")
    return project
