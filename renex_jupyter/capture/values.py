"""Configuration and metrics as a user gives them: `key=value`, a file, a variable, or an object."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import re
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from enum import Enum
from pathlib import Path, PurePath
from types import ModuleType, SimpleNamespace
from typing import Any

from renex_jupyter.capture.value_files import SUFFIXES, read_file
from renex_jupyter.errors import RenexError, invalid_argument, not_found, unsupported_value
from renex_jupyter.records.changes import plain

ASSIGNMENT = re.compile(r"([A-Za-z_][\w./-]*)=(.*)", re.DOTALL)
MAX_VALUES = 100_000
MAX_DEPTH = 50
HINT = "Keep numbers, text, lists and mappings; convert it first, such as with .tolist() or str(), or leave it out."
NUMBER_HINT = "A metric is a number. Keep text in the config, and a series with log_metric(key, value, step)."
CONVERTERS = (
    "to_container",
    "model_dump",
    "to_dict",
    "_asdict",
)  # OmegaConf; pydantic; transformers, pandas; namedtuple


def read_values(spec: str, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that one argument of a magic or a command names.

    Parameters
    ----------
    spec : "key=value" (a JSON or Python literal, else text), the path of a .json, .yaml, .yml or .toml file (at most
        10 MB), or the name of a variable.
    namespace : the user's variables.

    Returns
    -------
    Values by key, nested as given; numpy scalars as Python numbers, times as ISO text.

    Raises
    ------
    RenexError : `not_found`, `invalid_argument` (with the line of a syntax error), `too_large`, `unsupported_value`
        (with the path of the key), `permission`.
    """
    spec = spec.strip()
    path = Path(os.path.expanduser(spec))  # noqa: PTH111  # Path.expanduser raises for an unknown user
    named = path.suffix.lower() in SUFFIXES
    if named and os.path.lexists(path):
        return from_object(read_file(path), path.name)
    if assignment := ASSIGNMENT.fullmatch(spec):
        return {assignment[1]: _literal(assignment[2].strip())}
    if named:
        raise not_found("file", spec, _neighbours(path), listing="!ls")
    return from_object(_variable(spec, namespace), spec)


def from_object(value: object, name: str) -> dict[str, Any]:
    """Return a mapping, dataclass, namespace, namedtuple, Series or config object as plain values by key.

    A single number, text or list is kept under its own `name`.

    Raises
    ------
    RenexError : `unsupported_value` naming the key path, `too_large` for more than 100,000 values.
    """
    found = _Walk().convert(value, name, 0)
    return found if isinstance(found, dict) else {name: found}


def metrics_from(source: object, namespace: Mapping[str, Any] | None = None, name: str = "metrics") -> dict[str, Any]:
    """Return metrics: the same as configuration (text is a `spec` as in `read_values`), but numbers only.

    Raises
    ------
    RenexError : as `read_values`; `unsupported_value` for a value that is no number, naming its key path.
    """
    found = read_values(source, namespace or {}) if isinstance(source, str) else from_object(source, name)
    numbers = _numbers(found, name)
    assert isinstance(numbers, dict)  # a mapping stays one
    return numbers


def _numbers(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(each, f"{path}[{key!r}]") for key, each in value.items()}
    if isinstance(value, str) and value.strip().lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(value)  # as JSON and the command line can only write them
    if isinstance(value, (bool, int, float)):
        return value
    raise unsupported_value(path, value, NUMBER_HINT)


class _Walk:
    """One conversion, which counts its values so that an endless one ends."""

    def __init__(self) -> None:
        self.count = 0

    def convert(self, value: Any, path: str, depth: int) -> Any:
        self.count += 1
        if self.count > MAX_VALUES:
            raise RenexError("too_large", f"{path.partition('[')[0]} holds more than {MAX_VALUES:,} values.", HINT)
        if depth > MAX_DEPTH:
            raise unsupported_value(f"{path.partition('[')[0]} is nested deeper than {MAX_DEPTH}; there", value, HINT)
        opened = _opened(value, path)
        if isinstance(opened, Mapping):
            return {str(key): self.convert(each, f"{path}[{key!r}]", depth + 1) for key, each in opened.items()}
        if isinstance(opened, (list, tuple)):
            return [self.convert(each, f"{path}[{index}]", depth + 1) for index, each in enumerate(opened)]
        return _leaf(opened, path)


def _opened(value: Any, path: str) -> Any:
    """Return what holds other values as a mapping or list, anything else as it is."""
    if isinstance(value, (str, bytes, bool, int, float, dict, list, type, ModuleType)) or value is None:
        return value
    if isinstance(value, Mapping):
        return _asked(lambda: dict(value.items()), value, path)  # OmegaConf resolves its references here
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if getattr(value, "ndim", 0) > 1 or _length(value) > MAX_VALUES:
        raise unsupported_value(path, value, HINT)  # a table is data, not configuration
    if (convert := _converter(value)) is not None:
        return _asked(convert, value, path)
    if isinstance(value, (SimpleNamespace, Namespace)):
        return vars(value)
    return list(value) if isinstance(value, Sequence) else value


def _length(value: Any) -> int:
    try:
        return len(value)
    except TypeError:  # also an array of no dimension, which has __len__ all the same
        return 0


def _converter(value: Any) -> Callable[[], Any] | None:
    names = (name for name in CONVERTERS if callable(getattr(type(value), name, None)))
    return next((getattr(value, name) for name in names), None)


def _asked(convert: Callable[[], Any], value: Any, path: str) -> Any:
    try:
        return convert()
    except Exception as error:
        refused = unsupported_value(path, value, f"Its own conversion failed: {type(error).__name__}: {error}")
        raise refused from error


def _leaf(value: Any, path: str) -> Any:
    if isinstance(value, Enum):
        return _leaf(value.value, path)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (str, float)):  # numpy's str_ and float64 are these too
        return str(value) if isinstance(value, str) else float(value)
    try:
        kept = plain(value)
    except RenexError as error:
        raise unsupported_value(path, value, HINT) from error
    return float(kept) if isinstance(kept, str) else kept  # `plain` turns a float32 NaN into the journal's text


def _literal(text: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
            plain(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, RenexError):
            continue
        return list(value) if isinstance(value, tuple) else value
    return text


def _variable(name: str, namespace: Mapping[str, Any]) -> Any:
    if name in namespace:
        return namespace[name]
    if os.path.isfile(name):  # noqa: PTH113  # Path.is_file raises for a name that is too long
        raise invalid_argument(f"'{name}' is a file of unknown form.", f"Give one of {', '.join(SUFFIXES)}.")
    known = [each for each in namespace if not each.startswith("_")]
    raise not_found("variable", name, known, listing="%whos")


def _neighbours(path: Path) -> list[str]:
    try:
        return [str(path.parent / each.name) for each in path.parent.iterdir() if each.suffix.lower() in SUFFIXES]
    except OSError:
        return []
