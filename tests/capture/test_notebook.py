from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

from renex_jupyter.capture.notebook import live_notebook, notebook_path, read_document

VARIABLES = ("RENEX_NOTEBOOK", "JPY_SESSION_NAME", "PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_the_notebook_is_named_by_the_user_then_the_editor_then_the_server_then_papermill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("user", "vscode", "server", "session", "papermill")
    for name in names:
        (tmp_path / f"{name}.ipynb").touch()
    monkeypatch.setenv("RENEX_NOTEBOOK", "user.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "server.ipynb"))
    monkeypatch.setenv("PAPERMILL_INPUT_PATH", "papermill.ipynb")
    variables = {"__vsc_ipynb_file__": str(tmp_path / "vscode.ipynb"), "__session__": str(tmp_path / "session.ipynb")}
    found = []
    for _ in names:
        path = notebook_path(variables)
        assert path is not None
        found.append(path.stem)
        path.unlink()
    assert found == list(names)
    assert notebook_path(variables) is None


@pytest.mark.parametrize("name", ["3f2c-uuid", "console-1", "renamed.ipynb", "folder.ipynb", "bad\0.ipynb", ""])
def test_a_session_name_that_is_no_existing_notebook_counts_for_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.ipynb").mkdir()
    assert notebook_path({"__session__": name}) is None


def test_sources_come_as_one_text_however_the_file_holds_them(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "code", "source": ["a\n", "b"]},
        {"cell_type": "raw", "source": "c"},
        {"cell_type": "raw"},
        7,
    ]
    (tmp_path / "a.ipynb").write_text(json.dumps({"nbformat": 4, "cells": cells}))
    document = read_document(tmp_path / "a.ipynb")
    assert document is not None
    assert [cell["source"] for cell in document["cells"]] == ["a\nb", "c", ""]


def test_a_notebook_of_the_third_format_is_read(tmp_path: Path) -> None:
    old = nbformat.v3.new_notebook(
        worksheets=[nbformat.v3.new_worksheet(cells=[nbformat.v3.new_code_cell(input="x = 1")])]
    )
    (tmp_path / "old.ipynb").write_text(json.dumps(old))
    document = read_document(tmp_path / "old.ipynb")
    assert document is not None
    assert [cell["source"] for cell in document["cells"]] == ["x = 1"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"cells": 3}', b'{"nbformat": "4", "cells": []}', b"\xff\xfe", b"[" * 99999]
)
def test_what_is_no_notebook_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ipynb").write_bytes(content)
    assert read_document(tmp_path / "a.ipynb") is None
    assert read_document(tmp_path) is None
    assert read_document(tmp_path / "missing.ipynb") is None


def test_outside_of_a_kernel_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "a.ipynb")
    began = time.perf_counter()
    assert live_notebook(600) is None
    assert time.perf_counter() - began < 60


