"""Stores to keep: one that everything was recorded in, and one that is not there yet."""

import os
import shutil
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.session import current as sessions
from renex_jupyter.store.store import Store


@pytest.fixture
def nobody_else_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test finds is what it did itself."""
    monkeypatch.setattr(settings(), "fold_in_background", False)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two runs, a child run, a snapshot, and files of which each run adds one; half of it is folded."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "pyproject.toml").write_text("")
    sessions.reset()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(settings(), "fold_in_background", False)
        with rx.start_run("first", tags={"team": "a"}):
            (folder / "first.csv").write_text("a,b\n1,2\n" * 500)
            rx.log_params({"lr": 0.1, "depth": [1, 2]})
            for step, value in enumerate([0.5, float("nan"), float("-inf"), 1e308]):
                rx.log_metric("loss", value, step=step)
            with rx.start_run("child", nested=True):
                rx.log_metric("loss", 3, step=0)
        sessions.current().store.fold()
        (folder / "second.bin").write_bytes(os.urandom(3000))
        with rx.start_run("second"):
            rx.log_metric("accuracy", 0.9, step=0)
        rx.snapshot("kept", label="kept", metrics={"acc": 1.0})
    return folder


@pytest.fixture
def source(recorded: Path, tmp_path: Path) -> Store:
    """The store of that project, to do with it what one likes."""
    return Store(shutil.copytree(recorded, tmp_path / "source") / ".renex")


@pytest.fixture
def target(tmp_path: Path) -> Store:
    """A store that is not there yet."""
    return Store(tmp_path / "target" / ".renex")
