"""Paths of the project in a command and its variables, as the checkout of a rerun has them.

Without this a rerun of `python /project/train.py`, or with /project/src on its PYTHONPATH, would run what lies in the
project now, and write there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from renex_jupyter.capture.ignore import FOREIGN, never

# Lists of folders from which code is loaded. Those of programs may name what no snapshot has, such as tools that were
# installed into the project: these stay.
CODE_LISTS = ("PYTHONPATH", "R_LIBS", "R_LIBS_USER", "JULIA_LOAD_PATH", "PERL5LIB", "RUBYLIB", "NODE_PATH", "CLASSPATH")
PROGRAM_LISTS = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
# A path begins where no other one goes on: at the start, after "=", "file://", or a flag such as -I.
BEFORE, END = r"(?:(?<![\w.~/-])|(?<=^-\w)|(?<=://))", r"(?![^/\s\"':;,)\]}])"
REST = r"((?:/[^/\s\"':;,)\]}]*)*)"


def in_command(argv: Sequence[str], project: Path, top: str, checkout: Path) -> tuple[str, ...]:
    """Return a command that names the project's files where `top` has them.

    Parameters
    ----------
    top : the checkout as the command sees it.
    checkout : where it is on this machine: the program itself is that of the project where no snapshot has it, as one
        of a virtual environment that lies there.
    """
    moved = tuple(_moved(each, project, top) for each in argv)
    if not moved or moved[0] == argv[0] or (checkout / moved[0].removeprefix(top).lstrip("/")).exists():
        return moved
    return (argv[0], *moved[1:])


def in_variables(variables: Mapping[str, str], project: Path, top: Path) -> dict[str, str]:
    """Return the variables that list folders of the project, with those of its checkout in their place."""
    found = {}
    for name in (*CODE_LISTS, *PROGRAM_LISTS):
        parts = variables.get(name, "").split(os.pathsep)
        moved = [_moved(each, project, str(top)) for each in parts]
        if name in PROGRAM_LISTS:
            moved = [new if Path(new).exists() else old for old, new in zip(parts, moved, strict=True)]
        if moved != parts:
            found[name] = os.pathsep.join(moved)
    return found


def _moved(text: str, project: Path, top: str) -> str:
    for root in _names(project):

        def put(found: re.Match[str], root: str = root) -> str:
            return found[0] if _is_foreign(root, found[1]) else top + found[1]

        text = re.sub(BEFORE + re.escape(root) + END + REST, put, text)
    return text


def _names(project: Path) -> Iterator[str]:
    """Yield how the project can be called: as it was opened, and without links."""
    yield from dict.fromkeys(str(each) for each in (project, project.resolve()) if each != Path(each.anchor))


def _is_foreign(root: str, rest: str) -> bool:
    """Whether a path of the project is of the kind that no snapshot takes: a virtual environment, our store."""
    path = Path(root)
    for part in filter(None, rest.split("/")):
        path /= part
        if never(part) or any((path / each).exists() for each in FOREIGN):
            return True
    return False
