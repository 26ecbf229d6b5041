"""What a snapshot would keep, said before anything is kept."""

import json
from pathlib import Path

import pytest
from canaries import KNOWN

import renex_jupyter as rx
from renex_jupyter.config import settings


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dry_run_says_what_would_be_kept_and_writes_nothing(project: Path) -> None:
    (project / ".env").write_text("A=1")
    (project / "data.csv").write_bytes(b"1\n" * 5000)
    before = everything(project)
    found = rx.snapshot("words", config={"lr": 0.1, "api_key": "x", "where": KNOWN["aws"]}, dry_run=True)
    assert everything(project) == before
    assert not (project / ".renex").exists()
    assert {role: amount.count for role, amount in found.files.items()} == {"code": 1, "file": 2}
    assert found.files["file"].bytes == 10_000 + len(before["pyproject.toml"])
    assert [each.path for each in found.largest] == ["data.csv", "model.py", "pyproject.toml"]
    assert (found.new, found.changed, found.gone, found.added.count) == (3, 0, 0, 3)
    assert [(each.path, each.reason) for each in found.left_out] == [(".env", "secret")]
    told = str(found)
    for text in ("nothing is kept", "data.csv (10.0 kB)", "3 new", ".env (secret)", "lr 0.1", "Python 3.", "words"):
        assert text in told
    assert KNOWN["aws"] not in json.dumps(found.as_dict())


def test_a_dry_run_compares_with_the_last_snapshot(project: Path) -> None:
    (project / "gone.txt").write_text("x")
    taken = rx.snapshot()
    before = everything(project)
    (project / "gone.txt").unlink()
    (project / "model.py").write_text("changed")
    (project / "new.txt").write_text("new one")
    (project / "copy.toml").write_bytes(before["pyproject.toml"])
    found = rx.snapshot(dry_run=True)
    assert found.compared_with == taken.snapshot_id
    assert (found.new, found.changed, found.gone) == (2, 1, 1)
    assert (found.added.count, found.added.bytes) == (2, len("changed") + len("new one"))
    assert {name: data for name, data in everything(project).items() if name.startswith(".renex/journal")} == {
        name: data for name, data in before.items() if name.startswith(".renex/journal")
    }
    assert len(rx.list_snapshots()) == 1


def test_a_dry_run_tells_findings_and_whether_they_would_be_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = {"id": "a", "cell_type": "code", "source": f"k='{KNOWN['github']}'", "metadata": {}, "outputs": []}
    document = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (project / "<b>.ipynb").write_text(json.dumps(document))
    monkeypatch.setenv("RENEX_NOTEBOOK", str(project / "<b>.ipynb"))
    found = rx.snapshot(dry_run=True)
    assert "<b>.ipynb cell 1:1 (GitHub token)" in str(found)
    assert not found.refused
    html = found._repr_html_()
    assert "&lt;b&gt;.ipynb" in html
    assert "<b>" not in html
    monkeypatch.setattr(settings(), "secrets_in_files", "block")
    assert rx.snapshot(dry_run=True).refused
    assert KNOWN["github"] not in json.dumps(found.as_dict())
