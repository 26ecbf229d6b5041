"""A wheel of a package as it is installed and running here: no build tool, no index, no source is asked.

References
----------
packaging.python.org/specifications/binary-distribution-format
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from packaging.utils import canonicalize_name

from renex_jupyter.store.layout import os_errors
from renex_jupyter.tasks.installers import unavailable

OURS = "renex_jupyter"
WHEEL = "Wheel-Version: 1.0\nGenerator: renex_jupyter\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
THE_SAME_FOR_ALL = (1980, 1, 1, 0, 0, 0)  # a wheel of the same files has the same bytes
LABEXTENSIONS = "share/jupyter/labextensions"
METADATA = ("METADATA", "entry_points.txt")


def make_wheel(folder: Path) -> Path:
    """Write a wheel of renex_jupyter into a folder and return its path; the same files give the same bytes.

    Raises
    ------
    RenexError : `environment_unavailable` when it is not installed, so that nobody knows what it needs.
    """
    found = _installed()
    version = found.version
    stem = f"{OURS}-{version}"
    content = dict(_package())
    content.update(_information(found, f"{stem}.dist-info"))
    content.update(dict(_data(found, f"{stem}.data/data", content)))
    path = folder / f"{stem}-py3-none-any.whl"
    with os_errors("the wheel of renex_jupyter cannot be made"):
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, content, f"{stem}.dist-info/RECORD")
    return path


def is_ours(name: str) -> bool:
    """Say whether a distribution is this package."""
    return canonicalize_name(name) == canonicalize_name(OURS)


def _installed() -> metadata.Distribution:
    try:
        return metadata.distribution(OURS)
    except metadata.PackageNotFoundError as error:
        hint = "Install it, also in place: pip install -e ."
        raise unavailable("renex_jupyter itself is not installed, only imported.", hint) from error


def _package() -> Iterator[tuple[str, bytes]]:
    home = Path(str(files(OURS)))
    for path in home.rglob("*"):
        name = path.relative_to(home.parent).as_posix()
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield name, path.read_bytes()


def _information(found: metadata.Distribution, home: str) -> Iterator[tuple[str, bytes]]:
    yield f"{home}/WHEEL", WHEEL.encode()
    for name in METADATA:
        if text := found.read_text(name):
            yield f"{home}/{name}", text.encode()


def _data(found: metadata.Distribution, home: str, content: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield what lies beside the modules: settings of Jupyter and IPython, and the page's part of the package.

    That part is taken from the package, since of one installed in place the copy may be older than its code.
    """
    page = f"{OURS}/labextension/"
    name = f"{LABEXTENSIONS}/{OURS.replace('_', '-')}"
    for path, data in content.items():
        if path.startswith(page):
            yield f"{home}/{name}/{path.removeprefix(page)}", data
    for each in found.files or ():
        parts = each.parts
        below = next((parts[place:] for place, part in enumerate(parts) if part in ("share", "etc")), ())
        wanted = parts[:1] == ("..",) and below and "__pycache__" not in parts
        is_page = "/".join(below).startswith(f"{name}/") and below[-1] != "install.json"
        source = Path(str(each.locate()))
        if wanted and not is_page and source.is_file():
            yield f"{home}/{'/'.join(below)}", source.read_bytes()


def _write(path: Path, content: dict[str, bytes], record: str) -> None:
    lines = [f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in sorted(content.items())]
    content = {**dict(sorted(content.items())), record: "".join([*lines, f"{record},,\n"]).encode()}
    temporary = path.with_name(f"{path.name}.tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as wheel:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name, THE_SAME_FOR_ALL)
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, data)
    temporary.replace(path)


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
