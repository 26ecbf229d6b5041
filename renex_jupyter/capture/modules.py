"""The modules that this process has imported from files of the user: in the project, and beside it.

Nothing of a module is asked but the text of its `__file__`, past whatever its class does on access: a lazy module
stays lazy, and one that raises is passed over.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from renex_jupyter.records.paths import to_text
from renex_jupyter.records.snapshots import LeftOut

OUTSIDE = "outside the project"
INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}", f"{os.sep}__pycache__{os.sep}")
EDITORS = (".vscode", ".cursor")  # how folders begin from which an editor puts modules of its own into a kernel
OURS = __name__.partition(".")[0]
NEAR = 3  # folders up to which an outside path is told relative to the project


@dataclass(frozen=True, slots=True)
class LocalModules:
    """Files from which this process has imported something, and which no installer put there."""

    inside: tuple[str, ...]  # paths relative to the project, with "/", ordered
    outside: tuple[LeftOut, ...]  # one for each module or whole package that lies elsewhere


@dataclass(frozen=True, slots=True)
class _Places:
    """The folders by which it is decided whose a module is; all of them end with a separator."""

    root: str
    installed: tuple[str, ...]  # of Python, of its environment
    known: tuple[str, ...]  # of editable distributions: the environment tells them


def local_modules(root: Path, editable: Collection[str] = ()) -> LocalModules:
    """Return the user's own modules that are imported in this process, the script that it runs among them.

    Parameters
    ----------
    root : the project's folder.
    editable : folders of distributions that are installed in place; what lies there is not told as outside.

    Returns
    -------
    Files that are there now, by their real paths: of a module behind a link it is the file that counts.
    """
    places = _places(str(root), tuple(editable))
    inside, outside = set[str](), dict[str, None]()
    for name, file in _files():
        found = _judged(name, file, places)
        if found is None or not Path(found[1]).is_file():
            continue
        if found[0]:
            inside.add(found[1][len(places.root) :].replace(os.sep, "/"))
        else:
            outside[_told(_whole(name, found[1]), places.root)] = None
    return LocalModules(tuple(sorted(inside)), tuple(LeftOut(each, OUTSIDE) for each in sorted(outside)))


def running_script(modules: LocalModules, root: Path) -> str | None:
    """Return the path in the project of the script that Python was started with, or None."""
    file = _file_of(sys.modules.get("__main__"))
    if file is None:
        return None
    real = os.path.realpath(file)
    relative = os.path.relpath(real, os.path.realpath(root)).replace(os.sep, "/")
    return relative if relative in modules.inside else None


def _files() -> Iterator[tuple[str, str]]:
    for name, module in list(sys.modules.items()):
        file = _file_of(module)
        if file is not None and name.partition(".")[0] != OURS:
            yield name, file


def _file_of(module: object) -> str | None:
    try:
        file = object.__getattribute__(module, "__dict__").get("__file__")
    except Exception:  # noqa: BLE001  # anything may stand in sys.modules
        return None
    return file if type(file) is str else None


@lru_cache(maxsize=8)
def _places(root: str, editable: tuple[str, ...]) -> _Places:
    real = _folder(root)
    paths = sysconfig.get_paths()
    homes = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")]
    if sys.prefix != sys.base_prefix:
        homes.append(sys.prefix)
    installed = {folder for home in homes for folder in (_folder(home), f"{home}{os.sep}")}
    return _Places(
        root=real,
        installed=tuple(sorted(each for each in installed if not real.startswith(each))),
        known=tuple(_folder(each) for each in editable),
    )


@lru_cache(maxsize=2**16)
def _judged(name: str, file: str, places: _Places) -> tuple[bool, str] | None:
    """Return whether a module of the user lies inside the project, and its real path; None for one of somebody else."""
    if file.startswith(places.installed) or any(part in file for part in INSTALLED):
        return None
    real = os.path.realpath(file)
    if real.startswith(places.installed) or any(part in real for part in INSTALLED):
        return None
    if real.startswith(places.root):
        return True, real
    if real.startswith(places.known) or any(part.startswith(EDITORS) for part in Path(real).parts):
        return None
    # The program that runs us, such as /usr/local/bin/pytest, is no module of the user; a script of Python is.
    return (False, real) if name not in ("__main__", "__mp_main__") or real.endswith(".py") else None


def _whole(name: str, file: str) -> str:
    """Return the outermost package of a module: of "a.b" in x/a/b.py it is x/a."""
    path = Path(file)
    path = path.parent if path.name.startswith("__init__.") else path
    for package in reversed(name.split(".")[:-1]):
        if path.parent.name != package:
            break  # loaded by hand, under a name of its own
        path = path.parent
    return str(path)


def _told(path: str, root: str) -> str:
    relative = os.path.relpath(path, root)
    return to_text((relative if relative.count("..") <= NEAR else path).replace(os.sep, "/"))


def _folder(path: str) -> str:
    return os.path.realpath(path).rstrip(os.sep) + os.sep
