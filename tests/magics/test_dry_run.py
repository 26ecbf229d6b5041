"""`%snapshot --dry-run` in a real shell."""

from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell


def test_the_magic_says_what_would_be_kept_and_no_store_comes_to_be(
    shell: InteractiveShell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text("A=1")
    shell.run_cell("config = {'lr': 0.1}")
    result = shell.run_cell("%snapshot --dry-run -m words -c config")
    result.raise_error()
    assert not (tmp_path / ".renex").exists()
    assert "data.txt" in capsys.readouterr().out
    assert result.result.config == {"lr": 0.1}
    shell.run_cell("%snapshot --dry-run -o plan").raise_error()
    assert "left out: 1 secret (.env)" in capsys.readouterr().out
    assert shell.user_ns["plan"].message is None
    assert not (tmp_path / ".renex").exists()


def test_executed_cells_without_a_notebook_are_neither_new_nor_gone(shell: InteractiveShell) -> None:
    shell.run_cell("%snapshot").raise_error()
    shell.run_cell("x = 1")
    result = shell.run_cell("%snapshot --dry-run")
    result.raise_error()
    assert (result.result.new, result.result.changed, result.result.gone) == (0, 0, 0)
