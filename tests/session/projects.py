"""What lies in a project, and a checkout that is refused and leaves it so."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.errors import RenexError

Tree = dict[str, tuple[str, object, int]]


def tree(project: Path) -> Tree:
    """Return kind, content and mode of all there is, but for the store."""
    found: Tree = {}
    for folder, names, files in os.walk(project):
        names[:] = [name for name in names if name != ".renex"]
        for name in (*names, *files):
            path = Path(folder, name)
            mode = stat.S_IMODE(path.lstat().st_mode)
            key = path.relative_to(project).as_posix()
            if path.is_symlink():
                found[key] = ("link", str(path.readlink()), mode)
            elif path.is_file():
                found[key] = ("file", path.read_bytes(), mode)
            else:
                found[key] = ("dir" if path.is_dir() else "pipe", None, mode)
    return found


def refused(code: str, project: Path, *words: str, **options: object) -> RenexError:
    """Expect a refusal that changes nothing and takes no snapshot."""
    before, taken = tree(project), len(rx.list_snapshots(hidden=True))
    with pytest.raises(RenexError) as caught:
        rx.checkout(*words, in_place=True, **options)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert (tree(project), len(rx.list_snapshots(hidden=True))) == (before, taken)
    assert not (project / ".renex" / "CHECKOUT").exists()
    return caught.value


def notebook(project: Path, source: str) -> Path:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
    path = project / "n.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=3))
    return path
