"""`renex doctor`: is everything installed as it should be, and does the store answer?"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from renex_jupyter.errors import RenexError
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.session.current import current

DEPENDENCIES = ("jupyterlab", "ipywidgets", "ipykernel", "ipython", "anywidget", "plotly", "duckdb", "pandas")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was looked at; `ok` when nothing is wrong."""

    ok: bool
    findings: tuple[Finding, ...]

    @property
    def title(self) -> str:
        return "renex doctor: all well" if self.ok else "renex doctor: something is wrong"

    def rows(self) -> Rows:
        return [(each.name, f"{'ok' if each.ok else 'WRONG'}: {each.detail}") for each in self.findings]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


def examine() -> Report:
    """Look at the installation and the store; changes nothing."""
    looks: dict[str, Callable[[], str]] = {
        "python": lambda: f"{sys.version.split()[0]} in {sys.prefix}",
        "renex_jupyter": lambda: version("renex_jupyter"),
        **{name: _version_of(name) for name in DEPENDENCIES},
        "labextension": _labextension,
        "server extension": _server_extension,
        "store": _store,
        "disk": _disk,
    }
    findings = tuple(_look(name, look) for name, look in looks.items())
    return Report(all(each.ok for each in findings), findings)


def _look(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except PackageNotFoundError:
        return Finding(name, False, f"not installed here; pip install {name}")
    except RenexError as error:
        return Finding(name, False, error.line)
    except (OSError, ValueError, KeyError) as error:
        return Finding(name, False, f"{type(error).__name__}: {error}")


def _version_of(name: str) -> Callable[[], str]:
    return lambda: version(name)


def _labextension() -> str:
    for folder in _jupyter_folders("share/jupyter/labextensions/renex-jupyter"):
        made = json.loads((folder / "package.json").read_text())
        return f"{made['version']} in {folder}"
    raise RenexError("not_found", "the side panel is not installed for this Python.", "pip install renex_jupyter")


def _server_extension() -> str:
    for folder in _jupyter_folders("etc/jupyter/jupyter_server_config.d"):
        if (folder / "renex_jupyter.json").is_file():
            return f"enabled by {folder / 'renex_jupyter.json'}"
    raise RenexError("not_found", "the server extension is not enabled for this Python.", "pip install renex_jupyter")


def _jupyter_folders(below: str) -> list[Path]:
    named = [
        Path(text) / below.split("/", 2)[-1] for text in os.environ.get("JUPYTER_PATH", "").split(os.pathsep) if text
    ]
    return [folder for folder in [*named, Path(sys.prefix) / below] if folder.exists()]


def _store() -> str:
    store = current().store
    if not store.exists:
        return f"none yet; the first record creates {store.layout.root}"
    rows = store.reader.rows("select count(*) as n from runs")
    where = store.layout.root
    if not os.access(where, os.W_OK):
        raise RenexError("read_only", f"{where} cannot be written.", "Check its owner and mode.")
    if store.layout.fold_error.exists():
        why = store.layout.fold_error.read_text().strip() or "no reason could be written (is the disk full?)"
        raise RenexError("corrupt", f"the last fold failed: {why}", "Nothing is lost: the journal has everything.")
    return f"{where}, {display.count(rows[0]['n'], 'run')}"


def _disk() -> str:
    place = current().store.layout.root
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < 100 * 2**20:
        raise RenexError("disk_full", f"only {display.size(free)} are free at {place}.", "Free some space.")
    return f"{display.size(free)} free at {place}"
