"""Why the Docker daemon cannot be had is told within ten seconds."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from renex_jupyter.errors import RenexError
from renex_jupyter.tasks.daemon import connect


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a path that is short enough for a socket, which every user can enter."""
    with tempfile.TemporaryDirectory(prefix="socket-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def why(host: str, monkeypatch: pytest.MonkeyPatch) -> RenexError:
    """Return the refusal of a daemon at an address."""
    with suppress(ImportError):
        import docker  # noqa: F401  whose loading is not meant
    monkeypatch.setenv("DOCKER_HOST", host)
    begun = time.monotonic()
    with pytest.raises(RenexError) as raised:
        connect()
    assert time.monotonic() - begun < 20  # the one that waits says so after 8
    assert raised.value.code == "docker_unavailable"
    return raised.value


def test_where_there_is_no_socket_that_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = why(f"unix://{place}/docker.sock", monkeypatch)
    assert told.message == f"no Docker daemon at unix://{place}/docker.sock: there is no such socket."
    assert "DOCKER_HOST" in told.hint


def test_where_nobody_listens_that_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(f"{place}/docker.sock")
    left.close()
    assert "listens" in why(f"unix://{place}/docker.sock", monkeypatch).message
    assert "listens" in why("tcp://127.0.0.1:1", monkeypatch).message


def test_a_daemon_that_accepts_and_never_answers_is_given_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{place}/docker.sock")
        silent.listen()
        assert "did not answer within 8 seconds" in why(f"unix://{place}/docker.sock", monkeypatch).message


def test_an_address_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nonsense" in why("nonsense", monkeypatch).message


def test_a_missing_docker_py_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    told = why("unix:///nowhere", monkeypatch)
    assert (told.message, told.hint) == ("docker-py is not installed here.", "pip install docker")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_without_permission_the_socket_and_the_way_in_are_named(place: Path) -> None:
    """In a process of its own, which stops to be root when all is imported."""
    script = f"""
import os, socket
import docker
from renex_jupyter.errors import RenexError
from renex_jupyter.tasks.daemon import connect
from renex_jupyter.config import settings
settings()
listener = socket.socket(socket.AF_UNIX)
listener.bind("{place}/docker.sock")
listener.listen()
os.chmod("{place}/docker.sock", 0o600)
os.environ["DOCKER_HOST"] = "unix://{place}/docker.sock"
os.setuid(54321)
try:
    connect()
except RenexError as error:
    print(error)
"""
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    ).stdout
    assert said.startswith(
        f"docker_unavailable: no permission to talk to the Docker daemon at unix://{place}/docker.sock"
    )
    assert "usermod -aG docker" in said and "user 54321" in said
