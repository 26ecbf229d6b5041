"""`%renex` about snapshots, in a real IPython shell."""

from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import renex_jupyter as rx
from renex_jupyter.magics.completion import _for_renex


def result(shell: InteractiveShell, source: str) -> Any:
    return shell.run_cell(source, store_history=True).result


def test_what_changed_since_the_last_snapshot_is_told_at_once(shell: InteractiveShell, tmp_path: Path) -> None:
    result(shell, "x = 1")
    result(shell, '%snapshot "base"')
    (tmp_path / "data.txt").write_text("22")
    found = result(shell, "%renex diff")
    assert (found.b, [each.path for each in found.files]) == ("now", ["data.txt"])
    assert "data.txt" in found._repr_html_()


def test_words_are_edited_hidden_and_taken_away(shell: InteractiveShell) -> None:
    result(shell, '%snapshot -m "one" -l best')
    assert result(shell, '%renex edit best -m "a better word" --hide').message == "a better word"
    assert result(shell, "%renex ls snapshots").empty
    assert result(shell, "%renex edit best --unhide -m ''").message is None
    assert list(result(shell, "%renex ls snapshots --label best")["label"]) == ["best"]


def test_a_deletion_is_announced_and_then_done(shell: InteractiveShell) -> None:
    result(shell, '%snapshot -m "one" -l best')
    assert "would be deleted" in str(result(shell, "%renex delete best"))
    assert len(rx.list_snapshots()) == 1
    assert "is deleted" in result(shell, "%renex delete best --yes")._repr_html_()
    assert len(rx.list_snapshots()) == 0


@pytest.mark.parametrize("line", ["delete nothing", "edit best", "ls snapshots --since soon", "ls --label best"])
def test_what_cannot_be_is_one_line(shell: InteractiveShell, line: str) -> None:
    result(shell, "%snapshot -l best")
    error = shell.run_cell(f"%renex {line}").error_in_exec
    assert isinstance(error, UsageError) and "\n" not in str(error)


def test_labels_are_offered_for_the_new_verbs(shell: InteractiveShell) -> None:
    result(shell, "%snapshot -l best")
    for verb in ("edit", "delete", "diff"):
        assert verb in _for_renex([]) and "best" in _for_renex([verb])
