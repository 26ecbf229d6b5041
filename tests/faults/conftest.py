"""A project to break, and a disk of its own that may fill up or turn read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import children
import pytest
from places import made


@pytest.fixture(autouse=True)
def nobody_left_behind() -> Iterator[None]:
    """No child outlives its test."""
    yield
    children.kill_all()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one file."""
    return made(tmp_path / "project")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A project on a disk of 24 MiB."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield made(disk / "project")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