class FrontEnd:
    """A kernel, and who answers it as the labextension does: on a comm of its own, in a subshell."""

    def __init__(self, server_root: Path, session: str) -> None:
        import os

        env = {**os.environ, "JPY_SESSION_NAME": session}
        self.manager, self.client = start_new_kernel(kernel_name="python3", env=env, cwd=str(server_root))
        self.subshell = self.control("create_subshell_request")["subshell_id"]
        self.asked: list[str] = []
        self.mistaken = False  # answers a question that nobody asked

    def control(self, kind: str) -> Any:
        message = self.client.session.msg(kind, {})
        self.client.control_channel.send(message)
        return self.client.get_control_msg(timeout=120)["content"]

    def answer(self, req: str, path: str, source: str) -> None:
        cell = {
            "cell_type": "code",
            "id": "a",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        data = {
            "req": req,
            "path": path,
            "dirty": True,
            "notebook": {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5},
        }
        message = self.client.session.msg(
            "comm_open", {"comm_id": f"c{req}", "target_name": "renex:reply", "data": data}
        )
        message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def catch_up(self) -> None:
        """Wait until the kernel has read what it was sent, in its subshell and out of it."""
        for subshell in (self.subshell, None):
            message = self.client.session.msg("kernel_info_request", {})
            message["header"]["subshell_id"] = subshell
            self.client.shell_channel.send(message)
            while self.client.get_shell_msg(timeout=120)["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                pass

    def run(self, source: str, *, answers: str | None = None, path: str = "a.ipynb") -> str:
        sent = self.client.execute(source)
        printed = ""
        while True:
            got = self.client.get_iopub_msg(timeout=120)
            content = got["content"]
            if got["msg_type"] == "comm_open" and content["target_name"] == "renex:notebook":
                self.asked.append(content["data"]["req"])
                if answers is not None:
                    self.answer("other" if self.mistaken else self.asked[-1], path, answers)
            if got["parent_header"].get("msg_id") != sent:
                continue
            if got["msg_type"] == "error":
                raise AssertionError("\n".join(content["traceback"]))
            printed += content["text"] if got["msg_type"] == "stream" else ""
            if got["msg_type"] == "status" and content["execution_state"] == "idle":
                return printed

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


ASK = """
import time
from renex_jupyter.capture.notebook import live_notebook
began = time.perf_counter()
live = live_notebook({timeout})
soon = time.perf_counter() - began < 60
print(live and (live.path and live.path.name, live.dirty, live.document["cells"][0]["source"]), soon)
"""


@pytest.fixture
def front_end(tmp_path: Path) -> Any:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.ipynb").touch()
    front_end = FrontEnd(tmp_path, str(tmp_path / "sub/a.ipynb"))
    yield front_end
    front_end.close()


def test_the_browser_hands_over_unsaved_cells_while_the_cell_that_asks_still_runs(
    front_end: FrontEnd, tmp_path: Path
) -> None:
    ask = ASK.format(timeout=120)
    assert front_end.run(ask, answers="first", path="sub/a.ipynb") == "('a.ipynb', True, 'first') True\n"
    (tmp_path / "sub/renamed.ipynb").touch()
    assert front_end.run(ask, answers="second", path="sub/renamed.ipynb") == "('renamed.ipynb', True, 'second') True\n"
    assert front_end.run(ask, answers="third", path="elsewhere/x.ipynb") == "(None, True, 'third') True\n"


def test_a_silent_browser_is_asked_once_and_again_after_its_late_answer(front_end: FrontEnd) -> None:
    ask = ASK.format(timeout=0.3)
    assert front_end.run(ask) == "None True\n"
    assert front_end.run(ask) == "None True\n"
    assert len(front_end.asked) == 1
    front_end.answer(front_end.asked[0], "sub/a.ipynb", "late")
    front_end.catch_up()
    patient = ASK.format(timeout=120)
    assert front_end.run(patient, answers="in time", path="sub/a.ipynb") == "('a.ipynb', True, 'in time') True\n"
    assert len(front_end.asked) == 2


def test_an_answer_to_another_question_or_of_another_shape_is_no_notebook(front_end: FrontEnd) -> None:
    front_end.mistaken = True
    assert front_end.run(ASK.format(timeout=0.8), answers="another", path="sub/a.ipynb") == "None True\n"
    shapeless = {"comm_id": "x", "target_name": "renex:reply", "data": {"notebook": [1]}}
    front_end.client.shell_channel.send(front_end.client.session.msg("comm_open", shapeless))
    front_end.catch_up()
    assert front_end.run(ASK.format(timeout=0.3)) == "None True\n"
    assert len(front_end.asked) == 2


def test_without_a_jupyter_server_nobody_is_asked(tmp_path: Path) -> None:
    front_end = FrontEnd(tmp_path, "")
    try:
        assert front_end.run(ASK.format(timeout=120)) == "None True\n"
        assert front_end.asked == []
    finally:
        front_end.close()
