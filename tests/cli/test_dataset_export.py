"""`renex dataset export` writes files and says where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.cli.main import main


def test_a_dataset_is_exported_from_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    rx.create_dataset("people", {"age": [30, 40, 50], "sex": ["F", "M", "F"]})
    assert main(["dataset", "export", "people", "old.csv", "--where", "age >= 40"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'old.csv'}\n"
    assert (tmp_path / "old.csv").read_text() == "_key,age,sex\n1,40,M\n2,50,F\n"
    assert main(["dataset", "export", "people", "old.csv"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["dataset", "export", "people:1", "old.csv", "--force"]) == 0
    assert len((tmp_path / "old.csv").read_text().splitlines()) == 4
