"""A real Docker daemon for the whole session of tests, with a small Debian as its only image."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import daemons
import pytest
from daemons import IMAGE, Daemon

from renex_jupyter.config import settings
from renex_jupyter.session.current import reset


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.docker)
            item.add_marker(pytest.mark.timeout(900))  # the first one waits for debootstrap


@pytest.fixture(scope="session")
def base_archive() -> Path:
    """A tar of a small Debian with Python."""
    required = os.environ.get("RENEX_REQUIRE_DOCKER") == "1"
    if why := daemons.missing():
        (pytest.fail if required else pytest.skip)(f"DOCKER TESTS DO NOT RUN: {why}")
    try:
        return daemons.base_archive()
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        (pytest.fail if required else pytest.skip)(f"DOCKER TESTS DO NOT RUN: {error}")


@pytest.fixture(scope="session")
def new_daemon(base_archive: Path) -> Iterator[Callable[[], Daemon]]:
    """Starts daemons that have the base image; they are stopped whatever happens."""
    started: list[Daemon] = []
    home = Path(
        tempfile.mkdtemp(prefix="docker-renex-")
    )  # short: the path of a socket has 108 bytes at most; the store sweeps renex-*
    home.chmod(0o755)
    ours = os.getpid()  # a child that is forked of us ends our generators, too

    def make() -> Daemon:
        try:
            daemon = daemons.start(home / str(len(started)))
        except RuntimeError as error:
            required = os.environ.get("RENEX_REQUIRE_DOCKER") == "1"
            (pytest.fail if required else pytest.skip)(f"DOCKER TESTS DO NOT RUN: {error}")
        started.append(daemon)
        daemon.ask("import", "--change", "ENV PATH=/usr/bin:/bin", str(base_archive), IMAGE)
        return daemon

    try:
        yield make
    finally:
        if os.getpid() == ours:
            for each in started:
                each.stop()
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_daemon(new_daemon: Callable[[], Daemon]) -> Daemon:
    """The daemon of all tests that leave it in peace."""
    return new_daemon()


@pytest.fixture
def daemon(shared_daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """The daemon that DOCKER_HOST names; no test leaves a container behind."""
    monkeypatch.setenv("DOCKER_HOST", shared_daemon.host)
    yield shared_daemon
    left = shared_daemon.containers()
    if left:
        shared_daemon.ask("rm", "--force", *left)
    assert left == []


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of its own, which is the working folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RENEX_STORE", str(folder / ".renex"))
    monkeypatch.setattr(settings(), "interrupt_grace", 1.0)
    yield folder
    reset()
