"""What a cell lets slip, in a real shell."""

from pathlib import Path

from canaries import KNOWN
from IPython.core.interactiveshell import InteractiveShell

import renex_jupyter as rx


def test_the_error_of_a_cell_is_kept_without_the_secret_and_its_source_stays(
    shell: InteractiveShell, tmp_path: Path
) -> None:
    shell.run_cell("%snapshot", store_history=True).raise_error()
    shell.user_ns["secret"] = KNOWN["aws"]
    source = "raise ValueError(f'no such key {secret}')"
    shell.run_cell(source, store_history=True)
    kept = rx.sql("select source, error from cell_executions where error is not null")
    assert list(kept["source"]) == [source]
    assert "no such key" in kept["error"][0]
    assert KNOWN["aws"] not in "".join(
        path.read_text() for path in (tmp_path / ".renex" / "journal").iterdir() if path.suffix == ".jsonl"
    )


def test_a_blocked_snapshot_is_one_line_in_a_notebook(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "n.ipynb").write_text(
        '{"cells": [{"id": "a", "cell_type": "markdown", "metadata": {}, "source": "' + KNOWN["github"] + '"}],'
        ' "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    )
    shell.user_ns["__vsc_ipynb_file__"] = str(tmp_path / "n.ipynb")
    shell.run_cell("%config Renex.secrets_in_files = 'block'").raise_error()
    try:
        refused = shell.run_cell("%snapshot")
        task = shell.run_cell("%%task train\nx = 5")
    finally:
        shell.run_cell("%config Renex.secrets_in_files = 'warn'").raise_error()
    assert "n.ipynb cell 1:1 (GitHub token)" in str(refused.error_in_exec)
    assert KNOWN["github"] not in str(refused.error_in_exec)
    task.raise_error()
    assert shell.user_ns["x"] == 5
    assert list(rx.sql("select status from runs")["status"]) == ["finished"]
    assert not len(rx.list_snapshots(hidden=True))
