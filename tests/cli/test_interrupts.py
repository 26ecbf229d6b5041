"""Ctrl-C while `renex` begins: what is loaded last is told by Python itself, so that it comes just then."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def interrupted_after(module: str, *words: str) -> tuple[int, str]:
    """Return the exit status and what else was told than what was loaded."""
    command = [sys.executable, "-X", "importtime", "-m", "renex_jupyter.cli.main", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            name = line.rpartition("|")[2].strip()
            if name == module:
                process.send_signal(signal.SIGINT)
            said += [] if line.startswith("import time:") else [line]
    return process.returncode, "".join(said)


@pytest.mark.parametrize("module", ["argparse", "renex_jupyter.store.reader", "numpy", "pandas.core.frame"])
def test_an_interrupt_while_it_loads_ends_it_quietly_and_begins_nothing(here: Path, module: str) -> None:
    command = [sys.executable, "-c", "open('made', 'w')"]
    assert interrupted_after(module, "task", "train", "--", *command) == (130, "")
    assert not (here / "made").exists()


def test_an_interrupt_while_it_loads_ends_attach_and_stop_alike(here: Path) -> None:
    for verb in ("attach", "stop"):
        assert interrupted_after("argparse", verb, "x") == (130, "")


def test_who_ignores_interrupts_for_it_is_not_overruled(here: Path) -> None:
    ignored = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    words = [sys.executable, "-X", "importtime", "-m", "renex_jupyter.cli.main", "status"]
    with subprocess.Popen([sys.executable, "-c", ignored, *words], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.endswith(" argparse\n"):
                process.send_signal(signal.SIGINT)
    assert process.returncode == 0
