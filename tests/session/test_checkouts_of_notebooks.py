"""A checkout in place meets notebooks: open, edited, unsaved."""

from __future__ import annotations

import dataclasses
import json
import stat
from pathlib import Path

import pytest
from projects import notebook, refused

import renex_jupyter as rx
from renex_jupyter.capture import cells
from renex_jupyter.capture.notebook import LiveNotebook, read_document
from renex_jupyter.session import safety, snapshots
from renex_jupyter.session.current import current


def test_the_notebook_of_the_session_is_replaced_only_with_force(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = notebook(project, "1")
    monkeypatch.setenv("RENEX_NOTEBOOK", str(path))
    rx.snapshot(label="start")
    (project / "model.py").write_text("changed")
    path = notebook(project, "2")
    path.chmod(0o600)
    was = path.read_bytes()
    told = refused("conflict", project, "start")
    assert "n.ipynb is open" in told.message
    done = rx.checkout("start", in_place=True, force=True)
    assert json.loads(path.read_text())["cells"][0]["source"] == ["1"]
    assert "reload n.ipynb" in str(done)
    assert done.safety_id
    rx.checkout(done.safety_id, in_place=True, force=True)
    assert path.read_bytes() == was
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_edits_that_only_the_browser_has_get_a_snapshot_of_their_own(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = notebook(project, "1")
    monkeypatch.setenv("RENEX_NOTEBOOK", str(path))
    captured, disk = snapshots.capture_for(current()), read_document(path)
    assert disk is not None
    shown = {**disk, "cells": [{**disk["cells"][0], "source": "edited, not saved"}]}
    live = LiveNotebook(path, True, shown)
    code = cells.capture_code(project, path, (), live=live, document=disk)
    state = safety.with_notebook(current(), dataclasses.replace(captured, code=code), project)
    kept = safety.keep(current(), state, "before checkout of x")
    unsaved = rx.list_snapshots()["snapshot_id"][1]
    sources = {
        each: rx.sql("select source from snapshot_cells where snapshot_id = ?", [each])["source"][0]
        for each in (kept, unsaved)
    }
    assert sources == {kept: "1", unsaved: "edited, not saved"}
    assert rx.get_snapshot(unsaved).message == "unsaved edits before checkout of x"


def test_a_notebook_that_stays_as_it_is_is_in_nobodys_way(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = notebook(project, "1")
    monkeypatch.setenv("RENEX_NOTEBOOK", str(path))
    rx.snapshot(label="first")
    rx.checkout("first", in_place=True, force=True)  # as Jupyter writes it
    (project / "model.py").write_text("changed")
    rx.checkout("first", in_place=True)
    assert (project / "model.py").read_text() != "changed"


def test_executed_cells_are_no_file_of_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = notebook(project, "1")
    monkeypatch.setenv("RENEX_NOTEBOOK", str(path))
    path.write_text("no notebook")
    rx.snapshot(label="start")
    (project / "model.py").write_text("changed")
    rx.checkout("start", in_place=True)
    assert path.read_text() == "no notebook"
    assert not (project / "executed-cells.ipynb").exists()
