"""Configuration files: JSON, YAML and TOML, read as plain data and never evaluated."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from renex_jupyter.errors import RenexError, from_os_error, invalid_argument

SUFFIXES = (".json", ".yaml", ".yml", ".toml")
MAX_FILE = 10 * 2**20  # bytes


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes 1e-3 for text because it has no dot; everybody who writes it means the number."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d+$"), list("-+0123456789"))


def read_file(path: Path) -> dict[str, Any]:
    """Return the mapping that a configuration file holds.

    Raises
    ------
    RenexError : `not_found`, `permission`, `too_large`, or `invalid_argument` with the line of the mistake.
    """
    text = _text(path)
    try:
        value = _parser(path)(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise invalid_argument(
            f"{path} cannot be read: {_mistake(error)}.", "Correct the file and try again."
        ) from error
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise invalid_argument(f"{path} holds {type(value).__name__}, not keys with values.", "Wrap it in a mapping.")
    return dict(value)


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise invalid_argument(f"{path} is not a file.", "Give a .json, .yaml, .yml or .toml file.")
        if (size := path.stat().st_size) > MAX_FILE:
            hint = "Leave it in the project, where every snapshot keeps it as a file, and name its path in the config."
            raise RenexError("too_large", f"{path} has {size:,} bytes; a config file may have {MAX_FILE:,}.", hint)
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise from_os_error(error, f"reading {path.name}") from error
    except UnicodeDecodeError as error:
        raise invalid_argument(f"{path} is not UTF-8 text (byte {error.start}).", "Save it as UTF-8.") from error


def _parser(path: Path) -> Callable[[str], Any]:
    suffix = path.suffix.lower()
    return json.loads if suffix == ".json" else tomllib.loads if suffix == ".toml" else _yaml


def _yaml(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader with one more form of number


def _mistake(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {error.problem}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
