"""Where the notebook is and what it says: in the browser, unsaved edits included, and on disk."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from renex_jupyter.config import NOTEBOOK_VARIABLE
from renex_jupyter.ids import new_id

SESSION_VARIABLE = "JPY_SESSION_NAME"  # set by the Jupyter server that started this kernel
PARENT_VARIABLE = "JPY_PARENT_PID"  # set by jupyter_client: who started this kernel
PAPERMILL = ("PAPERMILL_OUTPUT_PATH", "PAPERMILL_INPUT_PATH")  # variables, with --inject-paths
QUESTION = "renex:notebook"
ANSWER = "renex:reply"
MAX_NOTEBOOK = 512 * 2**20  # bytes


@dataclass(frozen=True, slots=True)
class LiveNotebook:
    """The notebook as it stands in the browser; its outputs are left out there."""

    path: Path | None  # where the file is found from here
    dirty: bool  # it has unsaved edits
    document: dict[str, Any]


def notebook_path(user_ns: Mapping[str, Any]) -> Path | None:
    """Return the notebook's file where a front end or the user names one that exists, else None.

    Asked in this order: RENEX_NOTEBOOK, VS Code, papermill, the Jupyter server.
    """
    return next((path for each in _named(user_ns) if (path := _existing(each)) is not None), None)


def read_document(path: Path) -> dict[str, Any] | None:
    """Return the notebook on disk in the form of nbformat 4, or None where that cannot be told."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_NOTEBOOK:
            return None
        document = json.loads(path.read_text("utf-8-sig"))
        if isinstance(document, dict) and document.get("nbformat", 4) < 4:
            document = _converted(document)
        return with_text(document)
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def with_text(document: Any) -> dict[str, Any] | None:
    """Return the notebook with each cell's source as one text, without what is no cell; None if it is no notebook."""
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        return None
    cells = [{**cell, "source": _joined(cell.get("source"))} for cell in document["cells"] if isinstance(cell, dict)]
    return {**document, "cells": cells}


def live_notebook(timeout: float) -> LiveNotebook | None:
    """Ask the browser for the notebook with its unsaved edits.

    Parameters
    ----------
    timeout : seconds to wait. After a silence the browser is not asked again until its late answer has come.

    Returns
    -------
    None where no browser shows this kernel's notebook, where our extension is missing there, or where it is silent.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    kernel = getattr(shell, "kernel", None)
    manager = getattr(kernel, "comm_manager", None)
    if manager is None or not server_session() or _exchange.silent:
        return None
    try:
        return _understood(_exchange.ask(manager, timeout))
    except Exception:  # noqa: BLE001  # a closed socket, a front end with ideas of its own: the file on disk will do
        return None


def server_session() -> str | None:
    """Return how the Jupyter server that started this kernel calls its session: nearly always the notebook's path.

    A kernel that a cell of a notebook started, such as by `!papermill`, has the variable from there: that is not its own.
    """
    told = os.environ.get(SESSION_VARIABLE)
    return None if not told or _is_inherited(told, os.environ.get(PARENT_VARIABLE, "")) else told


@lru_cache(maxsize=4)
def _is_inherited(told: str, launcher: str) -> bool:
    try:
        import psutil

        return psutil.Process(int(launcher)).environ().get(SESSION_VARIABLE) == told
    except Exception:  # noqa: BLE001  # another machine, another user, or no such process any more
        return False


class _Exchange:
    """One question at a time to the front end.

    The answer comes on a comm that the front end opens: ipykernel reads that one in a subshell while the cell that asks
    still runs. An answer on the comm of the question would wait for the end of the cell.
    """

    def __init__(self) -> None:
        self.silent = False
        self._wanted = ""
        self._got: Mapping[str, Any] | None = None
        self._arrived = threading.Event()

    def ask(self, manager: Any, timeout: float) -> Mapping[str, Any] | None:
        from comm import create_comm

        manager.register_target(ANSWER, self.answered)
        self._arrived.clear()
        self._got, self._wanted = None, new_id()
        self.silent = True  # until somebody speaks
        create_comm(target_name=QUESTION, data={"req": self._wanted})  # closed by the page, with the next question
        return self._got if self._arrived.wait(timeout) else None

    def answered(self, _comm: Any, message: Mapping[str, Any]) -> None:
        """Take an answer; it comes on a thread of its own."""
        data = message["content"]["data"]
        self.silent = False
        if data.get("req") == self._wanted:
            self._got = data
            self._arrived.set()


_exchange = _Exchange()


def _understood(data: Mapping[str, Any] | None) -> LiveNotebook | None:
    document = with_text(data.get("notebook")) if data is not None else None
    if data is None or document is None:
        return None
    return LiveNotebook(_placed(data.get("path")), bool(data.get("dirty")), document)


def _placed(told: object) -> Path | None:
    """Find the file of a path that is told relative to the server's root, which the kernel does not know."""
    if not isinstance(told, str) or not told:
        return None
    session = Path(server_session() or "").absolute()
    if session.as_posix().endswith(f"/{told.lstrip('/')}") and session.is_file():
        return session
    bases = [*session.parents, Path.cwd(), *Path.cwd().parents]
    found = (base / told.lstrip("/") for base in bases)
    return next((path for path in found if path.suffix == ".ipynb" and path.is_file()), None)


def _named(user_ns: Mapping[str, Any]) -> Iterator[object]:
    yield os.environ.get(NOTEBOOK_VARIABLE)
    yield user_ns.get("__vsc_ipynb_file__")
    yield from (user_ns.get(name) for name in PAPERMILL)
    own = server_session()
    yield own
    if own or not os.environ.get(SESSION_VARIABLE):
        yield user_ns.get("__session__")  # the same again, as ipykernel keeps it
    yield from (os.environ.get(name) for name in PAPERMILL)


def _existing(named: object) -> Path | None:
    """A server may name a session by a UUID, or by a name that was changed since: only a file that is there counts."""
    if not isinstance(named, (str, Path)) or not str(named).endswith(".ipynb"):
        return None
    try:
        path = Path(named).absolute()
        return path if path.is_file() else None
    except (OSError, ValueError):
        return None


def _joined(source: object) -> str:
    """Files hold a source as a list of lines or as one text."""
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _converted(document: dict[str, Any]) -> Any:
    import nbformat  # a second to import, hence only for notebooks of before 2014

    return json.loads(nbformat.writes(nbformat.reads(json.dumps(document), as_version=4)))  # type: ignore[no-untyped-call]
