"""Ctrl-C while `renex` begins: the process sends it to itself when it comes to a module, so that it comes just then."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

INTERRUPT = """
import os, signal, sys
def interrupt(event, told):
    if event == "import" and told[0] == os.environ.get("INTERRUPT_AT"):
        del os.environ["INTERRUPT_AT"]
        open(os.environ["INTERRUPTED"], "w").close()
        signal.raise_signal(signal.SIGINT)
sys.addaudithook(interrupt)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project, site = tmp_path / "project", tmp_path / "site"
    project.mkdir()
    site.mkdir()
    (project / "pyproject.toml").write_text("")
    (site / "sitecustomize.py").write_text(INTERRUPT)
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    monkeypatch.chdir(project)
    return project


def interrupted_at(module: str, *words: str, before: tuple[str, ...] = ()) -> tuple[int, str]:
    """Return the exit status and what was told by a process that was interrupted as it came to load a module."""
    struck = Path("../struck")
    struck.unlink(missing_ok=True)
    environment = {**os.environ, "INTERRUPT_AT": module, "INTERRUPTED": str(struck.absolute())}
    command = [*before, sys.executable, "-m", "renex_jupyter.cli.main", *words]
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    assert struck.exists()
    return done.returncode, done.stderr


@pytest.mark.parametrize("module", ["argparse", "renex_jupyter.store.reader", "numpy", "pandas.core.frame"])
def test_an_interrupt_while_it_loads_ends_it_quietly_and_begins_nothing(here: Path, module: str) -> None:
    command = [sys.executable, "-c", "open('made', 'w')"]
    assert interrupted_at(module, "task", "train", "--", *command) == (130, "")
    assert not (here / "made").exists()


def test_an_interrupt_while_it_loads_ends_attach_and_stop_alike(here: Path) -> None:
    for verb in ("attach", "stop"):
        assert interrupted_at("argparse", verb, "x") == (130, "")


def test_who_ignores_interrupts_for_it_is_not_overruled(here: Path) -> None:
    ignored = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    assert interrupted_at("argparse", "status", before=(sys.executable, "-c", ignored)) == (0, "")
