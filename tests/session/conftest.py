"""A project folder to work in."""

from pathlib import Path

import pytest

import renex_jupyter as rx


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, a project with two files."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname='p'\n")
    (tmp_path / "model.py").write_text("def model():\n    return 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def changed(project: Path) -> Path:
    """A project with the snapshot "start", in which everything was changed after it."""
    (project / "d").mkdir()
    (project / "d/b").write_text("b")
    (project / "run.sh").write_text("#!/bin/sh\n")
    (project / "run.sh").chmod(0o755)
    (project / "hollow").mkdir(mode=0o700)
    (project / "to").symlink_to("nowhere")
    (project / "turns").write_text("a file")
    (project / "other").mkdir()
    (project / "other/in").write_text("in")
    rx.snapshot(label="start")
    (project / "model.py").write_text("def model():\n    return 2\n")
    (project / "d/b").unlink()
    (project / "run.sh").chmod(0o644)
    (project / "hollow").rmdir()
    (project / "to").unlink()
    (project / "to").symlink_to("elsewhere")
    (project / "turns").unlink()
    (project / "turns").mkdir()
    (project / "turns/x").write_text("in a folder")
    (project / "other/in").unlink()
    (project / "other").rmdir()
    (project / "other").write_text("a file now")
    (project / "new/deep").mkdir(parents=True)
    (project / "new/deep/z").write_text("z")
    return project
