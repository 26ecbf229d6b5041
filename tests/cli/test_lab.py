"""A workspace: JupyterLab for real, on a checked-out snapshot."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from jupyter_client import BlockingKernelClient

import renex_jupyter as rx
from renex_jupyter.errors import RenexError
from renex_jupyter.session.lab import workspace

RENEX = [sys.executable, "-m", "renex_jupyter.cli.main"]
ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/(\S*)\?token=([0-9a-f]+)")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RENEX_NOTEBOOK", str(tmp_path / "work.ipynb"))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / f".{name.lower()}"))
    (tmp_path / "pyproject.toml").write_text("")
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")]), tmp_path / "work.ipynb")
    (tmp_path / "data.csv").write_text("then")
    rx.snapshot("kept", label="start")
    (tmp_path / "data.csv").write_text("now")
    monkeypatch.delenv("RENEX_NOTEBOOK")
    return tmp_path


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def started(project: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str, str, str]]:
    """Start a workspace; yield its process, and address, page and token of the server."""
    log = project / "server.log"
    root = ["--allow-root"] if os.geteuid() == 0 else []
    command = [*RENEX, *words, "--no-browser", "--", *root, f"--ServerApp.port={free_port()}"]
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=project, stdin=subprocess.DEVNULL, stdout=out, stderr=out, text=True)
    try:
        deadline = time.monotonic() + 180
        while not (found := ADDRESS.search(log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield process, found[1], found[2], found[3]
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_for(client: BlockingKernelClient) -> None:
    """Wait for the kernel; a client takes one for dead whose heart did not beat yet."""
    deadline = time.monotonic() + 60
    while True:
        try:
            client.wait_for_ready(timeout=60)
            return
        except RuntimeError:
            assert time.monotonic() < deadline
            time.sleep(0.5)


def ask(address: str, path: str, token: str, data: bytes | None = None) -> dict[str, object]:
    request = urllib.request.Request(f"{address}/{path}", data, {"Authorization": f"token {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        told: dict[str, object] = json.loads(answer.read())
    return told


def test_a_snapshot_is_opened_with_its_notebook_files_and_kernel(project: Path) -> None:
    with started(project, "lab", "start", "--to", "back") as (process, address, page, token):
        assert page == "lab/tree/work.ipynb"
        assert "version" in ask(address, "api", token)
        content = ask(address, "api/contents/data.csv?content=1", token)["content"]
        assert content == "then"
        kernel = ask(address, "api/kernels", token, b"{}")
        connection = project / ".jupyter_runtime_dir" / f"kernel-{kernel['id']}.json"
        client = BlockingKernelClient(connection_file=str(connection))
        client.load_connection_file()
        client.start_channels()
        wait_for(client)
        said: list[str] = []
        client.execute_interactive(
            "import sys, os; print(sys.prefix, os.getcwd())",
            timeout=60,
            output_hook=lambda message: said.append(message["content"].get("text", "")),
        )
        client.stop_channels()
        assert "".join(said).split() == [sys.prefix, str(project / "back")]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=90) == 0


def test_a_checkout_that_is_there_already_is_opened_as_it_is(project: Path) -> None:
    made = workspace("lab", "start")
    (made.folder / "data.csv").write_text("mine")
    again = workspace("lab", "start")
    assert again.folder == made.folder == project / f"checkout-{rx.get_snapshot('start').snapshot_id[:8]}"
    assert (again.folder / "data.csv").read_text() == "mine"
    assert "opened as it is now" in again.notes[0]


def test_the_project_itself_is_opened_without_a_snapshot(project: Path) -> None:
    made = workspace("lab", browser=False, arguments=["--port=1"])
    assert made.folder == project
    assert made.argv[0] == sys.executable
    assert made.argv[-2:] == ("--no-browser", "--port=1")
    assert f"--ServerApp.root_dir={project}" in made.argv


def test_a_program_that_is_not_installed_is_told_before_anything_is_written(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        __import__("renex_jupyter.session.lab", fromlist=["x"]).PROGRAMS, "lab", ("no_such_lab", "X", "x")
    )
    with pytest.raises(RenexError, match="has no no_such_lab") as caught:
        workspace("lab", "start", to="elsewhere")
    assert caught.value.code == "environment_unavailable"
    assert not (project / "elsewhere").exists()
    with pytest.raises(RenexError, match="nothing to check out"):
        workspace("lab", to="elsewhere")
