"""A real IPython shell with the magics loaded, in a project of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import renex_jupyter


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell in a fresh project folder; its history file is its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    shell = InteractiveShell.instance(config=config)
    (tmp_path / "data.txt").write_text("1")
    (tmp_path / ".gitignore").write_text("ipython\n")
    shell.run_line_magic("load_ext", "renex_jupyter")
    yield shell
    renex_jupyter.unload_ipython_extension(shell)
    InteractiveShell.clear_instance()
