"""Files that describe an environment: which of them are read, and what of their text is kept."""

from __future__ import annotations

import re
from pathlib import Path

from renex_jupyter.capture.secrets import REDACTED, SECRET_FOLDERS, is_secret_file, is_secret_name, redact_text
from renex_jupyter.errors import RenexError, invalid_argument

LARGEST = 64 * 2**20  # bytes
SMALL = 2**20  # bytes; of a Dockerfile, and of what only tells a name or a version
# What begins with "$" is the name of a value that stands elsewhere.
ASSIGNED = re.compile(r"""(?<![\w-])([A-Za-z_]\w*)(=)(?!["']?\$)("(?:\\.|[^"\\\n])*"|'[^'\n]*'|[^\s"']+)""")
SPACED = re.compile(r"^([ \t]*ENV[ \t]+)([A-Za-z_]\w*)([ \t]+)(?!\$)([^\s=][^\n]*)$", re.MULTILINE | re.IGNORECASE)
YAML_VALUE = re.compile(r"^([ \t]*)([A-Za-z_]\w*)(:[ \t]+)([^\s#][^\n]*)$", re.MULTILINE)


def check_place(path: Path, within: Path) -> None:
    """Refuse a file that another one names, or a link leads to, outside of a folder; and one that keeps secrets.

    Raises
    ------
    RenexError : `unsafe_path`, `invalid_argument`.
    """
    place, home = path.resolve(), within.resolve()
    if not place.is_relative_to(home):
        hint = "Only files in the same project are read. Copy it there, or give a file that lies beside it."
        raise RenexError("unsafe_path", f"{path} lies outside of {within}.", hint)
    names = {path.name, place.relative_to(home).as_posix()}
    if any(map(is_secret_file, names)) or any(part.lower() in SECRET_FOLDERS for part in place.relative_to(home).parts):
        raise invalid_argument(f"{path} is of a kind that keeps secrets.", "Such a file is not read.")


def read_bytes(path: Path, most: int = LARGEST) -> bytes:
    """Return the content of a file; a pipe or a device is none, since it may never end.

    Raises
    ------
    OSError; RenexError : `invalid_argument`.
    """
    if path.exists() and not path.is_file():
        raise invalid_argument(f"{path} is no file.", "A folder, a pipe or a device is not read.")
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise invalid_argument(f"{path.name} has more than {most // 2**20} MiB.", "Is it the right file?")
    return data


def without_secrets(data: bytes, name: str) -> bytes:
    """Return the content of a file as it is kept: without what its form, or in YAML its name, marks as secret."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    kept = redact_text(text)
    if name.endswith((".yml", ".yaml")) and "lock" not in name:  # of `variables:`
        kept = YAML_VALUE.sub(lambda m: f"{m[1]}{m[2]}{m[3]}{_value(m[2], m[4])}", kept)
    return data if kept == text else kept.encode()


def kept_dockerfile(text: str) -> str:
    """Return a Dockerfile as it is kept, without the values of variables that are secrets by their names."""
    text = ASSIGNED.sub(lambda m: f"{m[1]}{m[2]}{_value(m[1], m[3])}", text)
    text = SPACED.sub(lambda m: f"{m[1]}{m[2]}{m[3]}{_value(m[2], m[4])}", text)
    return redact_text(text)


def _value(name: str, value: str) -> str:
    return REDACTED if is_secret_name(name) else value
