"""What is written outside of the store does not outlive who wrote it."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from renex_jupyter.store import scratch
from renex_jupyter.store.scratch import scratch_folder, sweep_scratch_folders

KILLED = """
import os, signal
from renex_jupyter.store.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "lines").write_text("a secret")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(scratch, "GRACE", -1.0)
    return tmp_path


def test_a_folder_is_removed_after_its_block_and_left_alone_in_it(place: Path) -> None:
    with scratch_folder() as folder:
        assert folder.parent == place
        sweep_scratch_folders()
        assert folder.is_dir()
    assert not folder.exists()


@pytest.mark.skipif(os.name != "posix", reason="no SIGKILL on this system")
def test_what_a_killed_process_left_is_removed_and_what_is_not_ours_stays(place: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED], check=False).returncode == -signal.SIGKILL
    (left,) = place.iterdir()
    assert (left / "lines").read_text() == "a secret"
    (place / "renex-scratch-notes.txt").write_text("a file of the user")
    (place / "renex-scratch-link").symlink_to(place)
    sweep_scratch_folders()
    assert sorted(path.name for path in place.iterdir()) == ["renex-scratch-link", "renex-scratch-notes.txt"]
